"""Optimizers by name, each with three forms of weight decay."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from efficientnet_tf.errors import unknown_name

# What each form of weight decay leaves alone, by a variable's own name. In these networks only batch normalisation has
# a gamma and a beta; a bias is one of the classifier, of squeeze-and-excitation, or of CondConv's routing.
NOT_DECAYED = {
    "decoupled": ("bias", "gamma", "beta"),
    "l2": ("gamma", "beta"),
    "l2_kernels": ("bias", "gamma", "beta"),
}


def is_decayed(variable: Any, form: str) -> bool:
    """Return whether a form of weight decay acts on a trainable variable.

    >>> layer = keras.layers.Dense(2)
    >>> layer.build((None, 3))
    >>> [variable.name for variable in layer.trainable_variables if is_decayed(variable, "l2_kernels")]
    ['kernel']
    """
    # TensorFlow calls its own variables `path/name:0`.
    name = str(variable.name).partition(":")[0].rpartition("/")[2]
    return name not in NOT_DECAYED[form]


class WeightDecay:
    """What the optimizers below share: weight decay in a form that is saved with them.

    What Keras' own `exclude_from_weight_decay` leaves alone is forgotten when a network is saved and loaded; here the
    form decides, and that method is not for use.

    Args:
        weight_decay: strength; 0 or None for none.
        weight_decay_form: `decoupled` takes learning rate * weight_decay * variable off every kernel (Loshchilov and
            Hutter, 2019). `l2` adds weight_decay * variable to the gradient, which is that of
            weight_decay * sum(variable ** 2) / 2 in the loss, for all that is trained but batch normalisation's gamma
            and beta: the official code of the first EfficientNets. `l2_kernels` does so for kernels only: that of the
            second. Both come after what the optimizer does to large gradients, and once for any number of devices.
        args, kwargs: what the Keras optimizer takes.

    Raises:
        UsageError: no such form.
    """

    def __init__(
        self, *args: Any, weight_decay: float | None = None, weight_decay_form: str = "decoupled", **kwargs: Any
    ) -> None:
        if weight_decay_form not in NOT_DECAYED:
            raise unknown_name("form of weight decay", weight_decay_form, NOT_DECAYED)
        decoupled = weight_decay_form == "decoupled"
        super().__init__(*args, weight_decay=(weight_decay or None) if decoupled else None, **kwargs)
        self.weight_decay_form = weight_decay_form
        self.l2 = 0.0 if decoupled else float(weight_decay or 0.0)

    def build(self: Any, variables: list[Any]) -> None:
        """Add the slots, and choose what decays."""
        if self.built:
            return
        decayed = [is_decayed(variable, self.weight_decay_form) for variable in variables]
        self.exclude_from_weight_decay(var_list=[v for v, yes in zip(variables, decayed, strict=True) if not yes])
        self._decayed = frozenset(index for index, yes in enumerate(decayed) if yes)
        super().build(variables)

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one variable, given the gradient that all devices have summed."""
        if self.l2 and self._get_variable_index(variable) in self._decayed:
            gradient = ops.add(ops.cast(gradient, variable.dtype), ops.multiply(self.l2, variable))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self: Any) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        config = super().get_config()
        weight_decay = config["weight_decay"] if self.weight_decay_form == "decoupled" else self.l2
        return {**config, "weight_decay": weight_decay, "weight_decay_form": self.weight_decay_form}


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class AdamW(WeightDecay, keras.optimizers.Adam):
    """Keras' AdamW; see `WeightDecay`."""


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class SGD(WeightDecay, keras.optimizers.SGD):
    """Keras' SGD; see `WeightDecay`."""


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class RMSpropTF1(WeightDecay, keras.optimizers.RMSprop):
    """RMSProp as in TensorFlow 1, with which the paper trains (section 5.2).

    It differs from Keras' RMSprop in its start: the mean of squared gradients begins at one instead of zero, so that
    the first steps are small. The paper has rho and momentum 0.9 and epsilon 0.001. See `WeightDecay` too.

    >>> optimizer = RMSpropTF1(0.1, rho=0.9, epsilon=0.0)
    >>> variable = keras.Variable(1.0)
    >>> optimizer.apply([2.0], [variable])  # the mean of squares is 0.9 * 1 + 0.1 * 2 ** 2 now
    >>> round(float(variable.numpy()), 4)
    0.8246
    """

    def add_optimizer_variables(self, trainable_variables: list[Any], name: Any, initializer: Any = "zeros") -> Any:
        """Add a slot for each variable; that of the mean of squares begins at one."""
        return super().add_optimizer_variables(trainable_variables, name, "ones" if name == "velocity" else initializer)


OPTIMIZERS: dict[str, tuple[type[keras.optimizers.Optimizer], dict[str, Any]]] = {
    "adamw": (AdamW, {}),
    # The paper's: decay and momentum 0.9, epsilon 0.001.
    "rmsprop": (RMSpropTF1, {"rho": 0.9, "momentum": 0.9, "epsilon": 1e-3}),
    "sgd": (SGD, {"momentum": 0.9, "nesterov": True}),
}


def build_optimizer(
    name: str, learning_rate: Any, *, weight_decay: float, form: str = "decoupled", variables: list[Any]
) -> keras.optimizers.Optimizer:
    """Return an optimizer that has its slots already.

    Args:
        name: adamw, rmsprop or sgd.
        learning_rate: a number or a schedule.
        weight_decay: strength of the weight decay; 0 for none.
        form: decoupled, l2 or l2_kernels; see `WeightDecay`.
        variables: every variable that will ever be trained. They are named now since a phase of
            training may begin with fewer, and an optimizer cannot take in new ones later.

    Raises:
        UsageError: no such optimizer, or no such form.

    >>> layer = keras.layers.Dense(2)
    >>> layer.build((None, 3))
    >>> optimizer = build_optimizer("rmsprop", 0.1, weight_decay=1e-5, form="l2", variables=layer.trainable_variables)
    >>> len(optimizer.variables)  # the step, the learning rate, and two slots for each variable
    6
    """
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    kind, settings = OPTIMIZERS[name]
    optimizer = kind(learning_rate=learning_rate, weight_decay=weight_decay, weight_decay_form=form, **settings)
    optimizer.build(variables)
    return optimizer
