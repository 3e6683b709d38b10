"""One round of predictions."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.config.source import SourceOptions
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(SourceOptions):
    """One round of predictions."""

    artifact: str | None = option(
        None, "Source", "An exported SavedModel, .tflite, .onnx, TF.js folder or .keras file."
    )
    cam: str | None = option(
        None, "Class activation maps", "Folder for pictures of where the network finds a class; one a photograph."
    )
    cam_layer: str | None = option(
        None, "Class activation maps", "Grad-CAM at this layer, instead of a map of what the classifier takes."
    )
    cam_class: str | None = option(
        None, "Class activation maps", "Label or index of the class; by default each photograph's most probable."
    )
    compare: tuple[str, ...] = option(
        (), "Class activation maps", "More networks in each picture: variants, folders of runs, or .keras files."
    )
    top: int = option(5, "Answer", "How many classes to show for a photograph.", minimum=1)
    batch_size: int = option(16, "Machine", "Photographs at a time.", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [f"--{name}" for name in ("model_dir", "artifact", "variant") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"Give one of --model_dir, --artifact, --variant; got {' and '.join(given)}.")
        for name in ("cam_layer", "cam_class", "compare"):
            if self.cam is None and getattr(self, name):
                raise UsageError(f"--{name} belongs to --cam=FOLDER, which is not given.")
        if self.cam is not None and self.artifact is not None and not self.artifact.endswith(".keras"):
            raise UsageError(
                f"--cam looks into a network's layers, which {self.artifact} does not show. "
                "Give a run, a variant, or a .keras file."
            )
