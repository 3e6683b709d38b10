"""`efficientnet-predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficientnet_tf.cli.command import run_command
from efficientnet_tf.config import PredictConfig
from efficientnet_tf.flags import CommandLine


def main(argv: Sequence[str] | None = None) -> int:
    """Say what is on photographs; return the exit code."""
    return run_command("predict", _predict, argv)


def _predict(line: CommandLine) -> dict[str, Any]:
    from efficientnet_tf.prediction import open_predictor, predict_files

    config = line.config
    assert isinstance(config, PredictConfig)
    with open_predictor(config) as predictor:
        if config.cam is not None:
            from efficientnet_tf.cam.pictures import add_pictures, open_columns, prepare_folder

            columns = open_columns(config, predictor)
            prepare_folder(config.cam, line.arguments)
        print(f"With {predictor.name}:")
        result = predict_files(predictor, line.arguments, top=config.top, batch_size=config.batch_size)
        if config.cam is not None:
            add_pictures(result["predictions"], columns, config.cam, batch_size=config.batch_size)
    for prediction in result["predictions"]:
        print(prediction["file"])
        for entry in prediction["top"]:
            print(f"  {entry['probability']:6.1%}  {entry['label']}")
        if "cam" in prediction:
            print(f"  drawn in {prediction['cam']}")
    for entry in result["skipped"]:
        print(f"skipped {entry['file']}: {entry['reason']}")
    if result["skipped"]:
        print(f"{len(result['skipped'])} files skipped.")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
