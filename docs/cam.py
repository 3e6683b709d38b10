"""Draw the picture of the README: where three networks find the animals of three photographs, as in Figure 7.

Run:  .venv/bin/python docs/cam.py docs/cam.png
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image, ImageOps

from efficientnet_tf.cam.pictures import Column, draw, look
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.prediction import open_source

PHOTOGRAPHS = ("panda.jpg", "koala.jpg", "scarlet_macaw.jpg")
NETWORKS = ("lite0", "lite1", "lite2")
WIDTH = 800


def main(target: Path) -> None:
    """Draw the photographs one below the other, small enough for a README."""
    columns = [Column(open_source(name)) for name in NETWORKS]
    files = [str(SAMPLE / "animals" / name) for name in PHOTOGRAPHS]
    rows = list(zip(*(look(column, files) for column in columns), strict=True))
    picture = Image.open(io.BytesIO(draw(rows, [column.predictor.name for column in columns]))).convert("RGB")
    picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    # 64 levels of each colour look the same, and take half the bytes.
    ImageOps.posterize(picture, 6).save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
