"""Weight files that Keras wrote, in each of its forms: what is read, and what is refused."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from networks import randomise
from refusals import assert_refused

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.weights.files import keras_file, read_weights


def small_network() -> keras.Model:
    """Return a network with every kind of layer that has weights in the networks of this project, out of order."""
    inputs = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(inputs)
    normalization = keras.layers.Normalization(name="normalization")
    normalization.adapt(np.random.default_rng(0).uniform(0, 1, (4, 8, 8, 3)).astype(np.float32))
    x = normalization(x)
    for number in range(12):
        x = keras.layers.Conv2D(4, 1, use_bias=number == 0, name=f"block{12 - number}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"block{12 - number}_bn")(x)
    x = keras.layers.DepthwiseConv2D(3, use_bias=False, name="dwconv")(x)
    x = keras.layers.Dropout(0.5, seed=1, name="drop")(x + 1)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return randomise(keras.Model(inputs, keras.layers.Dense(3, name="predictions")(x)), seed=0)


def variables(model: keras.Model) -> dict[str, np.ndarray]:
    """Return what must be read, from Keras' own paths."""
    return {variable.path: np.array(variable) for layer in model.layers for variable in layer.weights}


def assert_read(path: Path, expected: dict[str, np.ndarray], *, ordered: bool) -> None:
    file = read_weights(path)
    assert file.format == "keras"
    assert (list(file.tensors) == list(expected)) if ordered else (set(file.tensors) == set(expected))
    for name, array in expected.items():
        np.testing.assert_array_equal(file.tensors[name], array, strict=True, err_msg=name)


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.filterwarnings("ignore:.*HDF5 file.*legacy.*")
def test_every_form_of_keras(ending, network, tmp_path):
    path = tmp_path / f"a{ending}"
    network.save_weights(path) if ending == ".weights.h5" else network.save(path)
    assert_read(path, variables(network), ordered=ending != ".weights.h5")


def test_the_order_of_layers_of_a_class(network, tmp_path):
    network.save_weights(tmp_path / "a.weights.h5")
    names = [name for name in read_weights(tmp_path / "a.weights.h5").tensors if name.endswith("_conv/kernel")]
    assert names == [f"block{number}_conv/kernel" for number in range(12, 0, -1)]


def test_a_network_of_keras_applications(tmp_path):
    model = randomise(keras.applications.MobileNet(weights=None, alpha=0.25, input_shape=(32, 32, 3)), seed=0)
    model.save(tmp_path / "a.keras")
    assert_read(tmp_path / "a.keras", variables(model), ordered=True)


def without_names(path: Path) -> None:
    """Take out the names of layers, which Keras did not write in the beginning."""
    with h5py.File(path, "r+") as file:
        for group in file["layers"].values():
            group["vars"].attrs.clear()


def test_an_archive_without_names_beside_the_variables(network, tmp_path):
    network.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "a.keras", "w") as old:
        new.extractall(tmp_path)
        without_names(tmp_path / "model.weights.h5")
        for name in ("config.json", "model.weights.h5"):
            old.write(tmp_path / name, name)
    assert_read(tmp_path / "a.keras", variables(network), ordered=True)
    (tmp_path / "model.weights.h5").rename(tmp_path / "a.weights.h5")
    assert_refused(tmp_path / "a.weights.h5", "its layers have no names; save it again with Keras 3.15")


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.filterwarnings("ignore:.*HDF5 file.*legacy.*")
def test_a_network_inside_of_a_network(ending, network, tmp_path):
    outer = keras.Sequential([keras.Input((8, 8, 3)), network, keras.layers.Dense(2, name="new")])
    path = tmp_path / f"a{ending}"
    outer.save_weights(path) if ending == ".weights.h5" else outer.save(path)
    new = outer.get_layer("new")
    expected = {**variables(network), "new/kernel": np.array(new.kernel), "new/bias": np.array(new.bias)}
    assert_read(path, expected, ordered=False)


def test_layers_of_other_classes_keep_their_numbers(tmp_path):
    layers = [keras.Input((4, 4, 3)), keras.layers.BatchNormalization(scale=False, name="bn")]
    keras.Sequential(layers).save_weights(tmp_path / "a.weights.h5")
    assert list(read_weights(tmp_path / "a.weights.h5").tensors) == ["bn/0", "bn/1", "bn/2"]


def test_bfloat16_in_a_keras_file(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="predictions", dtype="bfloat16")])
    model.layers[0].set_weights([np.array([[0.5, -2], [3, 0.125]]), np.array([1, 0.25])])
    model.save(tmp_path / "a.keras")
    tensors = read_weights(tmp_path / "a.keras").tensors
    np.testing.assert_array_equal(tensors["predictions/kernel"], np.float32([[0.5, -2], [3, 0.125]]), strict=True)


def write_listed(path: Path, names: dict[str, list[str]], *, parts: int = 1) -> h5py.File:
    """Open an empty file with the lists that Keras 2 wrote, in one attribute or in several."""
    file = h5py.File(path, "w")
    for part, layers in enumerate(np.array_split([name.encode() for name in names], parts)):
        file.attrs["layer_names" if parts == 1 else f"layer_names{part}"] = layers
    for layer, weights in names.items():
        file.create_group(layer).attrs["weight_names"] = [weight.encode() for weight in weights]
    return file


@pytest.mark.parametrize("parts", [1, 2])
def test_names_of_keras_2(parts, tmp_path):
    names = {"dwconv": ["dwconv/depthwise_kernel:0"], "normalization": ["mean:0"], "pool": []}
    with write_listed(tmp_path / "a.h5", names, parts=parts) as file:
        file["dwconv/dwconv/depthwise_kernel:0"] = np.ones((3, 3, 4, 1), np.float32)
        file["normalization/mean:0"] = np.ones(3, np.float32)
    assert list(read_weights(tmp_path / "a.h5").tensors) == ["dwconv/depthwise_kernel", "normalization/mean"]


def test_hdf5_that_leads_out_of_the_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        group.attrs["name"], group["0"] = "secret", np.ones(1)
    path = tmp_path / "a.weights.h5"
    for place in ("layers", "layers/dense", "layers/dense/vars", "layers/dense/vars/0"):
        with h5py.File(path, "w") as file:
            if place.endswith("0"):
                file.create_group("layers/dense/vars").attrs["name"] = "predictions"
            file[place] = h5py.ExternalLink("other.h5", place)
        assert_refused(path, f"{place.rpartition('/')[2]} is not in the file itself")
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink("other.h5", "/")
    assert_refused(path, "model_weights is not in the file itself")
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(64))
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "layers/dense/vars/0", (2,))
    for external in (True, False):
        with h5py.File(path, "w") as file:
            group = file.create_group("layers/dense/vars")
            group.attrs["name"] = "predictions"
            if external:
                group.create_dataset("0", (2,), "f4", external=[(str(raw), 0, 64)])
            else:
                group.create_virtual_dataset("0", layout)
        assert_refused(path, "predictions/kernel is not an array of numbers in the file itself")


def test_hdf5_that_states_more_than_it_has(tmp_path):
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense/vars")
        group.attrs["name"] = "predictions"
        group.create_dataset("0", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")
    assert_refused(path, f"with predictions/kernel it states more bytes than its {path.stat().st_size}")
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"] = np.zeros(4000, np.float32)
        for number in range(100):
            again = file.create_group(f"layers/dense_{number}/vars")
            again.attrs["name"], again["0"] = f"copy{number}", group["0"]
        group.attrs["name"] = "predictions"
    with pytest.raises(EfficientNetError, match=r"with copy\d+/kernel it states more bytes than its \d+\.$"):
        read_weights(path)


def test_hdf5_that_is_inside_of_itself_or_names_a_layer_twice(tmp_path):
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        inner = file.create_group("layers/functional")
        inner["layers"] = file["layers"]
    with pytest.raises(EfficientNetError, match=r"layers is inside itself\.$"):
        read_weights(path)
    with h5py.File(path, "w") as file:
        for key in ("dense", "dense_1"):
            group = file.create_group(f"layers/{key}/vars")
            group.attrs["name"], group["0"] = "predictions", np.ones(1)
    assert_refused(path, "predictions/kernel is in it twice")


def test_other_hdf5_and_archives(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kernel"] = np.ones(1)
    assert_refused(tmp_path / "a.h5", "it has neither layer_names nor layers")
    with write_listed(tmp_path / "b.h5", {"dense": ["dense/kernel:0"]}) as file:
        file["dense/dense/kernel:0"] = [b"text"]
    assert_refused(tmp_path / "b.h5", "dense/kernel is not an array of numbers in the file itself")
    for name in ("c.h5", "c.keras"):
        (tmp_path / name).write_bytes(b"other")
        with pytest.raises(EfficientNetError, match=rf"{re.escape(name)} is not a weight file that can be read: .+\.$"):
            read_weights(tmp_path / name)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("[]", "its config.json is not a table"),
        ('{"config": {"name": "mine"}}', "its config.json lists no layers"),
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[" * 100_000, "maximum recursion depth exceeded while decoding a JSON array from a unicode string"),
    ],
)
def test_archives_with_another_description(config, reason, tmp_path):
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file.create_group("layers")
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", config)
        archive.write(tmp_path / "model.weights.h5", "model.weights.h5")
    assert_refused(tmp_path / "a.keras", reason)


def test_no_class_in_an_archive_is_looked_up(network, tmp_path):
    network.save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        config = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    code = {"class_name": "Lambda", "module": "keras.layers", "config": {"name": "code", "function": "os.mkdir"}}
    config["config"]["layers"].insert(1, code)
    config["module"] = "a_module_that_nobody_has"
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    assert_read(tmp_path / "b.keras", variables(network), ordered=True)


def test_classes_are_named_as_keras_names_them():
    from keras.src.utils.naming import to_snake_case

    names = [name for name in dir(keras.layers) if name[0].isupper()]
    assert {name: keras_file._snake_case(name) for name in names} == {name: to_snake_case(name) for name in names}
