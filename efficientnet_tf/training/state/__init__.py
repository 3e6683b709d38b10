"""The state of a training: taken from the variables, written to disk, found again, and put back."""

from efficientnet_tf.training.state.files import Checkpoint, read_checkpoint, write_checkpoint
from efficientnet_tf.training.state.folder import CheckpointFolder
from efficientnet_tf.training.state.variables import Position, restore, snapshot

__all__ = [
    "Checkpoint",
    "CheckpointFolder",
    "Position",
    "read_checkpoint",
    "restore",
    "snapshot",
    "write_checkpoint",
]
