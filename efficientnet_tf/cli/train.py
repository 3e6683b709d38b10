"""`efficientnet-train`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficientnet_tf.cli.command import run_command
from efficientnet_tf.config import TrainConfig
from efficientnet_tf.flags import CommandLine


def main(argv: Sequence[str] | None = None) -> int:
    """Train a network on photographs; return the exit code."""
    return run_command("train", _train, argv)


def _train(line: CommandLine) -> dict[str, Any]:
    from efficientnet_tf.training import train, write_preview

    assert isinstance(line.config, TrainConfig)
    if line.config.preview is not None:
        shown = write_preview(line.config)
        print(f"{shown['photographs']} photographs as the network will see them: {shown['preview']}")
        return shown
    result = train(line.config)
    metrics, path = result.metrics, result.run.path
    if not metrics:
        print(f"This worker is done. The first one measures the network in {path}.")
        return {"model_dir": str(path), "epochs": result.epochs}
    print(
        f"Best network: top-1 {metrics['top1']:.3f}, loss {metrics['loss']:.3f} "
        f"on {metrics['examples']} validation photographs.\n"
        f"Next: efficientnet-export --model_dir={path}   or   efficientnet-predict --model_dir={path} PHOTOGRAPHS"
    )
    return {"model_dir": str(path), "epochs": result.epochs, "metrics": metrics, "skipped": len(result.skipped)}


if __name__ == "__main__":
    raise SystemExit(main())
