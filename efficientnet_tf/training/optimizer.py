"""Optimizers by name."""

from __future__ import annotations

from typing import Any

import keras

from efficientnet_tf.errors import unknown_name

# What weight decay leaves alone: it is meant for kernels.
NOT_DECAYED = ("bias", "gamma", "beta")

OPTIMIZERS: dict[str, tuple[type[keras.optimizers.Optimizer], dict[str, Any]]] = {
    "adamw": (keras.optimizers.AdamW, {}),
    # The paper's: decay and momentum 0.9, epsilon 0.001.
    "rmsprop": (keras.optimizers.RMSprop, {"rho": 0.9, "momentum": 0.9, "epsilon": 1e-3}),
    "sgd": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
}


def build_optimizer(
    name: str, learning_rate: Any, *, weight_decay: float, variables: list[Any]
) -> keras.optimizers.Optimizer:
    """Return an optimizer that has its slots already.

    Args:
        name: adamw, rmsprop or sgd.
        learning_rate: a number or a schedule.
        weight_decay: decoupled, of kernels only.
        variables: every variable that will ever be trained. They are named now since a phase of
            training may begin with fewer, and an optimizer cannot take in new ones later.
    """
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    kind, settings = OPTIMIZERS[name]
    optimizer = kind(learning_rate=learning_rate, weight_decay=weight_decay or None, **settings)
    optimizer.exclude_from_weight_decay(var_names=list(NOT_DECAYED))
    optimizer.build(variables)
    return optimizer
