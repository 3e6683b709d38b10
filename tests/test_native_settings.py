"""What is set before TensorFlow loads."""

from __future__ import annotations

import os
import platform
import sys

import pytest

from efficientnet_tf.native_settings import set_native_defaults

ONEDNN, LOG = "TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL"


@pytest.fixture
def unset(monkeypatch):
    for name in (ONEDNN, LOG):
        # Set first, so that whatever the test leaves is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return monkeypatch


@pytest.mark.parametrize(("debug", "level"), [(False, "3"), (True, "2")])
def test_before_tensorflow_loads(debug, level, unset):
    set_native_defaults(debug=debug)
    assert (os.environ[ONEDNN], os.environ[LOG]) == ("1", level)


def test_what_the_environment_says_holds(unset):
    unset.setenv(ONEDNN, "0")
    unset.setenv(LOG, "0")
    set_native_defaults()
    assert (os.environ[ONEDNN], os.environ[LOG]) == ("0", "0")


def test_other_processors_and_a_tensorflow_that_is_loaded(unset):
    unset.setattr(platform, "machine", lambda: "aarch64")
    set_native_defaults()
    unset.setattr(platform, "machine", lambda: "x86_64")
    unset.setitem(sys.modules, "tensorflow", object())
    set_native_defaults()
    assert ONEDNN not in os.environ
