"""Export: one folded network for all formats, a writer for each, and the proof that they answer alike."""

from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.exporter import export, write_artifacts
from efficientnet_tf.exporting.source import source_of

__all__ = ["deploy", "export", "source_of", "write_artifacts"]
