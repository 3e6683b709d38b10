"""A training run, from a configuration to the files of its folder."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.config import TrainConfig, network_of
from efficientnet_tf.config.transfer import transfer_task
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.pretrained import Network, build_network
from efficientnet_tf.run import Run
from efficientnet_tf.signals import StopRequests, uninterrupted
from efficientnet_tf.training import distribution, feeding
from efficientnet_tf.training.balance import class_weights, count_labels
from efficientnet_tf.training.compilation import choose_compilation
from efficientnet_tf.training.durations import Durations, durations_of
from efficientnet_tf.training.measuring import measure
from efficientnet_tf.training.meeting import meet
from efficientnet_tf.training.resuming import Found, find_run, fingerprint, held
from efficientnet_tf.training.session import Job, Session
from efficientnet_tf.training.settings import compile_arguments, set_momentum
from efficientnet_tf.training.watching import Diverged


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What a training run gave.

    Attributes:
        run: its folder.
        metrics: of the best network on the validation photographs, as in metrics.json; of several workers, the first
            alone measures it.
        epochs: how many were trained.
        skipped: files and records that could not be used, each with the reason.
    """

    run: Run
    metrics: dict[str, Any]
    epochs: int
    skipped: tuple[tuple[str, str], ...]


def train(config: TrainConfig, *, report: bool = True) -> TrainResult:
    """Train a network on photographs and write its run, or go on with a run that was interrupted.

    Args:
        config: what to do; what it leaves open is filled by its recipe.
        report: whether the run has a `report.html`, which takes some seconds.

    Returns:
        The run and the figures of its best network.

    Raises:
        UsageError: a setting that is not allowed, or a folder that cannot be written.
        EfficientNetError: photographs or devices that cannot be used.
        KeyboardInterrupt: training was stopped; the run's folder then holds the best network so far, and the state
            from which the same call goes on.
    """
    if config.preview is not None:
        raise UsageError("preview is for a picture instead of a training; `training.write_preview` writes it.")
    config, began = config.resolve(), time.monotonic()
    # First of all: workers cannot be joined once TensorFlow has computed anything.
    strategy = distribution.make_strategy(config.strategy, config.tpu)
    if distribution.worker_shard(strategy) is not None and config.model_dir is None:
        raise UsageError("Several workers need --model_dir, a folder that all of them see.")
    if distribution.worker_shard(strategy) is not None and config.on_nan == "rollback":
        raise UsageError("--on_nan=rollback is for one process; several workers stop, and go on when called again.")
    data = feeding.read(config)
    about = {"data": fingerprint(*data.sources), "versions": {"keras": keras.__version__, "tensorflow": tf.__version__}}
    found = find_run(config, data.train.name, about["data"])
    if found.finished:
        return _finished(found, data)
    with _own(found.run, strategy), distribution.precision(config.precision):
        job = _prepare(config, data, found, strategy, about)
        session = Session(job, requests := StopRequests())
        if found.config is None and session.chief:
            found.run.begin(config, job.data.labels, job.data.record)
        try:
            # Workers cannot stop one by one, and a signal finds them at different steps: it ends them at once.
            with requests if distribution.worker_shard(strategy) is None else contextlib.nullcontext():
                session.run(_checked(found, job))
                requests.obey()
        except (KeyboardInterrupt, SystemExit):
            _rescue(session)
            raise
        except Diverged as error:
            raise EfficientNetError(f"{error} {_advice(session)}") from None
        skipped = tuple(dict.fromkeys((*data.skipped, *session.damaged)))
        metrics = {}
        if session.chief:
            seconds = time.monotonic() - began
            metrics = measure(job.run, config, job.data, skipped=skipped, seconds=seconds, report=report)
        meet(strategy)  # or the cluster would lose those who are done
    return TrainResult(job.run, metrics, job.run.epochs(), skipped)


def _own(run: Run, strategy: tf.distribute.Strategy | None) -> contextlib.AbstractContextManager[None]:
    """Return the context in which this process alone writes the run, if it is the one that does."""
    return held(run) if distribution.is_chief(strategy) else contextlib.nullcontext()


def _finished(found: Found, data: feeding.Data) -> TrainResult:
    print(f"{found.run.path} is finished; nothing is left to do. Give a new --model_dir to train once more.")
    metrics = json.loads(found.run.metrics_file.read_text(encoding="utf-8"))
    return TrainResult(found.run, metrics, found.run.epochs(), data.skipped)


def _prepare(
    config: TrainConfig,
    data: feeding.Data,
    found: Found,
    strategy: tf.distribute.Strategy | None,
    about: dict[str, Any],
) -> Job:
    """Build and compile the network."""
    keras.utils.set_random_seed(config.seed)
    batch_size = _batch_size(config, data, strategy)
    with distribution.scope(strategy):
        network = _network(config, len(data.labels), config.weights)
        # Crop and interpolation are those that the weights were trained with.
        data, model = data.seen_as(network.record, config), network.model
        if (config.stages or 1) > 1:
            model = _of_any_size(config, network)
        durations = durations_of(config, len(data.train), batch_size, whole_batches=strategy is not None)
        # A run that goes on keeps its learning rates, though on more devices its epochs may be shorter.
        begun = found.checkpoint.state["about"]["durations"] if found.checkpoint else dataclasses.asdict(durations)
        arguments = compile_arguments(config, model, Durations(**begun))
        if strategy is not None:  # what fills up the last batch of validation must not count
            arguments["weighted_metrics"] = arguments.pop("metrics")
        if strategy is not None or config.accumulation > 1 or config.recompute:
            model = distribution.distribute(model, accumulation=config.accumulation, recomputes=config.recompute)
        model.compile(**arguments, steps_per_execution=config.steps_per_execution, jit_compile=False)
        if not model.optimizer.built:  # what Keras adds for float16, which it would build in the first step only
            model.optimizer.build(model.trainable_variables)
    if distribution.replicas(strategy) > 1:
        distribution.differ_by_replica(model)
        if config.bn_statistics == "synchronised":
            distribution.synchronise(model)
    model.jit_compile = choose_compilation(
        config.jit,
        model,
        batch_size,
        strategy=strategy,
        synchronised=config.bn_statistics == "synchronised",
        before=found.checkpoint.state["about"].get("jit") if found.checkpoint else None,
    )
    model.make_train_function(force=True)
    fixed = network.model if (config.stages or 1) > 1 else None
    weights = class_weights(count_labels(data.train), data.labels) if config.class_weights == "balanced" else None
    if fixed is not None:
        set_momentum(fixed, str(config.bn_momentum or "own"), durations.steps_per_epoch)
    return Job(
        config,
        data,
        found.run,
        model,
        durations,
        batch_size,
        strategy=strategy,
        about={**about, "durations": begun, "jit": bool(model.jit_compile)},
        fixed=fixed,
        class_weights=weights,
    )


def _network(config: TrainConfig, classes: int, weights: str | None, **options: Any) -> Network:
    return build_network(
        network_of(config),
        weights=weights,
        classes=classes,
        image_size=config.image_size if "input_shape" not in options else None,
        dropout=config.dropout,
        survival_probability=config.survival_probability,
        **options,
    )


def _of_any_size(config: TrainConfig, network: Network) -> keras.Model:
    """Return a network of the same weights that takes pictures of any size, for stages in which they grow."""
    classes = int(network.model.output_shape[-1])
    model = _network(config, classes, "none", input_shape=(None, None, 3)).model
    model.set_weights(network.model.get_weights())
    return model


def _checked(found: Found, job: Job) -> Any:
    """Say what is going to happen, and return the checkpoint to begin with; the data must be what it was."""
    config, data = job.config, job.data
    print(
        f"{network_of(config).name} from {config.weights} weights, recipe {config.recipe}: "
        f"{len(data.train)} photographs to train on, {len(data.validation)} to validate on, "
        f"{len(data.labels)} classes. Run: {job.run.path}"
    )
    for file, reason in data.skipped:
        print(f"  skipped {file}: {reason}")
    if data.skipped:
        print(f"  {len(data.skipped)} files skipped in all.")
    task = transfer_task(str(config.data))
    if task is not None:
        print(f"  {task.summary}")
    for problem in found.problems:
        print(f"  {problem} The checkpoint before it is used.")
    if found.checkpoint is None:
        return None
    position, about = found.checkpoint.state["position"], found.checkpoint.state["about"]
    if about["data"] != job.about["data"]:
        raise UsageError(
            f"The photographs are not those that the run in {job.run.path} began with; an exact continuation needs "
            "them. Give a new --model_dir."
        )
    print(
        f"  Going on from step {position['step']} of {job.durations.steps} "
        f"(epoch {position['epoch'] + 1}, batch {position['batch'] + 1})."
    )
    if about["versions"] != job.about["versions"]:
        print(f"  It was begun with other versions, {about['versions']}: the last digits may differ.")
    return found.checkpoint


def _batch_size(config: TrainConfig, data: feeding.Data, strategy: tf.distribute.Strategy | None) -> int:
    """Return the batch over all devices, checked against them and the data."""
    batch_size = config.batch_size or 1
    distribution.check_batch_size(batch_size, strategy, accumulation=config.accumulation)
    if strategy is not None and batch_size > len(data.train):
        raise UsageError(f"batch_size must be at most the {len(data.train)} training photographs, got {batch_size}.")
    return batch_size


def _rescue(session: Session) -> None:
    """Leave a network that can be used by a run that was stopped, however early."""
    run = session.job.run
    if not session.chief:
        return
    if not run.model_file.exists():
        with uninterrupted():
            session.keeper.save()
    print(
        f"\nStopped. The best network so far is in {run.path}; it can be exported and used. "
        "The same command goes on with the training."
    )


def _advice(session: Session) -> str:
    run, config = session.job.run, session.job.config
    tried = f"Going back {session.rollbacks} times did not help." if session.rollbacks else ""
    rollback = "" if config.on_nan == "rollback" else ", or --on_nan=rollback"
    kept = f"The best network before is in {run.path}." if run.model_file.exists() else "No network was kept."
    lower = f"Give a lower --learning_rate than {config.learning_rate:g} and a new --model_dir{rollback}."
    return f"{tried} {lower} {kept}".lstrip()
