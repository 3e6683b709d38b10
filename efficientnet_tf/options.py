"""How a dataclass field carries what its flag needs, and how values are checked against it."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Self, get_args, get_origin, get_type_hints

from efficientnet_tf.errors import UsageError, unknown_name


def option(default: Any, group: str, text: str, **limits: Any) -> Any:
    """Return a dataclass field that carries what its flag needs.

    Args:
        default: the value when nobody gives one; None where the recipe or the program decides.
        group: heading in `--help`.
        text: help, with units.
        limits: `choices`, `minimum`, `maximum`, `above` (exclusive), `below` (exclusive), `otherwise`: what a
            recipe that is silent about the field leaves it at, and `bare`: the value of a flag that is given without
            one.
    """
    return dataclasses.field(default=default, metadata={"group": group, "text": text, **limits})


class Options:
    """What all configurations share: validation from the fields' limits, and JSON."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            for item in value if isinstance(value, tuple) else (value,):
                if item is not None:
                    _check(field.name, item, field.metadata)

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """Return a field's value from its text, as a flag or a recipe gives it.

        Raises:
            UsageError: no such field, or a text that is not of its type.
        """
        hints = _types(cls)  # type: ignore[arg-type]  # mypy takes the hash of its objects for that of the class
        if name not in hints:
            raise unknown_name("setting", name, hints)
        kinds = {str(kind) for kind in (get_args(hints[name]) or (hints[name],))}
        if str(hints[name]).startswith("tuple"):
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if hints[name] is bool:
            if text.lower() not in ("true", "false"):
                raise UsageError(f"{name} must be true or false, got {text!r}.")
            return text.lower() == "true"
        for kind in (int, float):
            if str(kind) in kinds:
                try:
                    value = kind(text)
                    if not math.isfinite(value):
                        raise ValueError
                    return value
                except ValueError:
                    noun = "a whole number" if kind is int else "a number"
                    raise UsageError(f"{name} must be {noun}, got {text!r}.") from None
        return text

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()  # type: ignore[call-overload]
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the configuration that `to_json` wrote.

        Raises:
            UsageError: a name that is no field of it.
        """
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for name in values:
            if name not in names:
                raise unknown_name("setting", name, names)
        hints = _types(cls)  # type: ignore[arg-type]  # mypy takes the hash of its objects for that of the class
        for name, value in values.items():
            kinds = get_args(hints[name]) if get_origin(hints[name]) is not tuple else (list, tuple)
            allowed = tuple(kinds or (hints[name],))
            if float in allowed:
                allowed += (int,)
            if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
                raise UsageError(f"{name} cannot be {json.dumps(value)}.")
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


@functools.cache
def _types(options: type) -> dict[str, Any]:
    """Return the types of a configuration's fields; finding them takes milliseconds, and recipes ask for each line."""
    return get_type_hints(options)


def _check(name: str, value: Any, limits: Mapping[str, Any]) -> None:
    """Raise if a value is outside the limits of its field."""
    if "choices" in limits and value not in limits["choices"]:
        raise unknown_name(name, str(value), limits["choices"])
    wanted: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "minimum": ("at least", lambda bound: value >= bound),
        "maximum": ("at most", lambda bound: value <= bound),
        "above": ("above", lambda bound: value > bound),
        "below": ("below", lambda bound: value < bound),
    }
    for limit, (words, holds) in wanted.items():
        if limit in limits and not holds(limits[limit]):
            raise UsageError(f"{name} must be {words} {limits[limit]}, got {value}.")
