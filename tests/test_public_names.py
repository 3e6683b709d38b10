"""The names of the package stay callable whatever else is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

import efficientnet_tf as efn

CODE = """
import importlib, pkgutil, sys
import efficientnet_tf as efn

for module in pkgutil.walk_packages(efn.__path__, "efficientnet_tf."):
    importlib.import_module(module.name)
# A module that bears a function's name would have replaced it by now.
assert all(callable(getattr(efn, name)) for name in efn.__all__), efn.__all__
assert set(efn.__all__) <= set(dir(efn))
print(len([name for name in sys.modules if name.startswith("efficientnet_tf.")]))
"""


def test_every_name_is_callable_after_every_import():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


def test_unknown_name():
    with pytest.raises(AttributeError, match=r"^module 'efficientnet_tf' has no attribute 'EfficientNetB0'$"):
        _ = efn.EfficientNetB0
