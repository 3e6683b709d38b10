"""A search or a study as `efficientnet-scale` asks for it: run, printed, drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from efficientnet_tf.config import ScaleConfig
from efficientnet_tf.config.search import ARCHITECTURE, COEFFICIENTS, ROOT
from efficientnet_tf.search import grid, plots, report, running, studies
from efficientnet_tf.search.architecture import STORAGE
from efficientnet_tf.search.folder import BEST, free_folder
from efficientnet_tf.specs import Coefficients, count, spec

#: How many folders of one kind, base and data are looked at.
_FOLDERS = 100


def run_asked(config: ScaleConfig) -> dict[str, Any]:
    """Run what was asked for; return its result as plain values."""
    if config.kind == COEFFICIENTS:
        return _coefficients(config)
    if config.kind == ARCHITECTURE:
        return _architecture(config)
    return _study(config)


def _coefficients(config: ScaleConfig) -> dict[str, Any]:
    step, tolerance = _or(config.step, grid.STEP), _or(config.tolerance, grid.TOLERANCE)
    folder = _folder(config, running.grid_question(step, tolerance))
    result = running.search_coefficients(
        config.base,
        config.training(),
        step=step,
        tolerance=tolerance,
        seeds=config.all_seeds(),
        folder=folder,
        workers=config.workers or 1,
    )
    rows = [one.row() for one in result.ranked]
    report.print_grid(spec(config.base), result)
    plots.plot_grid(rows, folder / "grid.png")
    best = dataclasses.asdict(result.coefficients)
    flags = " ".join(f"--{name}={value:g}" for name, value in best.items())
    print(
        f"The best at phi 1 is {folder / BEST}, which every --variant takes. All: {folder / running.RESULT}, grid.png."
    )
    print(f"Step 2, larger ones: efficientnet-scale --base={config.base} {flags} --phi=2 --save=FILE.json")
    return {**best, "folder": str(folder), "spec": str(folder / BEST), "rows": rows}


def _architecture(config: ScaleConfig) -> dict[str, Any]:
    target = config.targets().get("target_madds", float(count(config.base).madds))
    options = {"sampler": config.sampler or "tpe", "pruner": config.pruner or "none", "seed": config.seed or 0}
    folder = _folder(config, running.architecture_question(running.quest_of(config.base, target, **options)))
    found = running.search_architecture(
        config.base,
        config.training(),
        trials=config.trials or 100,
        target_madds=target,
        folder=folder,
        workers=config.workers or 1,
        **options,
    )
    report.print_found(found, target)
    plots.plot_front(found.rows, folder / "front.png")
    print(
        f"The best is {folder / BEST}, which every --variant takes. All trials: {folder / running.RESULT}, front.png."
    )
    print(f"Optuna's own pages: pip install optuna-dashboard, then optuna-dashboard sqlite:///{folder / STORAGE}")
    best = {"accuracy": found.accuracy, "madds": found.madds, "objective": found.objective}
    return {**best, "folder": str(folder), "spec": str(folder / BEST), "rows": list(found.rows)}


def _study(config: ScaleConfig) -> dict[str, Any]:
    figure = str(config.study)
    given: dict[str, Any] = {{"phi": "phis"}.get(name, name): values for name, values in config.points().items()}
    if "phis" in given:
        given["coefficients"] = Coefficients(config.alpha, config.beta, config.gamma)
    folder = _folder(config, running.study_question(figure, studies.Points(**given)))
    rows = running.study_scaling(
        figure,
        config.base,
        config.training(),
        seeds=config.all_seeds(),
        folder=folder,
        workers=config.workers or 1,
        **given,
    )
    report.print_study(f"{figure}, {spec(config.base).name}", rows)
    plots.plot_study(figure, rows, folder / f"{figure}.png")
    print(f"All points: {folder / running.RESULT}, {figure}.png. A short training ranks networks; it does not say how")
    print("accurate they would become, and favours those that learn soon: shallow ones rather than deep ones.")
    return {"folder": str(folder), "rows": rows}


def _folder(config: ScaleConfig, asked: Mapping[str, Any]) -> Path:
    """Return the folder of a search: the given one, or the first that is free or holds this very search."""
    if config.study_dir is not None:
        return Path(config.study_dir)
    data = _name_of_data(str(config.data))
    first = ROOT / f"{config.kind}-{spec(config.base).name}-{data}"
    paths = [first, *(first.with_name(f"{first.name}-{number}") for number in range(2, _FOLDERS))]
    return free_folder(paths, running.question_of(spec(config.base), config.training(), asked))


def _name_of_data(source: str) -> str:
    """Return what a source is called in a folder's name.

    >>> _name_of_data("idx:/data/fashion-mnist/"), _name_of_data("tfds:cifar10:train")
    ('fashion-mnist', 'cifar10-train')
    """
    kind, colon, rest = source.partition(":")
    if colon and kind == "tfds":
        return rest.replace(":", "-").replace("/", "-")
    name = Path(rest if colon else source).name or "data"
    return "".join(character if character.isalnum() or character in "-_." else "-" for character in name)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
