"""Weight files of safetensors and TensorFlow, and paths that are neither: what is read, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from refusals import assert_refused

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.weights.files import read_weights

GOLDEN = Path(__file__).parent / "golden"


# Safetensors


def write_header(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype: str = "F32", shape: tuple = (1,), begin: int = 0, end: int = 4) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_what_a_safetensors_file_says_of_itself():
    file = read_weights(GOLDEN / "weights.safetensors")
    assert (file.format, file.metadata) == ("safetensors", {"__metadata__": {"format": "pt"}})


@pytest.mark.parametrize(
    ("header", "data", "reason"),
    [
        ({"a": entry()}, bytes(3), "a, [1], does not fit bytes 0 to 4 of 3, after 0"),
        ({"a": entry()}, bytes(5), "1 bytes at its end belong to no tensor"),
        ({"a": entry(shape=(2,))}, bytes(4), "a, [2], does not fit bytes 0 to 4 of 4, after 0"),
        ({"a": entry(begin=4, end=8)}, bytes(8), "a, [1], does not fit bytes 4 to 8 of 8, after 0"),
        ({"a": entry(), "b": entry()}, bytes(4), "b, [1], does not fit bytes 0 to 4 of 4, after 4"),
        ({"a": entry(shape=(-1, -1))}, bytes(4), "a is not described by numbers"),
        ({"a": entry(shape=(True,))}, bytes(4), "a is not described by numbers"),
        ({"a": entry(shape=(1,) * 65)}, bytes(4), "a is not described by numbers"),
        ({"a": entry("F8_E4M3", end=1)}, bytes(1), "a is of the type F8_E4M3, which is not known"),
        ({"a": {"dtype": "F32"}}, bytes(4), "data_offsets"),
        ({"__metadata__": {"format": 1}}, b"", "its __metadata__ is not a table of texts"),
        ([], b"", "its header is not a table"),
        (b'{"a": 1, "a": 2}', b"", "a name is twice in its header"),
        (b"[" * 100_000, b"", "maximum recursion depth exceeded while decoding a JSON array from a unicode string"),
    ],
)
def test_safetensors_files_that_lie(header, data, reason, tmp_path):
    assert_refused(write_header(tmp_path / "a.safetensors", header, data), reason)


def test_a_header_that_is_longer_than_the_file(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"\xff" * 8 + b"{}")
    assert_refused(path, "a header of 18446744073709551615 bytes in a file of 10")
    path.write_bytes(b"\x02\0\0")
    assert_refused(path, "a header of 2 bytes in a file of 3")


# TensorFlow


def write_checkpoint(prefix: Path, values: dict[str, object]) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        handles = {name: tf.compat.v1.Variable(value, name=name) for name, value in values.items()}
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(handles).save(session, str(prefix), write_state=False, write_meta_graph=False)


def test_averages_win_and_slots_are_left_out(tmp_path):
    root = "efficientnet-b0/stem"
    values = {
        f"{root}/conv2d/kernel": np.float32([1, 1]),
        f"{root}/conv2d/kernel/ExponentialMovingAverage": np.float32([2, 2]),
        f"{root}/conv2d/kernel/RMSProp": np.float32([3, 3]),
        f"{root}/conv2d/kernel/RMSProp_1": np.float32([3, 3]),
        f"{root}/conv2d/kernel/Momentum": np.float32([3, 3]),
        f"{root}/tpu_batch_normalization/moving_mean": np.float32([4]),
        f"{root}/tpu_batch_normalization/moving_mean/local_step": np.float32(3),
        f"{root}/only/averages/ExponentialMovingAverage": np.float32([5]),
        f"{root}/only/averages/RMSProp": np.float32([3]),
        f"{root}/rounded": np.array([0.5, -2], tf.bfloat16.as_numpy_dtype),
        f"{root}/words": np.array(["text"]),
        "global_step": np.int64(7),
        "beta1_power": np.float32(0.9),
    }
    write_checkpoint(tmp_path / "model.ckpt", values)
    file = read_weights(tmp_path / "model.ckpt")
    assert (file.format, file.metadata) == ("tf_checkpoint", {})
    assert {name: array.tolist() for name, array in file.tensors.items()} == {
        f"{root}/conv2d/kernel": [2, 2],
        f"{root}/only/averages": [5],
        f"{root}/rounded": [0.5, -2],
        f"{root}/tpu_batch_normalization/moving_mean": [4],
    }
    assert all(array.dtype == np.float32 for array in file.tensors.values())
    for path in (tmp_path, tmp_path / "model.ckpt.index"):
        assert list(read_weights(path).tensors) == list(file.tensors)


def test_a_checkpoint_of_objects(tmp_path):
    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    tf.train.Checkpoint(kernel=tf.Variable(dense.kernel.value)).write(str(tmp_path / "ckpt"))
    tensors = read_weights(tmp_path / "ckpt").tensors
    assert list(tensors) == ["kernel/.ATTRIBUTES/VARIABLE_VALUE"]
    np.testing.assert_array_equal(tensors["kernel/.ATTRIBUTES/VARIABLE_VALUE"], np.array(dense.kernel))


def test_a_folder_never_leads_elsewhere(tmp_path):
    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()
        write_checkpoint(tmp_path / name / f"{name}.ckpt", {name: np.float32([1])})
    (tmp_path / "inside" / "checkpoint").write_text('model_checkpoint_path: "../outside/outside.ckpt"\n')
    assert list(read_weights(tmp_path / "inside").tensors) == ["inside"]
    for file in (tmp_path / "inside").glob("inside.*"):
        file.unlink()
    message = f"{tmp_path / 'inside'} must hold one checkpoint, got none. Give one's prefix instead."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        read_weights(tmp_path / "inside")


def test_damaged_checkpoints(tmp_path):
    prefix = tmp_path / "model.ckpt"
    write_checkpoint(prefix, {"kernel": np.zeros(1000, np.float32)})
    index, data = Path(f"{prefix}.index"), Path(f"{prefix}.data-00000-of-00001")
    whole = data.read_bytes()
    data.write_bytes(whole[:1000])
    assert_refused(prefix, "with kernel it states more bytes than its 1000")
    data.write_bytes(b"\1" + whole[1:])
    with pytest.raises(EfficientNetError, match=rf"^{re.escape(str(prefix))} is not a weight file .*[Cc]hecksum"):
        read_weights(prefix)
    data.unlink()
    with pytest.raises(EfficientNetError, match=rf"^{re.escape(str(prefix))} is not a weight file that can be read: "):
        read_weights(prefix)
    data.write_bytes(whole)
    for content in (b"", b"other", index.read_bytes()[:-20]):
        index.write_bytes(content)
        with pytest.raises(EfficientNetError, match=r"model\.ckpt is not a weight file that can be read: .+\.$"):
            read_weights(prefix)


# Any


def test_paths_that_are_no_weight_files(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    message = (
        f"{tmp_path / 'notes.txt'} has none of the endings of weight files. Allowed: .keras, .h5, .pth, .pt, .bin, "
        ".safetensors, or a TensorFlow checkpoint: its prefix, .index file or folder."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        read_weights(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match=rf"^There is no weight file {re.escape(str(tmp_path))}/absent\.pth\.$"):
        read_weights(tmp_path / "absent.pth")
