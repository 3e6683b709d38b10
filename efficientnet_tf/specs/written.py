"""Architectures as JSON text: a file that every `--variant` takes, and what a run keeps of one that has no name."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.specs.architecture import WHOLE_FROM, Spec
from efficientnet_tf.specs.block import Block

#: How a file of an architecture ends, and how large it may be.
ENDING = ".json"
LARGEST_FILE = 2**20
MOST_ROWS = 100
MOST_BLOCKS, MOST_CHANNELS, LARGEST_FACTOR = 10_000, 2**17, 1000
#: A name becomes that of a folder and of a Keras model.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_PART = re.compile(r"\w{0,60}", re.ASCII)


def spec_text(architecture: Spec, *, indent: bool = True) -> str:
    r"""Return an architecture as JSON: every row of its table on a line, and every attribute, defaults among them.

    Args:
        architecture: the architecture.
        indent: whether it is for people to read; otherwise all of it is one line.

    Raises:
        UsageError: its name is none that `spec` would read again.

    >>> from efficientnet_tf.specs import spec
    >>> spec_text(spec("b0")).splitlines()[1]
    '  "name": "b0",'
    >>> spec_from_text(spec_text(spec("b0"))) == spec("b0")
    True
    """
    _check_name(architecture.name)
    values = dataclasses.asdict(architecture)
    if not indent:
        return json.dumps(values, separators=(",", ":"))
    rows = ",\n".join(f"    {json.dumps(row)}" for row in values.pop("blocks"))
    name, *others = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
    return "{\n" + ",\n".join([name, f'  "blocks": [\n{rows}\n  ]', *others]) + "\n}\n"


def spec_from_text(text: str, source: str = "the text") -> Spec:
    """Return the architecture that `spec_text` wrote; attributes that are left out have their defaults.

    Args:
        text: a JSON object.
        source: what an error calls it.

    Raises:
        UsageError: no JSON object, an attribute that an architecture does not have or cannot do without, or a value
            that is not allowed.

    >>> spec_from_text('{"name": "small", "blocks": [], "width": 1, "depth": 1, "image_size": 64, "dropout": 0}')
    Traceback (most recent call last):
    efficientnet_tf.errors.UsageError: the text is not an architecture: blocks must have 1 to 100 rows, got 0.
    """
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise UsageError(f"it must be one JSON object, got a {type(values).__name__}.")
        rows = values.get("blocks", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UsageError("blocks must be a list of objects.")
        if not 1 <= len(rows) <= MOST_ROWS:
            raise UsageError(f"blocks must have 1 to {MOST_ROWS} rows, got {len(rows)}.")
        architecture = Spec(
            **_checked(Spec, {**values, "blocks": tuple(Block(**_checked(Block, row)) for row in rows)})
        )
        _check_name(architecture.name)
        _check_size(architecture)
    except UsageError as error:
        raise UsageError(f"{source} is not an architecture: {error}") from None
    except (ValueError, OverflowError, RecursionError) as error:  # not JSON, nested too deeply, or too large a number
        raise UsageError(f"{source} is not an architecture: {error}.") from None
    return architecture


def read_spec(path: str | Path) -> Spec:
    """Return the architecture in a file.

    Raises:
        UsageError: no such file, or none of an architecture.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(LARGEST_FILE + 1)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not an architecture: {error}.") from None
    except OSError as error:
        raise UsageError(f"The architecture {path} cannot be read: {error.strerror}.") from None
    if len(text) > LARGEST_FILE:
        raise UsageError(f"{path} is not an architecture: it has more than {LARGEST_FILE} characters.")
    return spec_from_text(text, str(path))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"name must be of letters, digits, hyphens, dots and plus signs, 200 at most, got {name[:210]!r}."
        )


def _check_size(architecture: Spec) -> None:
    """Raise if a network is of no size that anybody builds, before anything counts or builds it."""
    for name in ("width", "depth"):
        if getattr(architecture, name) > LARGEST_FACTOR:
            raise UsageError(f"{name} may be {LARGEST_FACTOR} at most, got {getattr(architecture, name)}.")
    blocks = sum(architecture.repeats)
    if blocks > MOST_BLOCKS:
        raise UsageError(f"a network may have {MOST_BLOCKS} blocks at most, got {blocks}.")
    widest = max(max(block.filters_expanded, block.filters_out) for block in architecture.expand())
    widest = max(widest, architecture.stem_filters, architecture.head_filters)
    if widest > MOST_CHANNELS:
        raise UsageError(f"a map may have {MOST_CHANNELS} channels at most, got {widest}.")
    for name in ("prefix", "depthwise_name"):
        if not _PART.fullmatch(getattr(architecture, name)):
            raise UsageError(f"{name} must be of letters, digits and underscores, got {getattr(architecture, name)!r}.")
    architecture.preprocessing(WHOLE_FROM)  # which checks what is left; below, crop has no part in it


def _checked(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a dataclass from JSON values; its own checks see to their ranges."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = get_type_hints(kind)
    for name in values:
        if name not in fields:
            raise unknown_name("attribute", name, fields)
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise UsageError(f"{name} is missing.")
    return {name: value if name == "blocks" else _typed(name, hints[name], value) for name, value in values.items()}


def _typed(name: str, hint: Any, value: Any) -> Any:
    """Return a value as its attribute has it, such as a list of three numbers as a tuple."""
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if not isinstance(value, list) or len(value) != len(kinds):
            raise UsageError(f"{name} must be a list of {len(kinds)} numbers, got {json.dumps(value)}.")
        return tuple(_typed(name, kind, item) for kind, item in zip(kinds, value, strict=True))
    kinds = get_args(hint) or (hint,)
    if all(isinstance(kind, str) for kind in kinds):  # one of a few words
        if value not in kinds:
            raise unknown_name(name, value if isinstance(value, str) else json.dumps(value), kinds)
        return value
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not any(kind is type(value) for kind in kinds):
        raise UsageError(f"{name} cannot be {json.dumps(value)[:100]}.")
    return value
