"""One round of predictions."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.config.source import SourceOptions
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(SourceOptions):
    """One round of predictions."""

    artifact: str | None = option(None, "Source", "An exported SavedModel, .tflite, TF.js folder or .keras file.")
    top: int = option(5, "Answer", "How many classes to show for a photograph.", minimum=1)
    batch_size: int = option(16, "Machine", "Photographs at a time.", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [f"--{name}" for name in ("model_dir", "artifact", "variant") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"Give one of --model_dir, --artifact, --variant; got {' and '.join(given)}.")
