"""The reading of PyTorch's weight files, of both formats, without PyTorch."""

from __future__ import annotations

import os
import pickle
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from refusals import assert_refused

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.weights import published
from efficientnet_tf.weights.files import read_weights, torch_file

GOLDEN = Path(__file__).parent / "golden"
EIGHTHS = np.arange(24, dtype=np.float32) / 8
# What tests/golden/make_weight_files.py wrote; the last two are views of `shared`.
TENSORS = {
    "float32": EIGHTHS.reshape(2, 3, 4),
    "float64": EIGHTHS[:3].astype(np.float64),
    "float16": EIGHTHS[:4].astype(np.float16).reshape(2, 2),
    "bfloat16": -EIGHTHS[:6].reshape(3, 2),
    "int64": np.array(1 << 40),
    "int32": np.array([-1, 2], np.int32),
    "uint8": np.array([255], np.uint8),
    "bool": np.array([True, False]),
    "parameter": np.ones((2, 2), np.float32),
    "shared": np.arange(12, dtype=np.float32),
    "transposed": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "strided": np.array([1, 3, 5, 7], np.float32),
}


def write_chain(path: Path, content: object, storages: dict[str, np.ndarray] | None = None) -> Path:
    """Write a file in the older format: `content` is a pickle's bytes, or what to pickle."""
    with path.open("wb") as file:
        for value in (torch_file.MAGIC_NUMBER, torch_file.PROTOCOL_VERSION, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        file.write(content if isinstance(content, bytes) else pickle.dumps(content, protocol=2))
        pickle.dump(list(storages or {}), file, protocol=2)
        for array in (storages or {}).values():
            file.write(struct.pack("<q", array.size) + array.tobytes())
    return path


def write_archive(path: Path, content: object, storages: dict[str, np.ndarray] | None = None, **options: int) -> Path:
    """Write a file in the newer format."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("a/data.pkl", content if isinstance(content, bytes) else pickle.dumps(content, protocol=2))
        for key, array in (storages or {}).items():
            archive.writestr(f"a/data/{key}", array.tobytes())
    return path


WRITERS = pytest.mark.parametrize("write", [write_chain, write_archive])


def text(value: str) -> bytes:
    """Return a pickle's opcode for a short text."""
    return b"X" + struct.pack("<i", len(value)) + value.encode()


def tensor(shape: tuple[int, ...], stride: tuple[int, ...], size: int, *, offset: int = 0, then: bytes = b"") -> bytes:
    """Return the opcodes of a tensor of float32 over storage '0', and what a pickle does with it `then`."""
    numbers = lambda values: b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"  # noqa: E731
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K" + bytes([size])
    arguments = b"(" + storage + b"tQK" + bytes([offset]) + numbers(shape) + numbers(stride) + b"\x89}t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R" + then


def table(**values: bytes) -> bytes:
    """Return the opcodes of a dictionary."""
    return b"}" + b"".join(text(name) + value + b"s" for name, value in values.items())


def pickled(**values: bytes) -> bytes:
    """Return a whole pickle of a dictionary."""
    return b"\x80\x02" + table(**values) + b"."


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_files_of_the_real_libraries(name):
    file = read_weights(GOLDEN / name)
    assert set(file.tensors) == set(TENSORS)
    for key, expected in TENSORS.items():
        assert file.tensors[key].dtype == expected.dtype, key
        np.testing.assert_array_equal(file.tensors[key], expected, strict=True, err_msg=key)


def test_order_and_memory_are_the_files():
    tensors = torch_file.read_tensors(GOLDEN / "weights.pth")
    assert list(tensors) == list(TENSORS)
    assert np.shares_memory(tensors["shared"], tensors["transposed"])
    assert not tensors["strided"].flags.writeable


@WRITERS
def test_strided_tensors(write, tmp_path):
    storage = {"0": np.arange(8, dtype="<f4")}
    path = write(tmp_path / "a.pth", pickled(kernel=tensor((2, 3), (1, 2), 8, offset=1)), storage)
    np.testing.assert_array_equal(torch_file.read_tensors(path)["kernel"], [[1, 3, 5], [2, 4, 6]])


@WRITERS
@pytest.mark.parametrize(
    ("shape", "stride", "reason"),
    [
        ((3, 3), (3, 1), "a tensor of shape (3, 3) does not fit its storage"),
        ((2,), (200,), "a tensor of shape (2,) does not fit its storage"),
        ((9,), (0,), "a tensor of shape (9,) does not fit its storage"),
        ((2,), (-1,), "a tensor that is not described by numbers"),
        ((2,), (1, 1), "a tensor that is not described by numbers"),
        ((1,) * 65, (1,) * 65, "a tensor that is not described by numbers"),
    ],
)
def test_tensors_beyond_their_storage_are_refused(write, shape, stride, reason, tmp_path):
    storage = {"0": np.zeros(8, "<f4")}
    assert_refused(write(tmp_path / "a.pth", pickled(kernel=tensor(shape, stride, 8)), storage), reason)


@WRITERS
@pytest.mark.parametrize(
    "changes", [b"}" + text("stride") + b"J\xc0\xff\xff\xff\x85sb", b"N}" + text("offset") + b"Nss\x86b"]
)
def test_a_tensor_cannot_be_changed_after_it_was_checked(write, changes, tmp_path):
    path = write(tmp_path / "a.pth", pickled(kernel=tensor((2,), (1,), 8, then=changes)), {"0": np.zeros(8, "<f4")})
    with pytest.raises(EfficientNetError, match=f"^{re.escape(str(path))} is not a weight file that can be read: "):
        torch_file.read_tensors(path)


class Payload:
    """What an attacker would put into a weight file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@WRITERS
def test_code_in_a_file_is_refused(write, tmp_path):
    content = {"kernel": Payload(tmp_path / "executed")}
    pickle.loads(pickle.dumps({"kernel": Payload(tmp_path / "proof")}))
    assert (tmp_path / "proof").exists(), "the payload does nothing, so that this test would prove nothing"
    assert_refused(write(tmp_path / "a.pth", content), f"it names {os.name}.mkdir, which is not a tensor")
    assert not (tmp_path / "executed").exists()


@WRITERS
@pytest.mark.parametrize("name", ["builtins.eval", "collections.OrderedDict.fromkeys", "torch.nn.Module", "torch.load"])
def test_other_names_are_refused(write, name, tmp_path):
    module, _, attribute = name.partition(".") if name.count(".") < 2 else name.rpartition(".")
    content = b"\x80\x04" + text(module) + text(attribute) + b"\x93."
    assert_refused(write(tmp_path / "a.pth", content), f"it names {module}.{attribute}, which is not a tensor")


@WRITERS
def test_a_pickle_that_would_fill_the_memory(write, tmp_path):
    content = b"\x80\x02Nr\xff\xff\xff\x7f."
    assert_refused(write(tmp_path / "a.pth", content), "a pickle that remembers more objects than it holds")


@WRITERS
@pytest.mark.parametrize("entry", torch_file.NESTED)
def test_weights_inside_of_a_checkpoint(write, entry, tmp_path):
    weights = table(**{"module.kernel": tensor((2,), (1,), 8), "module.bias": tensor((1,), (1,), 8, offset=4)})
    other = table(kernel=tensor((1,), (1,), 8, offset=7))
    content = pickled(epoch=b"K\x03", optimizer=table(lr=b"K\x01"), **{"model": other, entry: weights})
    tensors = torch_file.read_tensors(write(tmp_path / "a.pth", content, {"0": np.arange(8, dtype="<f4")}))
    assert {name: array.tolist() for name, array in tensors.items()} == {"kernel": [0, 1], "bias": [4]}


@WRITERS
@pytest.mark.parametrize("content", [{}, {"epoch": 3}, {"state_dict": {"kernel": 1.0}}, [1], {1: "kernel"}])
def test_files_without_tensors(write, content, tmp_path):
    assert_refused(write(tmp_path / "a.pth", content), "it holds something other than tensors by name")


def test_numbers_of_a_big_endian_machine(tmp_path):
    path = write_archive(tmp_path / "a.pth", pickled(kernel=tensor((2,), (1,), 2)), {"0": np.array([1, 2], ">f4")})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/byteorder", "big")
    array = torch_file.read_tensors(path)["kernel"]
    assert array.dtype == np.float32
    assert array.tolist() == [1, 2]


def test_archives_that_lie(tmp_path):
    content = pickled(kernel=tensor((2,), (1,), 8))
    path = write_archive(tmp_path / "a.pth", content, {"0": np.zeros(8, "<f4")}, compression=zipfile.ZIP_DEFLATED)
    assert_refused(path, "a/data.pkl is compressed, as no weights are")
    assert_refused(write_archive(path, content, {"0": np.zeros(7, "<f4")}), "it ends early")
    assert_refused(write_archive(path, content), "There is no item named 'a/data/0' in the archive")
    write_archive(path, content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b/data.pkl", content)
    assert_refused(path, "2 files data.pkl in the archive, where there must be one")


def test_an_archive_that_states_more_than_it_has(tmp_path):
    storages = {"0": np.zeros(200, "<f4")}
    path = write_archive(tmp_path / "a.pth", pickled(kernel=tensor((2,), (1,), 200)), storages)
    content = bytearray(path.read_bytes())
    # The sizes in the archive's directory, where a reader takes them from.
    place = content.rfind(b"PK\x01\x02")
    content[place + 20 : place + 28] = struct.pack("<II", 1 << 30, 1 << 30)
    path.write_bytes(content)
    assert_refused(path, f"with a/data/0 it states more bytes than its {len(content)}")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a pickle", b"\x80\x02K\x01.", b"\x80\x02\x8a\xff"])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(EfficientNetError, match=f"^{re.escape(str(path))} is not a weight file that can be read: "):
        torch_file.read_tensors(path)


def test_file_that_ends_early_is_refused(tmp_path):
    content = published.imagenet_file("lite0").read_bytes()
    (tmp_path / "a.pth").write_bytes(content[: len(content) // 2])
    assert_refused(tmp_path / "a.pth", "it ends early")


def test_every_damaged_byte_is_an_error_or_harmless(tmp_path):
    contents = [(GOLDEN / "weights.pth").read_bytes()]
    buffer = write_chain(tmp_path / "a.pth", pickled(kernel=tensor((2, 2), (2, 1), 8)), {"0": np.zeros(8, "<f4")})
    contents.append(buffer.read_bytes())
    generator = np.random.default_rng(0)
    refused = 0
    for content in contents:
        for place in generator.integers(0, len(content), 200):
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(generator.integers(8))
            buffer.write_bytes(damaged)
            try:
                tensors = torch_file.read_tensors(buffer)
            except EfficientNetError:
                refused += 1
            else:
                assert sum(array.nbytes for array in tensors.values()) <= 4 * len(content)
    assert refused > 200
