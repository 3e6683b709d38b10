"""`efficientnet-evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficientnet_tf.cli.command import run_command
from efficientnet_tf.config import EvaluateConfig
from efficientnet_tf.flags import CommandLine


def main(argv: Sequence[str] | None = None) -> int:
    """Say how good a network is on labelled photographs; return the exit code."""
    return run_command("evaluate", _evaluate, argv)


def _evaluate(line: CommandLine) -> dict[str, Any]:
    from efficientnet_tf.evaluation import evaluate
    from efficientnet_tf.evaluation.report import print_evaluation

    config = line.config
    assert isinstance(config, EvaluateConfig)
    result = evaluate(config).to_json()
    if not line.json:
        print_evaluation(result)
    if config.output is not None:
        print(f"Every prediction is in {config.output}.")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
