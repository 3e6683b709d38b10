"""The text of `--help`: a command's own flags, grouped, with defaults and limits."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from typing import Any, Protocol

from efficientnet_tf.config import list_recipes, read_recipe
from efficientnet_tf.options import Options

WIDTH = 100
COLUMN = 28


class _Described(Protocol):
    @property
    def config(self) -> type[Options]: ...
    @property
    def usage(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def arguments(self) -> str: ...
    @property
    def rerun(self) -> bool: ...


def describe(name: str, command: _Described, common: Mapping[str, str]) -> str:
    """Return the help of a command."""
    lines = [f"usage: {command.usage}", "", command.summary]
    group = None
    for field in dataclasses.fields(command.config):  # type: ignore[arg-type]
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines += ["", f"{group}:"]
        lines += _entry(f"--{field.name}", f"{field.metadata['text']}{_allowed(field)}{_default(field)}")
    lines += ["", "General:"]
    if command.rerun:
        lines += _entry("--config", "Settings of an earlier run: its config.json; flags given beside it win.")
    lines += _entry("--flagfile", "A file with more flags, one a line.")
    for flag, text in common.items():
        lines += _entry(f"--{flag}", text)
    return "\n".join(lines) + "\n"


def _entry(flag: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, WIDTH - COLUMN) or [""]
    first = f"  {flag}".ljust(COLUMN) + wrapped[0]
    return [first, *(" " * COLUMN + line for line in wrapped[1:])]


def _allowed(field: dataclasses.Field[Any]) -> str:
    """Return the choices that the text does not name itself."""
    choices = field.metadata.get("choices", ())
    unnamed = [choice for choice in choices if choice not in field.metadata["text"]]
    return f" One of {', '.join(choices)}." if unnamed else ""


def _default(field: dataclasses.Field[Any]) -> str:
    if "otherwise" in field.metadata:
        otherwise = field.metadata["otherwise"]
        values = [f"{name} {read_recipe(name).get(field.name, otherwise)}" for name in list_recipes()]
        return f" (default: {', '.join(values)})"
    if field.default in (None, ()):
        return ""
    value = ",".join(field.default) if isinstance(field.default, tuple) else field.default
    return f" (default: {value})"
