"""The recipes: one file each, of lines `--setting=value`."""

from __future__ import annotations

from pathlib import Path

from efficientnet_tf.errors import UsageError, unknown_name

RECIPES_FOLDER = Path(__file__).parents[1] / "recipes"


def list_recipes() -> list[str]:
    """Return the names of the recipes."""
    return sorted(path.stem for path in RECIPES_FOLDER.glob("*.cfg"))


def recipe_lines(name: str) -> dict[str, str]:
    """Return the settings of a recipe as they are written.

    Args:
        name: of a file in `efficientnet_tf/recipes/`, without its ending.

    Raises:
        UsageError: no such recipe, or a line in it that is not `--setting=value`.
    """
    if name not in list_recipes():
        raise unknown_name("recipe", name, list_recipes())
    return read_lines(RECIPES_FOLDER / f"{name}.cfg")


def read_lines(path: Path) -> dict[str, str]:
    """Return the settings in a file of lines `--setting=value`, as they are written.

    Raises:
        UsageError: a line that is neither that nor a comment.
    """
    settings = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            key, equals, value = line.strip().removeprefix("--").partition("=")
            if not equals:
                raise UsageError(f"Recipe {path.stem!r} has a line that is not --setting=value: {line!r}.")
            settings[key] = value
    return settings
