"""`efficientnet-convert`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficientnet_tf.cli.command import run_command
from efficientnet_tf.config import ConvertConfig
from efficientnet_tf.flags import CommandLine


def main(argv: Sequence[str] | None = None) -> int:
    """Convert weights of another project; return the exit code."""
    return run_command("convert", _convert, argv)


def _convert(line: CommandLine) -> dict[str, Any]:
    from efficientnet_tf.conversion import convert

    assert isinstance(line.config, ConvertConfig)
    result = convert(line.config)
    record = result["preprocessing"]
    print(
        f"{result['output']}: {result['variant']}, {result['classes']} classes, {result['parameters']:,} parameters. "
        f"Photographs are cropped ({record['crop']}) and resized ({record['interpolation']}) to "
        f"{record['image_size'][0]} x {record['image_size'][1]}; scaling is inside the model.\n"
        f"Next: efficientnet-predict --artifact={result['output']} PHOTOGRAPHS"
    )
    return result


if __name__ == "__main__":
    raise SystemExit(main())
