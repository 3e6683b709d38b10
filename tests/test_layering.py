"""Who may import whom, and how long things may get; read from the sources with `ast`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "efficientnet_tf": "efficientnet_tf",
    "flags": "efficientnet_tf.flags",
    "export": "efficientnet_tf.exporting",
}

# Bottom to top. A module imports only from its own room or from lower floors; a name stands for all that is in it,
# unless a longer one matches.
FLOORS = (
    ("errors", "files", "markup", "native_output", "native_settings", "signals"),
    ("specs", "weights.files"),
    ("options",),
    ("augment.policies",),
    ("config",),
    ("flags", "layers", "augment.ops", "training.schedule"),
    ("blocks",),
    ("model", "features", "augment", "training.optimizer"),
    ("weights", "run", "recomputation"),
    ("data", "locking"),
    ("pretrained", "runtimes", "training.distribution"),
    ("prediction", "conversion"),
    ("evaluation", "cam"),
    ("training", "exporting"),
    ("benchmarking",),
    ("search",),
    ("cli",),
)

# Rooms that load in a moment: all that they may import, at any depth, besides the standard library.
SPARSE = {
    "errors": (),
    "files": ("errors",),
    "markup": ("markup",),
    "native_output": (),
    "native_settings": (),
    "signals": (),
    "specs": ("errors", "specs"),
    "options": ("errors", "specs", "options"),
    "augment.policies": ("errors", "options", "augment.policies"),
    "config": ("errors", "files", "specs", "options", "augment.policies", "config"),
    "flags": ("errors", "specs", "options", "config", "flags", "absl"),
}
# The same for what a command imports before its main runs.
CLI_AT_START = (*SPARSE, "cli", "absl")

FILE_LINES, FUNCTION_LINES, MAIN_LINES, POSITIONAL_ARGUMENTS = 300, 60, 40, 5


@dataclass(frozen=True)
class Import:
    """One name that a module imports, such as `keras.layers` or `efficientnet_tf.specs.zoo`."""

    target: str
    line: int
    at_start: bool  # carried out when the module is imported: not inside a function, not for type checkers alone


@dataclass(frozen=True)
class Module:
    """A source file of the package; `room` is its name without the package's."""

    path: Path
    name: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.removeprefix("efficientnet_tf").removeprefix(".")


def _name_of(path: Path) -> str:
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[folder], *(part for part in rest if part != "__init__")])


MODULES = {
    name: Module(path, name, ast.parse(path.read_text(encoding="utf-8")))
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "node_modules" not in path.parts
    for name in [_name_of(path)]
}
INSIDE = [module for module in MODULES.values() if module.room]
SOURCES = sorted(
    path
    for pattern in ("efficientnet_tf/**/*.py", "efficientnet_tf/**/*.mjs", "flags/**/*.py", "export/**/*.py")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
) + sorted(path for pattern in ("tests/**/*.py", "benchmarks/**/*.py", ".ci/run") for path in ROOT.glob(pattern))


def _imports(module: Module) -> Iterator[Import]:
    """Yield every import of a module, those under TYPE_CHECKING and inside functions too."""
    inner = {
        id(node)
        for outer in ast.walk(module.tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(outer, ast.If) and ast.unparse(outer.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"))
        for node in ast.walk(outer)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.path}:{node.lineno}: relative import"
            # `from efficientnet_tf.weights import lite` imports a module, `... import load_weights` a name in one.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            targets = [name if name in MODULES else str(node.module) for name in names]
        else:
            continue
        for target in targets:
            yield Import(target, node.lineno, id(node) not in inner)


def _short(target: str) -> str:
    return target.removeprefix("efficientnet_tf.")


def _is_within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def _entry(short: str) -> tuple[int, str]:
    """Return the floor of a module and the entry of FLOORS that it comes under."""
    matches = [
        (len(room), floor, room) for floor, rooms in enumerate(FLOORS) for room in rooms if _is_within(short, room)
    ]
    assert matches, f"{short} has no floor: FLOORS in tests/test_layering.py must name it"
    return max(matches)[1:]


def _floor_of_import(target: str, importer: str) -> int:
    """Return the highest floor that an import reaches, with the `__init__` of each package it brings in as well."""
    parents = [target.rsplit(".", n)[0] for n in range(1, target.count("."))]
    parents = [parent for parent in parents if not _is_within(importer, parent)]
    reached = [
        _entry(_short(above.target))[0]
        for parent in parents
        if parent in MODULES
        for above in _imports(MODULES[parent])
        if above.at_start and above.target.startswith("efficientnet_tf.")
    ]
    return max([_entry(_short(target))[0], *reached])


def _is_standard(target: str) -> bool:
    return target.split(".")[0] in sys.stdlib_module_names


def _where(module: Module, found: Import) -> str:
    return f"{module.path.relative_to(ROOT)}:{found.line} imports {found.target}"


def test_something_was_read() -> None:
    assert {"efficientnet_tf.specs", "efficientnet_tf.flags", "efficientnet_tf.exporting"} <= set(MODULES)


@pytest.mark.parametrize("module", INSIDE, ids=lambda module: module.name)
def test_imports_go_down(module: Module) -> None:
    floor, room = _entry(module.room)
    wrong = []
    for found in _imports(module):
        if not _is_within(found.target, "efficientnet_tf"):
            continue
        if found.target == "efficientnet_tf":
            wrong.append(f"{_where(module, found)}, the public face, instead of the module behind it")
        elif _entry(_short(found.target))[1] != room and _floor_of_import(found.target, module.name) >= floor:
            wrong.append(f"{_where(module, found)}, which is not on a lower floor")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("sparse", SPARSE)
def test_light_rooms_import_little(sparse: str) -> None:
    wrong = [
        _where(module, found)
        for module in INSIDE
        if _is_within(module.room, sparse)
        for found in _imports(module)
        if not _is_standard(found.target) and not any(_is_within(_short(found.target), room) for room in SPARSE[sparse])
    ]
    assert not wrong, "\n".join(wrong)


def test_commands_load_tensorflow_only_when_they_run() -> None:
    wrong = [
        _where(module, found)
        for module in INSIDE
        if _is_within(module.room, "cli")
        for found in _imports(module)
        if found.at_start
        and not _is_standard(found.target)
        and not any(_is_within(_short(found.target), room) for room in CLI_AT_START)
    ]
    assert not wrong, "\n".join(wrong)


def test_only_flags_touches_absl_flags() -> None:
    wrong = []
    for module in MODULES.values():
        if _is_within(module.room, "flags"):
            continue
        for node in ast.walk(module.tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names = [f"{node.value.id}.{node.attr}"]
            wrong += [f"{module.path}:{node.lineno}" for name in names if _is_within(name, "absl.flags")]
    assert not wrong, "\n".join(wrong)


def test_only_commands_read_flags() -> None:
    wrong = [
        _where(module, found)
        for module in INSIDE
        if not _is_within(module.room, "flags") and not _is_within(module.room, "cli")
        for found in _imports(module)
        if _is_within(_short(found.target), "flags")
    ]
    assert not wrong, "\n".join(wrong)


def test_training_and_exporting_never_import_each_other() -> None:
    pairs = (("training", "exporting"), ("exporting", "training"))
    wrong = [
        _where(module, found)
        for one, other in pairs
        for module in INSIDE
        if _is_within(module.room, one)
        for found in _imports(module)
        if _is_within(_short(found.target), other)
    ]
    assert not wrong, "\n".join(wrong)


def test_files_are_short() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in long.items() if lines > FILE_LINES} == {}


def _functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """Yield every function of the repository, and whether its first argument is self or cls."""
    for path in SOURCES:
        if path.suffix != ".py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        methods = {
            id(node)
            for owner in ast.walk(tree)
            if isinstance(owner, ast.ClassDef)
            for node in owner.body
            if isinstance(node, ast.FunctionDef)
            and "staticmethod" not in [ast.unparse(decorator) for decorator in node.decorator_list]
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node, id(node) in methods


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_are_short() -> None:
    long = []
    for path, function, _ in _functions():
        # Without the docstring, which may be as long as what it explains needs.
        lines = _lines(function) - (_lines(function.body[0]) if ast.get_docstring(function) else 0)
        is_main = function.name == "main" and "cli" in path.relative_to(ROOT).parts
        if lines > (MAIN_LINES if is_main else FUNCTION_LINES):
            long.append(f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {lines} lines")
    assert not long, "\n".join(long)


def test_functions_take_few_positional_arguments() -> None:
    many = []
    for path, function, is_method in _functions():
        if function.name.startswith("test_"):  # pytest passes fixtures and parameters by name
            continue
        count = len(function.args.posonlyargs) + len(function.args.args) - is_method
        if count > POSITIONAL_ARGUMENTS:
            many.append(f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {count} positional arguments")
    assert not many, "\n".join(many)
