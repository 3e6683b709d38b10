"""The grammar of `--augment`: every form of it, and every way to get it wrong with the line that says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from efficientnet_tf.augment.policies.grammar import (
    AugMix,
    AutoAugment,
    CutMix,
    Cutout,
    Erasing,
    Mix,
    MixUp,
    Plan,
    RandAugment,
    Stage,
    TrivialAugment,
)
from efficientnet_tf.errors import UsageError

NAMES = "autoaugment, randaugment, trivialaugment, augmix, cutout, erasing, mixup, cutmix, none"
POLICIES = "v0, reduced_imagenet, reduced_cifar10, svhn, test"
RANDAUGMENT_SETTINGS = "n, m, start, std, increasing, legacy"
ERASING_SETTINGS = "p, smallest, largest, aspect, fill"

ONE_STAGE: dict[str, Stage] = {
    "autoaugment": AutoAugment(),
    "autoaugment:legacy": AutoAugment(legacy=True),
    "autoaugment:legacy=true": AutoAugment(legacy=True),
    "autoaugment:legacy=false": AutoAugment(),
    "autoaugment:policy=reduced_imagenet": AutoAugment(policy="reduced_imagenet"),
    "autoaugment:reduced_cifar10": AutoAugment(policy="reduced_cifar10"),
    "autoaugment:policy=svhn,legacy": AutoAugment(policy="svhn", legacy=True),
    "autoaugment:legacy,test": AutoAugment(policy="test", legacy=True),
    "autoaugment:v0": AutoAugment(),
    "randaugment": RandAugment(n=2, m=10.0),
    "randaugment:n=2,m=15": RandAugment(n=2, m=15.0),
    "randaugment:m=7.5,n=16": RandAugment(n=16, m=7.5),
    "randaugment:m=20,start=5,std=0.5": RandAugment(m=20.0, start=5.0, std=0.5),
    "randaugment:m=9,std=.5,increasing": RandAugment(m=9.0, std=0.5, increasing=True),
    "randaugment:legacy,m=28": RandAugment(legacy=True, m=28.0),
    "trivialaugment": TrivialAugment(),
    "augmix": AugMix(severity=3.0, width=3, depth=0, alpha=1.0),
    "augmix:severity=1,width=5,depth=2,alpha=0.5": AugMix(severity=1.0, width=5, depth=2, alpha=0.5),
    "cutout": Cutout(size=0.5, fill="noise"),
    "cutout:size=0.25,fill=grey": Cutout(size=0.25, fill="grey"),
    "erasing": Erasing(p=0.25, smallest=0.02, largest=1 / 3, aspect=0.3, fill="noise"),
    "erasing:p=0.5,smallest=.1,largest=.2,aspect=1,fill=grey": Erasing(
        p=0.5, smallest=0.1, largest=0.2, aspect=1.0, fill="grey"
    ),
}
ONE_MIX: dict[str, Mix] = {
    "mixup": MixUp(alpha=0.2),
    "mixup:0.8": MixUp(alpha=0.8),
    "mixup:.8": MixUp(alpha=0.8),
    "mixup:alpha=0.8": MixUp(alpha=0.8),
    "cutmix": CutMix(alpha=1.0),
    "cutmix:2": CutMix(alpha=2.0),
}
CHAINS = {
    "": Plan(),
    "  ": Plan(),
    "none": Plan(),
    " none ": Plan(),
    "trivialaugment+erasing:p=0.25": Plan((TrivialAugment(), Erasing(p=0.25))),
    "erasing+trivialaugment": Plan((Erasing(), TrivialAugment())),
    "mixup:0.2+cutmix:1.0": Plan((), (MixUp(alpha=0.2), CutMix(alpha=1.0))),
    "cutmix+mixup": Plan((), (CutMix(), MixUp())),
    "mixup+randaugment:n=1+cutout": Plan((RandAugment(n=1), Cutout()), (MixUp(),)),
    "cutout+cutout:fill=grey": Plan((Cutout(), Cutout(fill="grey"))),
    " autoaugment : legacy , policy = svhn + mixup : 0.2 ": Plan(
        (AutoAugment(policy="svhn", legacy=True),), (MixUp(alpha=0.2),)
    ),
}

ERRORS = {
    # Names of augmentations.
    "randaugmnt": f"Unknown augmentation 'randaugmnt'. Did you mean 'randaugment'? Allowed: {NAMES}.",
    "RandAugment": f"Unknown augmentation 'RandAugment'. Did you mean 'randaugment'? Allowed: {NAMES}.",
    "blur": f"Unknown augmentation 'blur'. Allowed: {NAMES}.",
    "v0": f"Unknown augmentation 'v0'. Allowed: {NAMES}.",
    "mixup+": f"Unknown augmentation ''. Allowed: {NAMES}.",
    "cutout++erasing": f"Unknown augmentation ''. Allowed: {NAMES}.",
    ":n=2": f"Unknown augmentation ''. Allowed: {NAMES}.",
    "randaugment,n=2": (f"Unknown augmentation 'randaugment,n=2'. Did you mean 'randaugment'? Allowed: {NAMES}."),
    "none+mixup": "'none' must stand alone, got 'none+mixup'.",
    "autoaugment+none": "'none' must stand alone, got 'autoaugment+none'.",
    "none:p=1": "'none' must stand alone, got 'none:p=1'.",
    "mixup+mixup:0.3": "augment has mixup or cutmix twice: 'mixup+mixup:0.3'.",
    "cutmix+cutout+cutmix": "augment has mixup or cutmix twice: 'cutmix+cutout+cutmix'.",
    # Names of settings.
    "randaugment:": f"'randaugment:' ends in a colon. Settings of randaugment: {RANDAUGMENT_SETTINGS}.",
    "trivialaugment:": "'trivialaugment:' ends in a colon. Settings of trivialaugment: none.",
    "trivialaugment:n=2": "trivialaugment has no settings, got 'n=2'.",
    "trivialaugment:legacy": "trivialaugment has no settings, got 'legacy'.",
    "randaugment:k=2": f"Unknown setting of randaugment 'k'. Allowed: {RANDAUGMENT_SETTINGS}.",
    "randaugment:strat=2": (
        f"Unknown setting of randaugment 'strat'. Did you mean 'start'? Allowed: {RANDAUGMENT_SETTINGS}."
    ),
    "randaugment:15": f"Unknown setting of randaugment '15'. Allowed: {RANDAUGMENT_SETTINGS}.",
    "randaugment:n=2,,m=3": f"Unknown setting of randaugment ''. Allowed: {RANDAUGMENT_SETTINGS}.",
    "autoaugment:imagenet": "Unknown setting or policy of autoaugment 'imagenet'. Did you mean "
    "'reduced_imagenet'? Allowed: policy, legacy, v0, reduced_imagenet, reduced_cifar10, svhn, test.",
    "autoaugment:legcy": "Unknown setting or policy of autoaugment 'legcy'. Did you mean 'legacy'? "
    "Allowed: policy, legacy, v0, reduced_imagenet, reduced_cifar10, svhn, test.",
    "mixup:strong": "Unknown setting of mixup 'strong'. Allowed: alpha.",
    "cutout:0.5": "Unknown setting of cutout '0.5'. Allowed: size, fill.",
    "erasing:prob=1": f"Unknown setting of erasing 'prob'. Allowed: {ERASING_SETTINGS}.",
    "randaugment:n=2,n=3": "randaugment has n twice: 'randaugment:n=2,n=3'.",
    "mixup:0.2,alpha=0.3": "mixup has alpha twice: 'mixup:0.2,alpha=0.3'.",
    # Values.
    "randaugment:n": "randaugment: n needs a value, as in n=2.",
    "randaugment:n=": "randaugment: n needs a value, as in n=2.",
    "randaugment:start": "randaugment: start needs a value, as in start=0.",
    "randaugment:legacy=": "randaugment: legacy needs a value, as in legacy=False.",
    "erasing:largest": "erasing: largest needs a value, as in largest=0.333.",
    "cutout:fill": "cutout: fill needs a value, as in fill=noise.",
    "mixup:alpha": "mixup: alpha needs a value, as in alpha=0.2.",
    "randaugment:n=2.5": "randaugment: n must be a whole number, got '2.5'.",
    "randaugment:n=2=3": "randaugment: n must be a whole number, got '2=3'.",
    "randaugment:m=much": "randaugment: m must be a number, got 'much'.",
    "randaugment:m=nan": "randaugment: m must be a number, got 'nan'.",
    "randaugment:start=none": "randaugment: start must be a number, got 'none'.",
    "randaugment:n=0": "randaugment: n must be at least 1, got 0.",
    "randaugment:n=17": "randaugment: n must be at most 16, got 17.",
    "randaugment:m=-1": "randaugment: m must be at least 0.0, got -1.0.",
    "randaugment:m=31": "randaugment: m must be at most 30.0, got 31.0.",
    "randaugment:start=31": "randaugment: start must be at most 30.0, got 31.0.",
    "randaugment:std=-1": "randaugment: std must be at least 0.0, got -1.0.",
    "randaugment:increasing=yes": "randaugment: increasing must be true or false, got 'yes'.",
    "randaugment:increasing,legacy": (
        "randaugment: Give legacy or increasing, not both: the official code knows no other ranges."
    ),
    "autoaugment:policy=svnh": (f"autoaugment: Unknown policy 'svnh'. Did you mean 'svhn'? Allowed: {POLICIES}."),
    "autoaugment:legacy=1": "autoaugment: legacy must be true or false, got '1'.",
    "augmix:severity=11": "augmix: severity must be at most 10.0, got 11.0.",
    "augmix:width=0": "augmix: width must be at least 1, got 0.",
    "augmix:alpha=0": "augmix: alpha must be above 0.0, got 0.0.",
    "cutout:size=0": "cutout: size must be above 0.0, got 0.0.",
    "cutout:fill=gray": "cutout: Unknown fill 'gray'. Did you mean 'grey'? Allowed: noise, grey.",
    "erasing:p=1.5": "erasing: p must be at most 1.0, got 1.5.",
    "erasing:smallest=0.5": "erasing: smallest must be at most largest, got 0.5 and 0.3333333333333333.",
    "erasing:aspect=3": "erasing: aspect must be at most 1.0, got 3.0.",
    "mixup:0": "mixup: alpha must be above 0.0, got 0.0.",
    "mixup:-0.2": "mixup: alpha must be above 0.0, got -0.2.",
    "cutmix:101": "cutmix: alpha must be at most 100.0, got 101.0.",
    "cutmix:1.0.0": "cutmix: alpha must be a number, got '1.0.0'.",
}


@pytest.mark.parametrize(("text", "stage"), ONE_STAGE.items())
def test_one_stage(text: str, stage: Stage) -> None:
    assert Plan.parse(text) == Plan((stage,))


@pytest.mark.parametrize(("text", "mix"), ONE_MIX.items())
def test_one_mix(text: str, mix: Mix) -> None:
    assert Plan.parse(text) == Plan((), (mix,))


@pytest.mark.parametrize(("text", "plan"), CHAINS.items())
def test_chains(text: str, plan: Plan) -> None:
    assert Plan.parse(text) == plan


@pytest.mark.parametrize(("text", "message"), ERRORS.items())
def test_errors_are_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Plan.parse(text)
    assert str(caught.value) == message


def test_errors_from_python_are_the_same() -> None:
    with pytest.raises(UsageError) as caught:
        RandAugment(n=0)
    assert str(caught.value) == "n must be at least 1, got 0."
    with pytest.raises(UsageError) as caught:
        AutoAugment(policy="v1")
    assert str(caught.value) == f"Unknown policy 'v1'. Did you mean 'v0'? Allowed: {POLICIES}."


def test_plans_can_be_compared_and_kept_in_sets() -> None:
    texts = ["autoaugment", "autoaugment:policy=v0", "autoaugment:legacy=false", "autoaugment:legacy"]
    assert len({Plan.parse(text) for text in texts}) == 2


def test_the_grammar_needs_no_tensorflow() -> None:
    program = (
        "import sys; from efficientnet_tf.augment.policies.grammar import Plan\n"
        "Plan.parse('randaugment:n=2,m=15+erasing:p=0.25+mixup:0.2')\n"
        "try: Plan.parse('autoaugmnt')\n"
        "except ValueError as error: print(error)\n"
        "print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    message = f"Unknown augmentation 'autoaugmnt'. Did you mean 'autoaugment'? Allowed: {NAMES}."
    assert ran.stdout.splitlines() == [message, "[]"]
    assert ran.stderr == ""
