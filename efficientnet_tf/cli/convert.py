"""`efficientnet-convert`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficientnet_tf.cli.command import run_command
from efficientnet_tf.config import ConvertConfig
from efficientnet_tf.flags import CommandLine


def main(argv: Sequence[str] | None = None) -> int:
    """Convert weights of another project, or photographs; return the exit code."""
    return run_command("convert", _convert, argv)


def _convert(line: CommandLine) -> dict[str, Any]:
    assert isinstance(line.config, ConvertConfig)
    return _convert_data(line.config) if line.config.to == "tfrecord" else _convert_weights(line.config)


def _convert_weights(config: ConvertConfig) -> dict[str, Any]:
    from efficientnet_tf.conversion import convert

    result = convert(config)
    record = result["preprocessing"]
    print(
        f"{result['output']}: {result['variant']}, {result['classes']} classes, {result['parameters']:,} parameters. "
        f"Photographs are cropped ({record['crop']}) and resized ({record['interpolation']}) to "
        f"{record['image_size'][0]} x {record['image_size'][1]}; scaling is inside the model.\n"
        f"Next: efficientnet-predict --artifact={result['output']} PHOTOGRAPHS"
    )
    return result


def _convert_data(config: ConvertConfig) -> dict[str, Any]:
    from efficientnet_tf.data.tfrecord_conversion import convert_data

    result = convert_data(config)
    for split, part in result["splits"].items():
        size = sum(shard["bytes"] for shard in part["shards"])
        print(f"{split}: {part['records']:,} images, {size / 1e6:,.1f} MB, shards: {len(part['shards'])}")
    print(
        f"{result['output']}: {len(result['class_names'])} classes, skipped: {len(result['skipped'])}; "
        f"every record was read back and is what its file was.\n"
        f"Next: efficientnet-train --data=tfrecord:{result['output']}"
    )
    return result


if __name__ == "__main__":
    raise SystemExit(main())
