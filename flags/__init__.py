"""The commands' flags, made from the configurations; the only place that touches absl.flags."""

from efficientnet_tf.flags.command_line import COMMANDS, CommandLine, parse

__all__ = ["COMMANDS", "CommandLine", "parse"]
