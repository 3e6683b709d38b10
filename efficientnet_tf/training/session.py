"""One training as a sequence of `fit`s: from where it begins or was interrupted, to its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.augment import augmenter
from efficientnet_tf.config import TrainConfig
from efficientnet_tf.data.damage import named_errors
from efficientnet_tf.data.sharding import Shard
from efficientnet_tf.run import Run
from efficientnet_tf.signals import StopRequests
from efficientnet_tf.training import distribution, feeding
from efficientnet_tf.training.checkpointing import Checkpointer, Interval
from efficientnet_tf.training.distribution.statistics import moving_statistics
from efficientnet_tf.training.durations import Durations
from efficientnet_tf.training.keeping import MetricsTable, tensorboard
from efficientnet_tf.training.meeting import same_step
from efficientnet_tf.training.phases import HeadFirst, schedule_in, set_dropout, set_schedule
from efficientnet_tf.training.progress import CountEpochs, FollowProgress
from efficientnet_tf.training.progressive import stages
from efficientnet_tf.training.settings import average_of, keeper
from efficientnet_tf.training.showing import ShowProgress
from efficientnet_tf.training.state import Checkpoint, CheckpointFolder, Position
from efficientnet_tf.training.watching import Diverged, WatchLoss

#: Times that a training goes back to its last checkpoint before it gives up.
MAX_ROLLBACKS = 5


@dataclasses.dataclass(frozen=True)
class Job:
    """What is trained, on what, and for how long.

    Attributes:
        config: resolved.
        data: the photographs.
        run: where everything is written.
        model: compiled.
        durations: of the training.
        batch_size: over all devices.
        strategy: what it is trained under; None for one device.
        about: what a checkpoint says of the training, as JSON values.
        fixed: the same network with an input of one size, where that of `model` is of any.
        class_weights: how much a photograph of each class counts; None for all alike.
    """

    config: TrainConfig
    data: feeding.Data
    run: Run
    model: keras.Model
    durations: Durations
    batch_size: int
    strategy: tf.distribute.Strategy | None
    about: dict[str, Any]
    fixed: keras.Model | None = None
    class_weights: tuple[float, ...] | None = None

    @property
    def whole_batches(self) -> bool:
        """Whether all batches must be of one size: the devices divide them."""
        return self.strategy is not None


class Session:
    """A training that can be interrupted after every step, and taken up again.

    Args:
        job: what to do.
        requests: to stop, followed after a step.
    """

    def __init__(self, job: Job, requests: StopRequests) -> None:
        self.job = job
        self.chief = distribution.is_chief(job.strategy)
        config, run = job.config, job.run
        self.average = average_of(config)
        self.stages = stages(config, job.durations.epochs)
        self.table = MetricsTable(run)
        self.keeper = keeper(config, run, self.average, writes=self.chief, into=job.fixed)
        self.folder = CheckpointFolder(run.checkpoints, keep_every=config.keep_every)
        self.rate_factor, self.rollbacks = 1.0, 0
        self._schedule = schedule_in(job.model)
        with tf.device("CPU:0"):
            self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False, name="epoch")
        self.checkpointer = Checkpointer(
            self.folder,
            Interval(config.checkpoint_steps),
            requests,
            callbacks={"keeper": self.keeper, "table": self.table},
            about={**job.about, "epochs": job.durations.epochs, "rate_factor": 1.0, "rollbacks": 0},
            chief=self.chief,
        )
        self.position = Position()
        self._back_at: int | None = None
        self._profile = config.profile
        self.keeper.set_model(job.model)
        self.damaged: tuple[tuple[str, str], ...] = ()

    def run(self, checkpoint: Checkpoint | None) -> None:
        """Train to the end, from a checkpoint or from the beginning.

        Raises:
            Diverged: a loss that is no number or too large, and no checkpoint or no patience to go back.
            KeyboardInterrupt: a request to stop was followed; the state is on disk.
        """
        if self.average is not None:
            self.average.set_model(self.job.model)
            self.average.on_train_begin()
            self.checkpointer.averages = self.average.variables
        self.checkpointer.set_model(self.job.model)
        if checkpoint is not None:
            self._resume(checkpoint)
        else:
            self.checkpointer.save_first()
        same_step(self.job.strategy, self.position.step)
        while not self.checkpointer.ended:
            try:
                self._fit()
            except Diverged as error:
                self._roll_back(error)
        self.folder.wait()

    def _resume(self, checkpoint: Checkpoint) -> None:
        self.position = self.checkpointer.resume(self.job.model, checkpoint)
        if self.position.batch >= self.job.durations.steps_per_epoch:  # on several devices, an epoch may be shorter
            self.position = Position(self.position.step, self.position.epoch + 1, 0)
            self.checkpointer.ended |= self.position.epoch >= self.job.durations.epochs
        about = checkpoint.state["about"]
        self.rollbacks = int(about["rollbacks"])
        self._scale_rates(float(about["rate_factor"]))

    def _fit(self) -> None:
        """Run one `fit`: to the end of a stage, or, after an interruption within an epoch, to the end of that epoch."""
        job, start = self.job, self.position
        stage = next(stage for stage in reversed(self.stages) if stage.first_epoch <= start.epoch)
        last = start.epoch + 1 if start.batch else stage.first_epoch + stage.epochs
        whole = job.durations.steps // job.durations.steps_per_epoch
        steps = None
        if start.epoch >= whole:  # the last epoch is a part of one
            last, steps = start.epoch + 1, job.durations.steps - start.step
        elif not start.batch:
            last = min(last, whole)
        augmentation = augmenter(stage.augment)
        options = {"epoch": self.epoch, "first_batch": start.batch, **feeding.changes(augmentation)}
        if len(self.stages) > 1:
            options["image_size"] = stage.image_size
            set_dropout(job.model, stage.dropout)
            print(f"Stage of {stage.image_size} pixels, dropout {stage.dropout:.3g}, augmentation {stage.augment}.")
        training = self._batches(feeding.training_batches, **options, class_weights=job.class_weights, steps=steps)
        validation = self._batches(feeding.validation_batches)
        follow = [FollowProgress(augmentation, epochs=job.durations.epochs)] if augmentation.follows_progress else []
        self.checkpointer.begin(start, steps_per_epoch=job.durations.steps_per_epoch, steps=job.durations.steps)
        try:
            with named_errors(training, validation):
                job.model.fit(
                    training,
                    validation_data=validation,
                    initial_epoch=start.epoch,
                    epochs=last,
                    callbacks=[CountEpochs(self.epoch), *follow, *self._callbacks(start)],
                    shuffle=False,  # the photographs come shuffled
                    verbose=0,
                )
        finally:
            damaged = [row for dataset in (training, validation) if dataset.damage for row in dataset.damage.skipped]
            self.damaged = tuple(dict.fromkeys((*self.damaged, *damaged)))
        self.position = self.checkpointer.position

    def _batches(self, make: Callable[..., tf.data.Dataset], **options: Any) -> Any:
        """Return batches for all devices and, of several workers, this one's part of them."""
        job = self.job

        def make_part(shard: Shard | None, size: int) -> tf.data.Dataset:
            part = {"batch_size": size, "whole_batches": job.whole_batches, "shard": shard}
            return make(job.config, job.data, **part, **options)

        return distribution.distributed_batches(job.strategy, make_part, job.batch_size)

    def _callbacks(self, start: Position) -> list[keras.callbacks.Callback]:
        """Return the callbacks of a `fit`, in the order in which they must come."""
        config, durations = self.job.config, self.job.durations
        show = ShowProgress(
            batch_size=self.job.batch_size,
            steps_per_epoch=durations.steps_per_epoch,
            steps=durations.steps,
            first_batch=start.batch,
        )
        several = distribution.replicas(self.job.strategy) > 1
        watching: list[keras.callbacks.Callback] = [
            *([distribution.AverageStatistics(self._averaged_statistics)] if several else []),
            *([self.average] if self.average is not None else []),
            HeadFirst(str(config.freeze)),
            WatchLoss(config.loss_limit, first_batch=start.batch),
        ]
        # One trace of a process, and not another one of each part of the training.
        profile, self._profile = self._profile, False
        writing = [self.table, self.keeper, *tensorboard(self.job.run, profile=profile), show]
        return [*watching, *(writing if self.chief else [self.keeper]), self.checkpointer]

    def _averaged_statistics(self) -> list[Any]:
        """Return the moving averages of batch normalisation's statistics."""
        if self.average is None:
            return []
        wanted = set(map(id, moving_statistics(self.job.model)))
        pairs = zip(self.job.model.weights, self.average.variables, strict=True)
        return [average for weight, average in pairs if id(weight) in wanted]

    def _roll_back(self, error: Diverged) -> None:
        """Go back to the last checkpoint with half the learning rate, if that is wanted."""
        self.folder.wait()
        # Keras keeps the batches of a validation that was broken off, and would use them in the next `fit`.
        self.job.model._eval_epoch_iterator = None
        if self.job.config.on_nan != "rollback" or self.rollbacks >= MAX_ROLLBACKS:
            raise error
        checkpoint, _ = self.folder.newest()
        if checkpoint is not None and checkpoint.state["position"]["step"] == self._back_at:
            # It has been tried: the weights in it may be spoilt already.
            checkpoint = self.folder.newest(before=self._back_at)[0] or checkpoint
        if checkpoint is None:
            raise error
        factor, rollbacks = self.rate_factor / 2, self.rollbacks + 1
        self._resume(checkpoint)
        self.rollbacks, self._back_at = rollbacks, self.position.step
        self._scale_rates(factor)
        print(f"\n{error} Back to step {self.position.step}, with {factor:g} times the learning rate.")

    def _scale_rates(self, factor: float) -> None:
        self.rate_factor = factor
        self.checkpointer.about |= {"rate_factor": factor, "rollbacks": self.rollbacks}
        set_schedule(self.job.model, self._schedule.scaled(factor))
