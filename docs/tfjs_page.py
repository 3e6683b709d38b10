"""Photograph the page beside a TensorFlow.js model, for the README: Lite0's ImageNet weights and a bundled photograph.

It needs Chromium, which tests/browser.py drives.
Run in a clone after `make setup`:  .venv/bin/python docs/tfjs_page.py docs/tfjs_page.png
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser import Browser, served

from efficientnet_tf import EfficientNet, export
from efficientnet_tf.data.sources import SAMPLE

PHOTOGRAPH = SAMPLE / "animals" / "scarlet_macaw.jpg"


def main(target: Path) -> None:
    """Export, open the page, show it the photograph, and keep what is to be seen."""
    with tempfile.TemporaryDirectory() as scratch:
        export(EfficientNet("lite0"), Path(scratch, "export"), formats=["tfjs"], offline=True)
        shutil.copyfile(PHOTOGRAPH, Path(scratch, "export", "tfjs", "photograph.jpg"))
        browser = Browser(Path(scratch, "profile"))
        try:
            with served(Path(scratch, "export")) as address:
                browser.look(1100, 700)
                browser.open(f"{address}tfjs/?backend=wasm&picture=photograph.jpg")
                browser.wait("document.querySelectorAll('#answer li').length === 5")
                browser.screenshot(target)
        finally:
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
