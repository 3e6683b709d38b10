"""From the words of a command line to a configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, get_type_hints

from absl import flags

from efficientnet_tf.config import (
    BenchmarkConfig,
    ConvertConfig,
    EvaluateConfig,
    ExportConfig,
    PredictConfig,
    ScaleConfig,
    TrainConfig,
    read_config,
)
from efficientnet_tf.errors import UsageError
from efficientnet_tf.flags.help_text import describe
from efficientnet_tf.options import Options


@dataclasses.dataclass(frozen=True)
class Command:
    """A command: the configuration that its flags fill, and what `--help` says first.

    Attributes:
        config: the dataclass whose fields are the flags.
        usage: one line that shows how it is called.
        summary: one sentence.
        arguments: what words without a flag are, or empty where there are none.
        rerun: whether `--config=FILE` can give the settings.
    """

    config: type[Options]
    usage: str
    summary: str
    arguments: str = ""
    rerun: bool = False


COMMANDS = {
    "benchmark": Command(
        BenchmarkConfig,
        "efficientnet-benchmark --mode=params   or   --mode=input   or   --table=2",
        "Hold networks against published figures and against others.",
    ),
    "convert": Command(
        ConvertConfig,
        "efficientnet-convert --source=FILE --variant=b4   or   --to=tfrecord --data=DIR --output=NEW",
        "Make a .keras file of weights from keras.applications, timm, torchvision or the official code;\n"
        "or TFRecord files in the layout of ImageNet from photographs.",
    ),
    "train": Command(
        TrainConfig,
        "efficientnet-train --variant=lite0 --data=FOLDER",
        "Train or fine-tune a network on photographs.",
        rerun=True,
    ),
    "export": Command(
        ExportConfig,
        "efficientnet-export --format=tflite --quantize=none,dynamic",
        "Export a trained network and prove that every artifact answers like it.",
    ),
    "evaluate": Command(
        EvaluateConfig,
        "efficientnet-evaluate --model_dir=RUN   or   --artifact=FILE --data=FOLDER --split=test",
        "Say how good a run, an exported artifact or a network of the zoo is on labelled photographs.",
    ),
    "predict": Command(
        PredictConfig,
        "efficientnet-predict --model_dir=RUN PHOTOGRAPH_OR_FOLDER ...",
        "Say what is on photographs.",
        arguments="PHOTOGRAPH_OR_FOLDER",
    ),
    "scale": Command(
        ScaleConfig,
        "efficientnet-scale --base=b0 --phi=0,1,2   or   --target_madds=4G   or   --search --data=DIR",
        "Scale a network by the compound coefficient and say what it costs, without TensorFlow;\n"
        "or train networks to find the coefficients of a base, an architecture, or how accuracy grows.",
    ),
}

# Flags of every command, beside those of its configuration.
COMMON = {
    "json": "Print the result as one JSON object to standard output, all else to standard error.",
    "debug": "Show where an error came from.",
    "help": "Show this and exit.",
}


@dataclasses.dataclass(frozen=True)
class CommandLine:
    """A command line that was understood.

    Attributes:
        config: what to do.
        arguments: words without a flag.
        json: whether the result is wanted as JSON.
        debug: whether an error is wanted with its traceback.
        help: the text to print instead of doing anything, or None.
    """

    config: Options | None
    arguments: tuple[str, ...] = ()
    json: bool = False
    debug: bool = False
    help: str | None = None


def parse(name: str, argv: Sequence[str]) -> CommandLine:
    """Understand a command line.

    Args:
        name: a key of `COMMANDS`.
        argv: the words after the command's name; `--flagfile=FILE` reads more of them from a file.

    Raises:
        UsageError: an unknown flag, a value that is not allowed, or words where none are expected.
    """
    command = COMMANDS[name]
    values = _define(command)
    try:
        arguments = values([f"efficientnet-{name}", *argv])[1:]
    except flags.Error as error:
        raise UsageError(" ".join(str(error).removeprefix("ERROR:: ").split())) from None
    if values["help"].value:
        return CommandLine(None, help=describe(f"efficientnet-{name}", command, COMMON))
    if arguments and not command.arguments:
        raise UsageError(f"efficientnet-{name} takes flags only, got {' '.join(arguments)!r}; write --name=value.")
    texts = {field.name: _text_of(field, values) for field in dataclasses.fields(command.config)}  # type: ignore[arg-type]
    flagged = {name: command.config.parse(name, str(text)) for name, text in texts.items() if text is not None}
    earlier = read_config(values["config"].value) if command.rerun and values["config"].value else {}
    # Another duration replaces the earlier one, and what was measured by it.
    if {"epochs", "steps"} & set(flagged):
        earlier = {name: value for name, value in earlier.items() if name not in ("epochs", "steps", "head_epochs")}
    config = command.config.from_json({**earlier, **flagged})
    return CommandLine(config, tuple(arguments), bool(values["json"].value), bool(values["debug"].value))


def wants(argv: Sequence[str], flag: str) -> bool:
    """Return whether a boolean flag is set, for when the rest of the command line is not understood."""
    return f"--{flag}" in argv or f"-{flag}" in argv


def _text_of(field: dataclasses.Field[Any], values: flags.FlagValues) -> Any:
    """Return what a flag was given, or None."""
    value = values[field.name].value
    return field.metadata["bare"] if "bare" in field.metadata and value == "true" else value


def _define(command: Command) -> flags.FlagValues:
    """Return absl flags for a configuration's fields: a command's own set, apart from the process's."""
    values = flags.FlagValues()  # type: ignore[no-untyped-call] # absl has no annotation there
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(command.config)  # type: ignore[arg-type]
    hints = get_type_hints(command.config)
    for field in fields:
        # As text, but for switches: the configuration itself knows types and limits, and its errors say more.
        define = flags.DEFINE_boolean if hints[field.name] is bool else flags.DEFINE_string
        define(field.name, None, field.metadata["text"], flag_values=values)
        if "bare" in field.metadata:
            # As a switch, it may come without a value, and then has the text "true".
            values[field.name].boolean = True
    if command.rerun:
        flags.DEFINE_string("config", None, "Settings of an earlier run: its config.json.", flag_values=values)
    for name, text in COMMON.items():
        flags.DEFINE_boolean(name, False, text, flag_values=values, short_name="h" if name == "help" else None)
    return values
