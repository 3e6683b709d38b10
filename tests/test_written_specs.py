"""Architectures as files: every command takes them, and a wrong one is refused in a line."""

from __future__ import annotations

import json

import pytest

from efficientnet_tf.config import TrainConfig, network_of
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Block, count, list_variants, scale, spec, spec_text, variant_text
from efficientnet_tf.specs.written import LARGEST_FILE, spec_from_text

SMALL = {
    "name": "small",
    "blocks": [{"repeats": 1, "kernel_size": 3, "strides": 2, "expand_ratio": 2, "filters": 16}],
    "width": 1,
    "depth": 1.0,
    "image_size": 64,
    "dropout": 0.1,
}


def _with(**changes: object) -> str:
    return json.dumps({**SMALL, **changes})


def _row(**changes: object) -> str:
    return _with(blocks=[{**SMALL["blocks"][0], **changes}])


@pytest.mark.parametrize("name", [*list_variants(), "tiny"])
def test_every_architecture_comes_back(name):
    architecture = spec(name)
    for indent in (True, False):
        assert spec_from_text(spec_text(architecture, indent=indent)) == architecture


def test_a_table_has_a_line_for_each_row():
    lines = spec_text(spec("b0")).splitlines()
    assert len([line for line in lines if '"repeats"' in line]) == len(spec("b0").blocks)
    assert lines[3] == (
        '    {"repeats": 1, "kernel_size": 3, "strides": 1, "expand_ratio": 1, "filters": 16, "se_ratio": 0.25, '
        '"kind": "mbconv", "skip": true, "experts": 0, "nominal_filters_in": null, "stride_in_projection": false},'
    )


def test_what_is_left_out_has_its_default(tmp_path):
    (tmp_path / "small.json").write_text(_with())
    architecture = spec(str(tmp_path / "small.json"))
    assert architecture.blocks == (Block(1, 3, 2, 2, 16),)
    assert (architecture.activation, architecture.width, architecture.head_filters) == ("silu", 1.0, 1280)
    assert isinstance(architecture.width, float)
    assert scale(str(tmp_path / "small.json"), width=2).name == "small-w2"
    assert count(str(tmp_path / "small.json")).trainable == count(architecture).trainable


def test_a_run_keeps_all_of_an_architecture(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(_with())
    config = TrainConfig(variant=str(path), data="sample", weights="none").resolve()
    path.unlink()
    assert network_of(config).name == "small"
    assert network_of(TrainConfig.from_json(json.loads(json.dumps(config.to_json())))) == spec_from_text(_with())
    assert TrainConfig(variant="EfficientNetB0").resolve().variant == "b0"
    assert variant_text(spec("b0").replace(name="other")) != "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."),
        ("[1]", "it must be one JSON object, got a list."),
        (_with(blocks=[]), "blocks must have 1 to 100 rows, got 0."),
        (_with(blocks=[{}] * 101), "blocks must have 1 to 100 rows, got 101."),
        (_with(blocks="b0"), "blocks must be a list of objects."),
        (_with(colour=1), "Unknown attribute 'colour'. Allowed: name, blocks, width, depth, image_size, dropout, "),
        (json.dumps({"name": "x", "blocks": SMALL["blocks"]}), "width is missing."),
        (_with(width="wide"), 'width cannot be "wide".'),
        (_with(width=True), "width cannot be true."),
        (_with(width=0), "width must be above 0, got 0.0."),
        (_with(image_size=1e3), "image_size cannot be 1000.0."),
        (_with(image_size=100_000), "image_size must be from 1 to 16384, got 100000."),
        (_with(mean=[1, 2]), "mean must be a list of 3 numbers, got [1, 2]."),
        (_with(std=[1, 0, 1]), "std must be above 0, got 1.0, 0.0, 1.0."),
        (_with(activation="sillu"), "Unknown activation 'sillu'. Did you mean 'silu'? Allowed: silu, relu6, relu."),
        (_with(name="../up"), "name must be of letters, digits, hyphens, dots and plus signs, 200 at most, got "),
        (_with(depth=1e6), "depth may be 1000 at most, got 1000000.0."),
        (
            _row(repeats=1000).replace('"depth": 1.0', '"depth": 11'),
            "a network may have 10000 blocks at most, got 11000.",
        ),
        (_with(width=1e308), "width may be 1000 at most, got 1e+308."),
        (_row(filters=16_000, expand_ratio=64, repeats=2), "a map may have 131072 channels at most, got 1024000."),
        (_with().replace('"dropout": 0.1', '"dropout": ' + "9" * 400), "int too large to convert to float."),
        (_with(crop="zzz"), "Unknown crop 'zzz'. Allowed: center, none."),
        (_with(prefix="../x/"), "prefix must be of letters, digits and underscores, got '../x/'."),
        (_with(crop_padding=-1), "crop_padding must be a number of pixels of 0 to 16384, got -1."),
        (_with(mean=[1e31, 0, 0]), "offset must be three numbers, got "),
        (_row(kind="mbcov"), "Unknown kind 'mbcov'. Did you mean 'mbconv'? "),
        (_row(repeats=0), "repeats must be from 1 to 1000, got 0."),
        (_row(se_ratio=2), "se_ratio must be from 0.0 to 1.0, got 2.0."),
        (_row(strides=None), "strides cannot be null."),
        (_row(filters=10**9), "filters must be from 1 to 16384, got 1000000000."),
        ("[" * 100_000, "maximum recursion depth exceeded"),
    ],
)
def test_what_is_no_architecture(text, message):
    with pytest.raises(UsageError) as error:
        spec_from_text(text, "file.json")
    assert str(error.value).startswith(f"file.json is not an architecture: {message}")


def test_files_that_cannot_be_read(tmp_path):
    missing = str(tmp_path / "missing.json")
    with pytest.raises(UsageError, match=rf"^The architecture {missing} cannot be read: No such file or directory\.$"):
        spec(missing)
    (tmp_path / "large.json").write_text(" " * (LARGEST_FILE + 1))
    with pytest.raises(UsageError, match=r"large\.json is not an architecture: it has more than 1048576 characters\.$"):
        spec(str(tmp_path / "large.json"))
    (tmp_path / "latin.json").write_bytes(b'{"name": "\xff"}')
    with pytest.raises(UsageError, match=r"latin\.json is not an architecture: 'utf-8' codec can't decode"):
        spec(str(tmp_path / "latin.json"))


def test_a_name_of_the_zoo_is_that_network_alone(tmp_path):
    assert spec(spec_text(spec("b0"))) == spec("b0")
    with pytest.raises(UsageError) as error:
        spec(spec_text(spec("b0").replace(width=1.1)))
    assert str(error.value) == "the text calls another network 'b0', a name of the zoo; give it its own."
