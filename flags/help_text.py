"""The text of `--help`: a command's own flags, grouped, with defaults and limits."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from efficientnet_tf.config import list_recipes, read_recipe
from efficientnet_tf.options import Options

WIDTH = 100
COLUMN = 28

#: The recipe of a command line that names none, as `TrainConfig.resolve` chooses it.
USUAL_RECIPE = "finetune"


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
    fields = dataclasses.fields(command.config)  # type: ignore[arg-type]
    # Of the command that trains: others take recipes for trainings of their own kind.
    with_recipe = command.rerun and "recipe" in (field.name for field in fields)
    recipes = {name: read_recipe(name) for name in list_recipes()} if with_recipe else {}
    for field in fields:
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines += ["", f"{group}:"]
        lines += _entry(f"--{field.name}", f"{field.metadata['text']}{_allowed(field)}{_default(field, recipes)}")
    lines += ["", "General:"]
    if command.rerun:
        lines += _entry("--config", "Settings of an earlier run: its config.json; flags given beside it win.")
    lines += _entry("--flagfile", "A file with more flags, one a line.")
    for flag, text in common.items():
        lines += _entry(f"--{flag}", text)
    return "\n".join(lines) + "\n"


def _entry(flag: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, WIDTH - COLUMN, break_on_hyphens=False) or [""]
    first = f"  {flag}".ljust(COLUMN) + wrapped[0]
    return [first, *(" " * COLUMN + line for line in wrapped[1:])]


def _allowed(field: dataclasses.Field[Any]) -> str:
    """Return the choices that the text does not name itself."""
    choices = field.metadata.get("choices", ())
    unnamed = [choice for choice in choices if choice not in field.metadata["text"]]
    return f" One of {', '.join(choices)}." if unnamed else ""


def _default(field: dataclasses.Field[Any], recipes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the value of a flag that is not given: of the usual recipe first, then of those that have another."""
    if field.default not in (None, ()):
        value = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        return f" (default: {value})"
    otherwise = field.metadata.get("otherwise")
    values = {name: _value(field.name, settings, otherwise) for name, settings in recipes.items()}
    usual = values.get(USUAL_RECIPE)
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        if value not in (None, usual):
            groups.setdefault(str(value), []).append(name)
    texts = [str(usual)] if usual is not None else []
    texts += [f"{', '.join(_shortened(names, recipes))} {value}" for value, names in groups.items()]
    return f" (default: {'; '.join(texts)})" if texts else ""


def _value(name: str, recipe: Mapping[str, Any], otherwise: Any) -> Any:
    """Return what a recipe leaves a setting at, or None: of epochs and steps it has one."""
    return recipe.get(name, None if name == "epochs" and "steps" in recipe else otherwise)


def _shortened(names: Sequence[str], recipes: Collection[str]) -> list[str]:
    """Return names of recipes with `imagenet*` in place of all that begin so, where all of them are there."""
    families = {name: [other for other in recipes if other.startswith(name)] for name in names}
    whole = {name: family for name, family in families.items() if len(family) > 1 and set(family) <= set(names)}
    covered = {other for family in whole.values() for other in family}
    return [f"{name}*" if name in whole else name for name in names if name in whole or name not in covered]
