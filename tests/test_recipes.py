"""The recipes: what the large ones say against the paper and the official code, and that the small one trains."""

from __future__ import annotations

import re
import shlex

import pytest

from efficientnet_tf import config
from efficientnet_tf.augment.policies.grammar import AutoAugment, Plan, RandAugment
from efficientnet_tf.cli import train
from efficientnet_tf.config import TrainConfig, network_of, read_recipe
from efficientnet_tf.flags import parse
from efficientnet_tf.run import Run

LABELS = ("Command", "Hardware", "Time", "Result")

# The paper's section 5.2, and main.py of the official code.
IMAGENET = {
    "batch_size": 4096,
    "learning_rate_batch": 4096,
    "crop_area": 0.08,
    "augment": "autoaugment:legacy",
    "minival": 25_022,
    "epochs": 350,
    "head_epochs": 0,
    "optimizer": "rmsprop",
    "learning_rate": 0.256,
    "schedule": "exponential",
    "warmup_epochs": 5.0,
    "decay_epochs": 2.4,
    "decay_rate": 0.97,
    "weight_decay": 1e-5,
    "weight_decay_form": "l2",
    "ema_decay": 0.9999,
    "label_smoothing": 0.1,
    "survival_probability": 0.8,
    "bn_momentum": "own",
    "freeze": "none",
    "patience": 350,
}


def header(name: str) -> dict[str, str]:
    """Return what the comment of a recipe says under each label."""
    text = (config.RECIPES_FOLDER / f"{name}.cfg").read_text(encoding="utf-8").partition("\n--")[0]
    block = re.sub(r"^#(?!$) ?", "", text, flags=re.MULTILINE).split("\n#\n")[1]
    found = re.findall(r"^(\w+): ((?:.*\n?)(?: {4}.*\n?)*)", block, flags=re.MULTILINE)
    return {label: " ".join(words.split()) for label, words in found}


def test_the_recipes_of_the_package():
    assert config.list_recipes() == [
        "fashion",
        "finetune",
        "imagenet",
        "imagenet-randaugment",
        "imagenet-v2",
        "lite",
        "proxy",
        "scratch",
        "smoke",
        "transfer",
    ]


@pytest.mark.parametrize("name", config.list_recipes())
def test_the_comment_says_how_it_was_run(name):
    said = header(name)
    assert tuple(said) == LABELS
    program, *words = shlex.split(said["Command"])
    assert program == "efficientnet-train"
    given = parse("train", words).config
    assert isinstance(given, TrainConfig)
    assert given.recipe == name
    assert given.resolve().data


def test_imagenet_is_the_papers():
    assert read_recipe("imagenet") == IMAGENET


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("imagenet-randaugment", {"augment": "randaugment:n=2,m=10,legacy"}),
        (
            "imagenet-v2",
            {
                "augment": "randaugment:n=2,m=10,legacy",
                "crop_area": 0.05,
                "weight_decay_form": "l2_kernels",
                "stages": 4,
            },
        ),
        ("lite", {}),
    ],
)
def test_the_others_differ_from_it_where_the_official_code_does(name, changes):
    assert read_recipe(name) == IMAGENET | changes


def test_augmentations_are_the_official_codes():
    assert Plan.parse(read_recipe("imagenet")["augment"]).stages == (AutoAugment(legacy=True),)
    for name in ("imagenet-randaugment", "imagenet-v2"):
        assert Plan.parse(read_recipe(name)["augment"]).stages == (RandAugment(n=2, m=10.0, legacy=True),)


@pytest.mark.parametrize(
    ("variant", "dropout", "momentum"), [("b0", 0.2, 0.99), ("b7", 0.5, 0.99), ("lite0", 0.2, 0.99), ("v2-s", 0.2, 0.9)]
)
def test_the_variant_has_its_own_dropout_and_momentum(variant, dropout, momentum):
    resolved = TrainConfig(variant=variant, recipe="imagenet").resolve()
    assert (resolved.dropout, resolved.bn_momentum) == (None, "own")
    network = network_of(resolved)
    assert (network.dropout, network.batch_norm_momentum, network.survival_probability) == (dropout, momentum, 0.8)


def test_transfer_follows_kornblith():
    resolved = TrainConfig(recipe="transfer").resolve()
    assert (resolved.optimizer, resolved.batch_size, resolved.schedule) == ("sgd", 256, "cosine")
    assert (resolved.steps, resolved.epochs, resolved.bn_momentum) == (20_000, None, "steps")
    assert (resolved.augment, resolved.freeze, resolved.label_smoothing) == ("none", "none", 0.0)
    assert 1e-4 <= resolved.learning_rate <= 0.1
    assert 1e-6 <= resolved.weight_decay * resolved.learning_rate <= 1e-3


def test_another_duration_replaces_the_steps_of_a_recipe():
    in_epochs = TrainConfig(recipe="transfer", epochs=3).resolve()
    assert (in_epochs.epochs, in_epochs.steps) == (3, None)
    in_steps = TrainConfig(recipe="transfer", steps=5).resolve()
    assert (in_steps.epochs, in_steps.steps) == (None, 5)
    again = TrainConfig.from_json(TrainConfig(recipe="transfer").resolve().to_json()).resolve()
    assert again == TrainConfig(recipe="transfer").resolve()


@pytest.mark.slow
def test_smoke_trains(tmp_path):
    folder = tmp_path / "run"
    words = [
        "--augment=none",
        "--variant=tiny",
        "--weights=none",
        "--data=synthetic:classes=3,count=48,size=32",
        f"--model_dir={folder}",
    ]
    assert train.main(["--recipe=smoke", *words]) == 0
    run = Run(folder)
    assert run.model_file.exists()
    assert run.epochs() == 2
    assert run.preprocessing.image_size == (64, 64)
