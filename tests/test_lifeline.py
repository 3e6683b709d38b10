"""Processes that end when the one that started them is killed."""

from __future__ import annotations

import os
import subprocess
import sys

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


def test_a_child_ends_with_its_killed_parent_and_takes_the_folder_along(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "000000.file").write_bytes(b"a photograph")
    command = [sys.executable, "-c", PARENT, CHILD, str(folder)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
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
