"""The searches and the studies, from what is asked to the files of their folder."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from efficientnet_tf.benchmarking.machine import available_cores, machine
from efficientnet_tf.benchmarking.tables import write_csv
from efficientnet_tf.config import TrainConfig
from efficientnet_tf.errors import UsageError
from efficientnet_tf.files import atomic_write_text
from efficientnet_tf.locking import locked
from efficientnet_tf.search import architecture as architectures
from efficientnet_tf.search import grid as grids
from efficientnet_tf.search import studies
from efficientnet_tf.search.candidates import Measure
from efficientnet_tf.search.folder import BEST, SearchFolder
from efficientnet_tf.search.objective import WEIGHT, objective
from efficientnet_tf.search.pool import FromPython, Pool
from efficientnet_tf.search.progress import Progress
from efficientnet_tf.search.proxy import Proxy
from efficientnet_tf.search.space import Space
from efficientnet_tf.specs import Coefficients, Spec, count, spec, spec_text, variant_text

#: What tells how accurate an architecture is: settings of a training, or a function.
Accuracy = TrainConfig | Callable[..., float]

RESULT = "result.csv"
#: Settings of a training that each candidate has its own of, or that change nothing of what it learns.
_NOT_ASKED = ("variant", "phi", "width", "depth", "weights", "image_size", "seed", "model_dir", "resume", "preview")


@dataclasses.dataclass(frozen=True)
class GridResult:
    """What the grid search found.

    Attributes:
        ranked: all triples, the best first.
        spec: the base scaled by the best triple at phi 1.
    """

    ranked: tuple[grids.Ranked, ...]

    @property
    def coefficients(self) -> Coefficients:
        """The best alpha, beta and gamma, for step 2: `scale(base, phi=..., alpha=..., beta=..., gamma=...)`."""
        return self.ranked[0].coefficients

    @property
    def spec(self) -> Spec:
        """The base scaled by them at phi 1."""
        return self.ranked[0].spec


def search_coefficients(
    base: str | Spec,
    accuracy: Accuracy,
    *,
    step: float = grids.STEP,
    tolerance: float = grids.TOLERANCE,
    seeds: Sequence[int] = (0,),
    folder: str | Path | None = None,
    workers: int = 1,
) -> GridResult:
    """Find the alpha, beta and gamma of a base, by training it scaled by each that doubles its cost (section 3.3).

    Args:
        base: a name, a file, or an architecture.
        accuracy: from an architecture to its accuracy, as a function; or the settings of a short training, of which
            top-1 on the validation photographs counts.
        step: between two values of a coefficient, from 0.01 to 1; the paper's 0.05.
        tolerance: by how much alpha * beta^2 * gamma^2 may differ from 2.
        seeds: with each of which every network is trained; a function is given them if there are several, as `seed`.
        folder: where rows and trainings are kept, and where an interrupted search goes on; by default nowhere.
        workers: trainings at a time, which share the processor's cores.

    Raises:
        UsageError: a value out of range, a grid in which nothing fits, or a folder of another search.
        EfficientNetError: trainings that failed.

    >>> found = search_coefficients("b0", lambda network: 1 / network.image_size, step=0.1)
    >>> found.coefficients.gamma, len(found.ranked)
    (1.0, 21)
    """
    architecture, triples = spec(base), grids.grid(step, tolerance)
    candidates = grids.grid_candidates(architecture, triples, seeds)
    question = grid_question(step, tolerance)
    with opened(architecture, accuracy, question, folder, workers=workers, seeds=len(seeds)) as (kept, measure):
        with Pool(kept, measure, workers=workers, show=_progress(accuracy, len(candidates), kept)) as pool:
            outcomes = pool.all_of(candidates)
        result = GridResult(tuple(grids.rank(candidates, outcomes)))
        columns = machine()
        write_csv(kept.path / RESULT, [{**one.row(), **columns} for one in result.ranked])
        atomic_write_text(kept.path / BEST, spec_text(result.spec))
    return result


def search_architecture(
    base: str | Spec,
    accuracy: Accuracy,
    *,
    trials: int = 100,
    target_madds: float | None = None,
    weight: float = WEIGHT,
    sampler: str = "tpe",
    pruner: str = "none",
    seed: int = 0,
    folder: str | Path | None = None,
    workers: int = 1,
) -> architectures.Found:
    """Find an architecture that is accurate for its cost, in MnasNet's space around a base (section 4).

    What counts is `accuracy * (multiply-adds / target_madds) ** weight`.

    Args:
        base: whose stem, head, strides and number of stages it has; a name, a file, or an architecture.
        accuracy: as for `search_coefficients`.
        trials: how many architectures are tried.
        target_madds: T; by default the base's multiply-adds.
        weight: w.
        sampler: of Optuna, `tpe` or `random`.
        pruner: `none`, or `median`, which ends trainings that are below the median at the same epoch.
        seed: of the sampler and of the trainings.
        folder, workers: as for `search_coefficients`; the folder has Optuna's storage as well.

    Raises:
        MissingDependencyError: Optuna is not installed.
        UsageError: a value out of range, a base of other blocks, or a folder of another search.
        EfficientNetError: trainings that failed.

    >>> found = search_architecture("tiny", lambda network: 0.5, trials=5)
    >>> len(found.rows), found.madds == min(row["madds"] for row in found.rows)
    (5, True)
    """
    architectures.require_optuna()
    if trials < 1:
        raise UsageError(f"trials must be at least 1, got {trials}.")
    quest = quest_of(base, target_madds, weight=weight, sampler=sampler, pruner=pruner, seed=seed)
    target = quest.target
    with opened(spec(base), accuracy, architecture_question(quest), folder, workers=workers, seeds=1) as (
        kept,
        measure,
    ):
        search = architectures.ArchitectureSearch(quest, kept.path / architectures.STORAGE)
        show = _progress(accuracy, trials, kept, lambda row: objective(row["accuracy"], row["madds"], target, weight))
        with Pool(kept, measure, workers=workers, show=show) as pool:
            tried = search.run(pool, trials, workers)
        found = architectures.found(quest, tried, kept.rows)
        columns = machine()
        write_csv(kept.path / RESULT, [{**row, **columns} for row in found.rows])
        atomic_write_text(kept.path / BEST, spec_text(found.best))
    return found


def study_scaling(
    figure: str,
    base: str | Spec,
    accuracy: Accuracy,
    *,
    seeds: Sequence[int] = (0,),
    folder: str | Path | None = None,
    workers: int = 1,
    **points: Any,
) -> list[dict[str, Any]]:
    """Train the networks of one of the paper's figures of scaling; return a row for each point of each curve.

    Args:
        figure: `figure3`, `figure4` or `figure8`.
        base: a name, a file, or an architecture.
        accuracy, seeds, folder, workers: as for `search_coefficients`.
        points: where to look, as in `Points`: factors as `depths`, `widths` and `resolutions` for Figures 3 and 4, and
            `phis`, perhaps with `coefficients`, for Figure 8.

    Raises:
        UsageError: another figure, points that the base cannot be scaled to, or a folder of another search.
        EfficientNetError: trainings that failed.

    >>> rows = study_scaling("figure8", "tiny", lambda network: 1 - 1 / network.image_size, phis=(1, 2))
    >>> [(row["curve"], row["value"]) for row in rows][:3]
    [('base', 0.0), ('compound', 1), ('depth', 1)]
    """
    architecture, where = spec(base), studies.Points(**points)
    candidates = studies.study_candidates(studies.networks(figure, architecture, where), seeds)
    with opened(architecture, accuracy, study_question(figure, where), folder, workers=workers, seeds=len(seeds)) as (
        kept,
        measure,
    ):
        with Pool(kept, measure, workers=workers, show=_progress(accuracy, len(candidates), kept)) as pool:
            outcomes = pool.all_of(candidates)
        rows = studies.curves(candidates, outcomes)
        columns = machine()
        write_csv(kept.path / RESULT, [{**row, **columns} for row in rows])
    return rows


def quest_of(base: str | Spec, target_madds: float | None, **options: Any) -> architectures.Quest:
    """Return what is searched for around a base; options are those of `Quest`."""
    target = count(base).madds if target_madds is None else target_madds
    return architectures.Quest(Space(spec(base)), float(target), **options)


def grid_question(step: float, tolerance: float) -> dict[str, Any]:
    """Return what is peculiar to a grid search."""
    return {"search": "coefficients", "step": step, "tolerance": tolerance}


def architecture_question(quest: architectures.Quest) -> dict[str, Any]:
    """Return what is peculiar to a search for an architecture."""
    names = ("target", "weight", "sampler", "pruner", "seed")
    return {"search": "architecture", **{name: getattr(quest, name) for name in names}}


def study_question(figure: str, points: studies.Points) -> dict[str, Any]:
    """Return what is peculiar to a study."""
    values = dataclasses.asdict(points)
    return {"study": figure, **{name: value for name, value in values.items() if value}}


def question_of(base: Spec, accuracy: Accuracy, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a search asks: what another one must ask too, to go on with it."""
    if not isinstance(accuracy, TrainConfig):
        name = f"{getattr(accuracy, '__module__', '')}.{getattr(accuracy, '__qualname__', type(accuracy).__name__)}"
        return {**asked, "base": variant_text(base), "accuracy": name}
    settings = {key: value for key, value in accuracy.to_json().items() if key not in _NOT_ASKED}
    plain = TrainConfig().to_json()
    return {
        **asked,
        "base": variant_text(base),
        **{key: value for key, value in settings.items() if value != plain[key]},
    }


@contextlib.contextmanager
def opened(
    base: Spec,
    accuracy: Accuracy,
    asked: Mapping[str, Any],
    folder: str | Path | None,
    *,
    workers: int,
    seeds: int,
) -> Iterator[tuple[SearchFolder, Measure]]:
    """Yield the folder of a search, which no other process writes to meanwhile, and what measures accuracy.

    Args:
        base, accuracy, folder, workers: as for `search_coefficients`.
        asked: what is peculiar to this search.
        seeds: how many there are.
    """
    if workers < 1:
        raise UsageError(f"workers must be at least 1, got {workers}.")
    if seeds < 1:
        raise UsageError("seeds must be at least one.")
    with contextlib.ExitStack() as stack:
        if folder is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            path = Path(folder)
            stack.enter_context(locked(path, f"Another search is writing to {path}. Give another --study_dir."))
        kept = SearchFolder(path, question_of(base, accuracy, asked))
        try:
            yield kept, _measure(accuracy, kept, workers=workers, seeded=seeds > 1)
        except UsageError:
            kept.abandon()
            raise


def _progress(
    accuracy: Accuracy, total: int, kept: SearchFolder, value: Callable[[Mapping[str, Any]], float] | None = None
) -> Callable[[Mapping[str, Any]], None]:
    """Return what shows each row: of trainings a line, with the time that is left; a function may print its own."""
    return Progress(total, kept.known, value=value) if isinstance(accuracy, TrainConfig) else lambda row: None


def _measure(accuracy: Accuracy, kept: SearchFolder, *, workers: int, seeded: bool) -> Measure:
    if not isinstance(accuracy, TrainConfig):
        return FromPython(accuracy, seeded=seeded)
    settings = {key: value for key, value in accuracy.to_json().items() if key not in _NOT_ASKED}
    return Proxy(kept.runs, settings, max(1, available_cores() // workers))
