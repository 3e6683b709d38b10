"""What is exported: a network, and what its inputs and outputs mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from efficientnet_tf.config import ExportConfig, network_of, read_config
from efficientnet_tf.pretrained import zoo_network
from efficientnet_tf.run import CONFIG, Run, open_run
from efficientnet_tf.specs import Preprocessing

ROOT = Path("exports")


@dataclasses.dataclass(frozen=True)
class Source:
    """A network, what its inputs and outputs mean, and where it is from, for people.

    Attributes:
        model: as it was trained.
        labels: names of the classes, in the order of the outputs.
        record: how photographs become its input.
        name: a run's folder, or the network's own name.
        run: the run that it comes from, if it does.
    """

    model: keras.Model
    labels: Sequence[str]
    record: Preprocessing
    name: str
    run: Run | None = None

    @property
    def settings(self) -> dict[str, Any] | None:
        """What the run was trained with; None where nothing tells."""
        if self.run is None or not (self.run.path / CONFIG).is_file():
            return None
        return read_config(self.run.path / CONFIG)

    def at(self, image_size: int | None) -> Preprocessing:
        """Return the record for another size of the input; None for the network's own."""
        if image_size is None:
            return self.record
        return dataclasses.replace(self.record, image_size=(image_size, image_size))


def source_of(config: ExportConfig) -> tuple[Source, Path]:
    """Return what a configuration exports, and the folder that is meant for it.

    Raises:
        UsageError: no such run or variant.
        EfficientNetError: a damaged file, or weights of another architecture.
    """
    if config.variant is not None:
        network = zoo_network(network_of(config), config.weights, config.image_size)
        folder = Path(config.output_dir or ROOT / network.spec.name)
        return Source(network.model, network.labels, network.record, network.model.name), folder
    run = open_run(config.model_dir)
    folder = Path(config.output_dir or run.path / "export")
    return Source(run.load_model(), run.labels, run.preprocessing, str(run.path), run), folder
