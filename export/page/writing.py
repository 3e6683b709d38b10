"""The page, put together from its parts."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from efficientnet_tf.errors import UsageError
from efficientnet_tf.exporting.page.library import CDN, FOLDER, LITERT, TFJS, addresses, copy_files
from efficientnet_tf.files import atomic_write_text
from efficientnet_tf.runtimes.nodejs import find_modules
from efficientnet_tf.specs import Preprocessing

PAGE = "index.html"
HERE = Path(__file__).parent
#: In this order, one script.
SCRIPTS = ("pixels.js", "pictures.js", "runtimes.js", "page.js")


def write_page(
    directory: str | os.PathLike[str],
    *,
    title: str,
    labels: Sequence[str],
    record: Preprocessing,
    offline: bool = False,
    tflite: str | None = None,
) -> Path:
    """Write `index.html` beside a TensorFlow.js model: a page that classifies a picture or what a camera sees.

    It crops and resizes as `record` says, by the package's own arithmetic, so that it answers as Keras does within
    what the runtime's arithmetic differs by. No picture leaves it: its own policy lets it load from its folder and,
    unless `offline`, from the folders of TensorFlow.js and LiteRT.js on the content delivery network, nothing else.

    Args:
        directory: holds `model.json`.
        title: name of the network.
        labels: names of the classes, in the order of the probabilities.
        record: how a picture becomes the input of the network.
        offline: copy TensorFlow.js beside the page, into `library/`, instead of naming addresses.
        tflite: address, from the page, of a `.tflite` of the same network, which LiteRT.js can then run too.

    Returns:
        The path of the page.

    Raises:
        UsageError: no `model.json` in the folder, or no labels.
        MissingDependencyError: offline, and the modules of TensorFlow.js are not installed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "model.json").write_text("{}")
    ...     write_page(folder, title="lite0", labels=["cat", "dog"], record=Preprocessing((224, 224))).name
    'index.html'
    """
    folder = Path(directory)
    if not (folder / "model.json").is_file():
        raise UsageError(f"A page needs the model.json of a TensorFlow.js model beside it; {folder} holds none.")
    if not labels:
        raise UsageError("A page needs the names of the classes; got none.")
    files = {**TFJS, **(LITERT if tflite else {})}
    if offline:
        copy_files(files.values(), find_modules(), folder / FOLDER)
    library = addresses(files, offline=offline)
    options = {
        "title": title,
        "model": "model.json",
        "tflite": tflite,
        "labels": list(labels),
        "preprocessing": record.to_json(),
        "library": library,
    }
    return atomic_write_text(folder / PAGE, _page(title, options, folder=folder.resolve().name, offline=offline))


def _page(title: str, options: Mapping[str, Any], *, folder: str, offline: bool) -> str:
    script = "\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS)
    import_map = _json(_import_map(options["library"]))
    height, width = options["preprocessing"]["image_size"]
    number = len(options["labels"])
    parts = {
        "policy": _policy((script, import_map), offline=offline),
        "title": html.escape(title),
        "folder": html.escape(folder),
        "facts": f"{number:,} class{'es' if number != 1 else ''} \N{MIDDLE DOT} "
        f"{width} \N{MULTIPLICATION SIGN} {height} pixels",
        "style": (HERE / "page.css").read_text("utf-8"),
        "import_map": import_map,
        "options": _json(options),
        "script": script,
    }
    page = (HERE / "page.html").read_text("utf-8")
    # In one pass, so that nothing in a part is taken for a place.
    pieces = page.split("@@")
    return "".join(parts[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def _import_map(library: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return what tells the browser where the modules of LiteRT.js are, and what they must be."""
    modules = {name: file for name, file in library.items() if name.startswith("@")}
    return {
        "imports": {name: file["url"] for name, file in modules.items()},
        "integrity": {file["url"]: file["integrity"] for file in modules.values() if "integrity" in file},
    }


def _policy(scripts: Sequence[str], *, offline: bool) -> str:
    """Return the page's own rules on what it may load and where it may connect to."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    network = "" if offline else f" {CDN}@tensorflow/ {CDN}@litertjs/"
    rules = {
        "default-src": "'none'",
        "script-src": f"'self' blob: 'wasm-unsafe-eval' {hashes}{network}",
        "style-src": "'unsafe-inline'",
        "img-src": "'self' blob: data:",
        "media-src": "'self' blob: mediastream:",
        "connect-src": f"'self' blob:{network}",
        "worker-src": "blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: Any) -> str:
    # Inside a script element, only `<` could end it.
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
