"""The search for an architecture that led to B0 (paper, section 4), over Optuna."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError, unknown_name
from efficientnet_tf.search.candidates import DONE, FAILED, PRUNED, Candidate, Outcome, Report, digest_of
from efficientnet_tf.search.objective import WEIGHT, objective, pareto_front
from efficientnet_tf.search.pool import Pool
from efficientnet_tf.search.space import Space, Value
from efficientnet_tf.specs import Spec, count

if TYPE_CHECKING:
    import optuna

#: Optuna's storage in the folder of a search, and the search's name in it.
STORAGE, STUDY = "optuna.db", "architecture"
#: Why a trial failed, in Optuna's storage.
_REASON = "reason"
SAMPLERS, PRUNERS = ("tpe", "random"), ("none", "median")
#: Trials at random before the sampler begins to learn, and before a trial can be ended early.
STARTING = 10


@dataclasses.dataclass(frozen=True)
class Quest:
    """What is searched for.

    Attributes:
        space: the architectures.
        target: multiply-adds that a network shall have, T.
        weight: w of `accuracy * (madds / T) ** w`.
        sampler: `tpe` or `random`.
        pruner: `none`, or `median`: a training ends when what it is worth by then is below the median of the earlier
            ones at the same epoch.
        seed: of the sampler and of the trainings.
    """

    space: Space
    target: float
    weight: float = WEIGHT
    sampler: str = "tpe"
    pruner: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.target < math.inf:
            raise UsageError(f"target_madds must be a number above 0, got {self.target:g}.")
        for name, allowed in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if getattr(self, name) not in allowed:
                raise unknown_name(name, getattr(self, name), allowed)

    def value(self, architecture: Spec, accuracy: float) -> float:
        """Return what an architecture is worth."""
        return objective(accuracy, count(architecture).madds, self.target, self.weight)


def require_optuna() -> None:
    """Raise one clear line where Optuna is not installed.

    Raises:
        MissingDependencyError: with what to install.
    """
    if importlib.util.find_spec("optuna") is None:
        raise MissingDependencyError(
            "The search for an architecture needs Optuna. Run: pip install 'efficientnet_tf[search]'."
        )


class ArchitectureSearch:
    """A search that goes on where it was interrupted; everything it knows is in Optuna's storage.

    What is suggested next depends on the seed, the number of the trial and the trials that are over, so that with one
    worker a search that was killed in a training ends as one that was not.

    Args:
        quest: what is searched for.
        storage: file of Optuna's storage; it is made.
    """

    def __init__(self, quest: Quest, storage: Path) -> None:
        require_optuna()
        import optuna
        import sqlalchemy.exc

        self._quest = quest
        self._lock = threading.Lock()
        try:
            with _quietly():
                self._study = optuna.create_study(
                    study_name=STUDY,
                    storage=f"sqlite:///{storage}",
                    direction="maximize",
                    load_if_exists=True,
                    pruner=_pruner(quest.pruner),
                )
        except sqlalchemy.exc.DatabaseError as error:
            raise EfficientNetError(f"{storage} is damaged: {error.orig}. Give a new --study_dir.") from None
        self._trials: dict[int, optuna.Trial] = {}

    def run(self, pool: Pool, trials: int, workers: int) -> list[tuple[Candidate, Outcome]]:
        """Try architectures until there are so many trials; return all of them, in order.

        Args:
            pool: what trains.
            trials: how many, those of earlier starts among them.
            workers: how many at a time.
        """
        from optuna.trial import TrialState

        over = {}
        # Those that were put in its queue, as from Optuna's dashboard, come when they are asked for.
        begun = [one for one in self._study.get_trials(deepcopy=False) if one.state != TrialState.WAITING]
        for frozen in begun:
            if frozen.state == TrialState.RUNNING:
                self._resume(frozen, pool)
            else:
                # What came of it the folder knows, unless it failed, which it would again.
                failed = frozen.state == TrialState.FAIL
                known = Outcome(FAILED, reason=frozen.user_attrs.get(_REASON, "")) if failed else None
                pool.submit(frozen.number, self._candidate(frozen.params, frozen.number), known=known)
        number = len(begun)
        while pool.waiting or number < trials:
            while number < trials and pool.waiting < workers:
                self._ask(pool)
                number += 1
            for done, candidate, outcome in pool.finished():
                over[done] = candidate, outcome
                self._tell(done, candidate, outcome)
        return [over[number] for number in sorted(over)]

    def _ask(self, pool: Pool) -> None:
        with self._lock:
            number = len(self._study.get_trials(deepcopy=False))
            self._study.sampler = _sampler(self._quest, number)
            trial = self._study.ask()
        self._begin(trial, pool)

    def _resume(self, frozen: optuna.trial.FrozenTrial, pool: Pool) -> None:
        """Go on with a trial that an earlier start did not see to its end."""
        import optuna

        with self._lock:
            self._study.sampler = _sampler(self._quest, frozen.number)
            trial = optuna.Trial(self._study, frozen._trial_id)
        self._begin(trial, pool)

    def _begin(self, trial: optuna.Trial, pool: Pool) -> None:
        with self._lock:  # of a trial that is gone on with, what was chosen then
            choices = self._quest.space.choices()
            chosen = {name: trial.suggest_categorical(name, values) for name, values in choices.items()}
        self._trials[trial.number] = trial
        candidate = self._candidate(chosen, trial.number)
        pool.submit(trial.number, candidate, self._report(trial, candidate.spec))

    def _candidate(self, chosen: Mapping[str, Any], number: int) -> Candidate:
        architecture = self._quest.space.architecture(chosen, f"{self._quest.space.base.name}-trial{number}")
        return Candidate(architecture, self._quest.seed, dict(chosen))

    def _report(self, trial: optuna.Trial, architecture: Spec) -> Report:
        """Return what tells Optuna of an epoch, in what counts: a network that is worth more may be less accurate."""

        def report(epoch: int, accuracy: float) -> bool:
            with self._lock:
                trial.report(self._quest.value(architecture, accuracy), epoch)
                return bool(trial.should_prune())

        return report

    def _tell(self, number: int, candidate: Candidate, outcome: Outcome) -> None:
        from optuna.trial import TrialState

        trial = self._trials.pop(number, None)
        if trial is None:  # told by an earlier start
            return
        states = {DONE: TrialState.COMPLETE, FAILED: TrialState.FAIL, PRUNED: TrialState.PRUNED}
        with self._lock:
            value = self._quest.value(candidate.spec, outcome.accuracy) if outcome.state == DONE else None
            trial.set_user_attr("network", digest_of(candidate.spec))
            trial.set_user_attr("madds", count(candidate.spec).madds)
            if outcome.accuracy is not None:
                trial.set_user_attr("accuracy", outcome.accuracy)
            if outcome.reason:
                trial.set_user_attr(_REASON, outcome.reason)
            self._study.tell(trial, value, state=states[outcome.state])


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search for an architecture found.

    Attributes:
        rows: a row for each trial, with its `objective` and whether it is on the front (`pareto`).
        best: the architecture that is worth most.
        accuracy, madds, objective: of the best one.
    """

    rows: tuple[dict[str, Any], ...]
    best: Spec
    accuracy: float
    madds: int
    objective: float


def found(quest: Quest, trials: Sequence[tuple[Candidate, Outcome]], rows: Sequence[Mapping[str, Any]]) -> Found:
    """Return the best of the trials, and their rows with what each is worth.

    Raises:
        EfficientNetError: none came to its end.
    """
    ended = [number for number, (_, outcome) in enumerate(trials) if outcome.state == DONE]
    if not ended:
        raise EfficientNetError("None of the trials came to its end.")
    points = [(count(trials[number][0].spec).madds, float(trials[number][1].accuracy or 0.0)) for number in ended]
    values = [
        quest.value(trials[number][0].spec, accuracy) for number, (_, accuracy) in zip(ended, points, strict=True)
    ]
    front = {ended[place] for place in pareto_front(points)}
    complete = [dict(row) for row in rows]
    for number, value in zip(ended, values, strict=True):
        complete[number] |= {"objective": value, "pareto": int(number in front)}
    best = max(range(len(ended)), key=lambda place: (values[place], -ended[place]))
    architecture = trials[ended[best]][0].spec
    return Found(tuple(complete), architecture, points[best][1], points[best][0], values[best])


def random_architecture(space: Space, draw: Callable[[Sequence[Value]], Value], name: str) -> Spec:
    """Return one of the architectures, each dimension drawn by itself."""
    return space.architecture({key: draw(values) for key, values in space.choices().items()}, name)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Have Optuna say what is wrong, and nothing else: what a search does it tells itself."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _sampler(quest: Quest, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of one trial: with a seed of its own, so that it does not matter what was drawn before."""
    import optuna

    seed = (quest.seed * 1_000_003 + number) % 2**32
    if quest.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTING, multivariate=True, constant_liar=True)


def _pruner(name: str) -> optuna.pruners.BasePruner:
    import optuna

    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=STARTING)
    return optuna.pruners.NopPruner()
