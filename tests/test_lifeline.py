"""Processes that end when the one that started them is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from efficientnet_tf.runtimes import lifeline

PARENT = """
import subprocess, sys
from efficientnet_tf.runtimes.lifeline import lifeline

with lifeline() as stdin:
    subprocess.run([sys.executable, "-c", sys.argv[1], *sys.argv[2:]], stdin=stdin)
"""
CHILD = """
import sys, threading
from pathlib import Path
from efficientnet_tf.runtimes.lifeline import end_with_stdin

end_with_stdin(Path(sys.argv[1]))
print("ready", flush=True)
threading.Event().wait()
"""

#: Its work fails as soon as the first photograph has gone, while the others are being removed.
FAILING_CHILD = """
import shutil, sys, threading
from pathlib import Path
from efficientnet_tf.runtimes import lifeline

remove, gone = shutil.rmtree, threading.Event()

def slowly(folder, **options):
    next(folder.iterdir(), folder / "none").unlink(missing_ok=True)
    gone.set()
    threading.main_thread().join()
    remove(folder, **options)

shutil.rmtree = slowly
lifeline.end_with_stdin(Path(sys.argv[1]))
print("ready", flush=True)
gone.wait()
raise FileNotFoundError("a photograph")
"""


@pytest.mark.parametrize("child", [CHILD, FAILING_CHILD], ids=["waits", "fails"])
def test_a_child_ends_with_its_killed_parent_and_takes_the_folder_along(child, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:06}.file").write_bytes(b"a photograph")
    command = [sys.executable, "-c", PARENT, child, str(folder)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    assert folder.is_dir()
    parent.kill()
    # The child holds the same pipe: it ends when both have.
    assert parent.stdout.read() == ""
    parent.stdout.close()
    parent.wait()
    assert not folder.exists()


def test_nothing_is_left_open():
    before = set(os.listdir("/dev/fd"))
    with lifeline.lifeline():
        assert len(os.listdir("/dev/fd")) == len(before) + 2
    assert set(os.listdir("/dev/fd")) == before
