"""Training and evaluation steps under every strategy: the one place that works around Keras.

What Keras 3.15 cannot do itself, each with a test that notices when it can: `fit` and `evaluate` on several workers,
`steps_per_execution` above 1, gradient accumulation, and `jit_compile`, the last three on several devices. This module
uses private names of Keras' trainer (`_maybe_symbolic_build`, `_symbolic_build`, `_compute_loss`, `_loss_tracker`); no
other does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.errors import UsageError
from efficientnet_tf.model import alone, ordinary
from efficientnet_tf.recomputation import run_recomputing
from efficientnet_tf.training.distribution.divided import mean_over_parts

#: From an iterator over batches to the figures so far; ends with StopIteration.
Function = Callable[[Iterator[Any]], dict[str, Any]]


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class DistributedModel(keras.Model):
    """A functional model whose `fit` and `evaluate` work on one device, on several, and on several workers.

    It is compiled and used as any other model. `steps_per_execution` and `jit_compile` of `compile` are supported
    everywhere; on several devices XLA compiles the gradients, and what the devices exchange stays outside. The figures
    that callbacks are given after a batch are those of all devices and workers, equal on all. Saved, it is an ordinary
    model.

    Attributes:
        accumulation: the parts into which each device divides its batch, one after the other, before the one step of
            the optimizer. Parts count by their examples, so the step is that of the undivided batch, but for what
            depends on the other examples of a batch: batch normalisation sees one part at a time, and the masks of
            dropout are others.
        recomputes: whether the inside of each block is computed twice, to keep less: see `recomputation`.

    Raises:
        UsageError: on training, a combination that TensorFlow cannot do.

    >>> inputs = keras.Input((4,))
    >>> model = DistributedModel(inputs, keras.layers.Dense(1)(inputs))
    >>> model.accumulation = 2
    >>> model.compile("sgd", "mse", steps_per_execution=2)
    >>> history = model.fit(tf.ones((8, 4)), tf.ones((8, 1)), batch_size=4, verbose=0)
    >>> int(model.optimizer.iterations)
    2
    """

    accumulation: int = 1
    recomputes: bool = False

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the outputs."""
        if training and self.recomputes:
            return run_recomputing(self, inputs)
        return super().call(inputs, training=training, mask=mask)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Do one step of the optimizer on one device's part of a batch, and return that device's figures."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        gradients = self._gradients(x, y, sample_weight)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return self.get_metrics_result()

    def make_train_function(self, force: bool = False) -> Function:
        """Return what carries out `steps_per_execution` training steps."""
        if self.train_function is None or force:
            exchanging = self.distribute_strategy.num_replicas_in_sync > 1
            inside = self._xla and exchanging
            if inside and self._synchronised:
                raise UsageError("jit_compile cannot be combined with synchronised statistics on several devices.")
            # Anew each time: what is trained may have changed since the last time it was traced.
            self._gradients = tf.function(self._sum_gradients, jit_compile=True) if inside else self._sum_gradients
            self.train_function = self._repeat(self.train_step, compiled=self._xla and not exchanging)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Function:
        """Return what carries out `steps_per_execution` steps of evaluation."""
        if self.test_function is None or force:
            self.test_function = self._repeat(self.test_step, compiled=self._xla)
        return self.test_function

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Write an ordinary model with the same layers, optimizer, loss and metrics."""
        ordinary(self).save(filepath, overwrite=overwrite, **kwargs)

    @property
    def _xla(self) -> bool:
        """Whether to ask for XLA; a TPU compiles with it unasked."""
        return bool(self.jit_compile) and not isinstance(self.distribute_strategy, tf.distribute.TPUStrategy)

    @property
    def _synchronised(self) -> bool:
        return any(getattr(layer, "synchronized", False) for layer in self._flatten_layers())

    def _sum_gradients(self, x: Any, y: Any, sample_weight: Any) -> list[tf.Tensor]:
        """Return this device's gradients of the mean loss over its examples, one for each trainable weight."""
        zeros = [tf.zeros(weight.shape, weight.dtype) for weight in self.trainable_weights]
        in_loop = not (self._synchronised and _meets())
        return mean_over_parts(
            self._gradients_of, (x, y, sample_weight), self.accumulation, zeros=zeros, in_loop=in_loop
        )

    def _gradients_of(self, part: tuple[Any, Any, Any]) -> list[tf.Tensor]:
        x, y, sample_weight = part
        weights = self.trainable_weights
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        # Keras divides the loss by the number of devices, so that their gradients add up.
        mean = loss * tf.cast(self.distribute_strategy.num_replicas_in_sync, loss.dtype)
        self._loss_tracker.update_state(mean, sample_weight=tf.shape(tf.nest.flatten(x)[0])[0])
        self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
        # A weight that the loss does not depend on has no gradient.
        found = tape.gradient(scaled, weights)
        return [
            tf.zeros(weight.shape, weight.dtype) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, weight in zip(found, weights, strict=True)
        ]

    def _repeat(self, step: Callable[[Any], Any], *, compiled: bool) -> Function:
        """Return a function that carries out a step on each of the next `steps_per_execution` batches."""
        strategy, times = self.distribute_strategy, self.steps_per_execution
        body = tf.function(step, jit_compile=True) if compiled else step

        @tf.autograph.experimental.do_not_convert
        def on_device(data: Any) -> Any:
            # A function of Python's own: a compiled one would be compiled for all devices at once, which XLA cannot.
            return body(data)

        def once(iterator: Any) -> tf.Tensor:
            """Do one step if a batch is left, and return whether there was one."""
            batch = iterator.get_next_as_optional()

            def do() -> tf.Tensor:
                strategy.run(on_device, args=(_with_shapes(batch.get_value(), iterator.element_spec),))
                return tf.constant(True)

            return tf.cond(batch.has_value(), do, lambda: tf.constant(False))

        @tf.autograph.experimental.do_not_convert
        def several(iterator: Any) -> tuple[tf.Tensor, dict[str, Any]]:
            if times == 1:
                any_done = once(iterator)
            else:
                _, any_done, _ = tf.while_loop(
                    lambda count, _, more: more & (count < times),
                    lambda count, before, _: (lambda done: (count + 1, before | done, done))(once(iterator)),
                    (0, False, True),
                    parallel_iterations=1,
                )
            return any_done, self.get_metrics_result()

        function = several if self.run_eagerly else tf.function(several, reduce_retracing=True)

        def execute(iterator: Iterator[Any]) -> dict[str, Any]:
            if isinstance(iterator, tf.data.Iterator | tf.distribute.DistributedIterator):
                any_done, logs = function(iterator)
                if not any_done:
                    raise StopIteration
                return logs
            for batch in itertools.islice(iterator, times):  # of `train_on_batch` and `test_on_batch`
                strategy.run(on_device, args=(batch,))
            return self.get_metrics_result()

        return execute

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Make the variables of loss, metrics and optimizer, from the form of a batch.

        Keras would draw one batch: on several workers that fails, and of a dataset whose every pass is another epoch it
        takes away the first.
        """
        if iterator is not None:
            data_batch = tf.nest.map_structure(_symbol, iterator.data_adapter.get_tf_dataset().element_spec)
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=data_batch)


def distribute(model: keras.Model, *, accumulation: int = 1, recomputes: bool = False) -> DistributedModel:
    """Return a model of the same layers whose `fit` and `evaluate` work under the strategy the model was made under.

    Args:
        model: a functional model; it need not be compiled, and what it is compiled with is not taken over.
        accumulation: see `DistributedModel`.
        recomputes: see `DistributedModel`.

    Raises:
        UsageError: `accumulation` is below 1, or the model is not functional.

    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    >>> distribute(model, accumulation=4).layers == model.layers
    True
    """
    if accumulation < 1:
        raise UsageError(f"accumulation must be 1 or more, got {accumulation}.")
    if not getattr(model, "inputs", None):
        raise UsageError(f"Only a functional model can be distributed, got a {type(model).__name__}.")
    with model.distribute_strategy.scope():
        made = DistributedModel(alone(model.inputs), alone(model.outputs), name=model.name)
    made.accumulation, made.recomputes = accumulation, recomputes
    return made


def _meets() -> bool:
    """Return whether devices exchange values by meeting outside of their own graphs, which cannot be in a loop."""
    return not tf.__internal__.distribute.strategy_supports_no_merge_call()


def _symbol(spec: Any) -> Any:
    """Return what stands for a tensor in a symbolic call; for a distributed one, what each device has."""
    parts = getattr(spec, "_value_specs", None)
    spec = parts[0] if parts else spec
    return keras.KerasTensor(tuple(spec.shape), dtype=spec.dtype.name)


def _with_shapes(batch: Any, spec: Any) -> Any:
    """Tell tensors, of all devices, the shapes that the dataset promises: drawing them one by one has forgotten."""
    specs = tf.nest.flatten(spec, expand_composites=True)
    for tensor, known in zip(tf.nest.flatten(batch, expand_composites=True), specs, strict=True):
        tensor.set_shape(known.shape)
    return batch
