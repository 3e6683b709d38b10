"""What runs an exported file: images in, probabilities out. Each runtime is imported when it is needed."""

from efficientnet_tf.runtimes.artifact import Artifact, open_artifact

__all__ = ["Artifact", "open_artifact"]
