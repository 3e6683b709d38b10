"""What the figures of a run suggest to do next: rules, the weightiest first."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Callable, Sequence

import numpy as np

from efficientnet_tf.markup import Html, count, element, join, name_of, percent
from efficientnet_tf.training.report.answers import interval
from efficientnet_tf.training.report.history import History
from efficientnet_tf.training.report.subject import Subject

#: Fall of the validation loss over the last two epochs from which on more epochs promise more.
STILL_FALLING = 0.02
#: Rise of the validation loss over its best, and lead of the training accuracy, that tell of over-fitting.
RISEN, AHEAD = 1.1, 0.1
#: Training accuracy below which a network that does as well on new photographs has not learnt enough.
LEARNT = 0.85
#: Photographs of a class below which more of them help most, and how much rarer than another a class may be.
FEW, RARER = 20, 5
#: Photographs below which weights that were trained before are worth more than any other change.
SMALL_SET = 5000
#: Width of the confidence interval of the accuracy that makes comparisons of runs a matter of luck.
WIDE = 0.1
#: Share of all mistakes, and their number, at which one pair of classes stands out.
PAIR_SHARE, PAIR_TIMES = 0.25, 3
#: Confidence of a wrong answer at which the label may be what is wrong.
SURE = 0.9
#: Gap between mean confidence and accuracy that matters where probabilities are used.
GAP = 0.05


@dataclasses.dataclass(frozen=True)
class Hint:
    """One thing to do.

    Attributes:
        title: what was found.
        why: the figures that show it, and what helps.
        command: that does it, if one does.
    """

    title: str
    why: Html
    command: str | None = None


def hints(subject: Subject) -> list[Hint]:
    """Return what the figures of a run suggest, the weightiest first."""
    return [hint for rule in RULES if (hint := rule(subject)) is not None]


def train_again(subject: Subject, **changes: object) -> str:
    """Return the command that trains as the run did, but for some settings."""
    words = ["efficientnet-train", f"--config={subject.path / 'config.json'}"]
    return shlex.join([*words, *(f"--{name}={value}" for name, value in changes.items())])


def _diverged(subject: Subject) -> Hint | None:
    losses = subject.history.values("loss") or ()
    if None not in losses or subject.config.learning_rate is None:
        return None
    epoch = subject.history.epochs[losses.index(None)]
    why = join([f"Training went astray in epoch {epoch}. A lower learning rate is the usual remedy."])
    rate = f"{subject.config.learning_rate / 3:.2g}"
    return Hint("The loss was no longer a number", why, train_again(subject, learning_rate=rate))


def _cut_short(subject: Subject) -> Hint | None:
    if not subject.was_cut_short or None in (subject.history.values("loss") or ()):
        return None
    why = join([f"It had {count(len(subject.history), 'epoch')} of {subject.planned_epochs}. It can be continued."])
    return Hint("Training did not come to its end", why, train_again(subject, model_dir=subject.path))


def _still_improving(subject: Subject) -> Hint | None:
    losses = subject.history.values("val_loss") or ()
    last = losses[-3:]
    if len(last) < 3 or None in last or subject.was_cut_short or subject.history.best != len(losses) - 1:
        return None
    before, now = float(last[0] or 0), float(last[-1] or 0)
    fall = 1 - now / before if before > 0 else 0.0
    if fall < STILL_FALLING:
        return None
    why = join(
        [
            f"The last epoch was the best, and the validation loss fell by {percent(fall, 0)} in the last two. "
            "Train for longer."
        ]
    )
    if subject.config.steps is not None:
        return Hint("It was still improving", why, train_again(subject, steps=2 * subject.config.steps))
    return Hint("It was still improving", why, train_again(subject, epochs=2 * len(losses)))


def _over_fitting(subject: Subject) -> Hint | None:
    found = _rising_loss(subject.history) or _leading_accuracy(subject.history)
    if found is None:
        return None
    change, remedy = _against_over_fitting(subject)
    why = join([found, f" More photographs help most; {remedy} helps too."])
    return Hint("It learns the photographs by heart", why, train_again(subject, **change))


def _rising_loss(history: History) -> str | None:
    """Return in words that the validation loss rose while the training loss fell, or None if it did not."""
    figures = [history.at_best("val_loss"), history.last("val_loss"), history.at_best("loss"), history.last("loss")]
    best, held_out, then, training = (math.nan if value is None else value for value in figures)
    if not (held_out > RISEN * best and training < then):
        return None
    return (
        f"From epoch {history.epochs[history.best or 0]} on the validation loss rose from {best:.3g} to "
        f"{held_out:.3g}, while the training loss went on falling."
    )


def _leading_accuracy(history: History) -> str | None:
    """Return in words that the training accuracy is far above the validation's, or None if it is not."""
    seen, unseen = history.at_best("top1"), history.at_best("val_top1")
    if seen is None or unseen is None or seen - unseen <= AHEAD:
        return None
    return (
        f"It recognises {percent(seen)} of the photographs that it was trained on, and {percent(unseen)} of new ones."
    )


def _against_over_fitting(subject: Subject) -> tuple[dict[str, object], str]:
    augment = subject.config.augment or "none"
    if augment == "none":
        return {"augment": "autoaugment"}, "augmentation"
    if subject.config.weights != "none" and subject.config.freeze != "backbone" and _total(subject, SMALL_SET) < 200:
        return {"freeze": "backbone"}, "training the classifier alone"
    if not _mixes(subject):
        return {"augment": f"{augment}+mixup:0.2"}, "mixing photographs"
    return {"dropout": 0.5}, "more dropout"


def _under_fitting(subject: Subject) -> Hint | None:
    seen, unseen = subject.history.last("top1"), subject.history.last("val_top1")
    # The accuracy on mixed photographs is low by design.
    if seen is None or unseen is None or _mixes(subject) or seen >= LEARNT or seen - unseen > AHEAD / 2:
        return None
    why = f"Even of the photographs that it was trained on it recognises only {percent(seen)}. "
    if subject.config.freeze == "backbone":
        change: dict[str, object] = {"freeze": "bn"}
        why += "Let the whole network learn, not its classifier alone."
    else:
        change = {"learning_rate": f"{3 * (subject.config.learning_rate or 0.001):.2g}"}
        why += "A higher learning rate, more epochs, a larger variant or larger pictures help."
    return Hint("It has not learnt enough yet", join([why]), train_again(subject, **change))


def _few_photographs(subject: Subject) -> Hint | None:
    counts = subject.training_examples
    if not counts or max(counts) == 0:
        return None
    order = sorted(range(len(counts)), key=lambda row: counts[row])
    low = [row for row in order if counts[row] < FEW or counts[row] * RARER < max(counts)]
    if not low:
        return None
    named = [join([name_of(subject.answers.labels[row]), f" ({counts[row]:,})"]) for row in low[:3]]
    more = f", and {count(len(low) - 3, 'class')} more" if len(low) > 3 else ""
    why = join(["Trained on: ", _listed(named), more, ". More photographs of these help more than any setting."])
    rare = counts[order[0]] * RARER < max(counts)
    if rare and subject.config.class_weights != "balanced":
        why = join([why, f" Others have up to {max(counts):,}; weights can make up for some of it."])
        return Hint("Some classes have few photographs", why, train_again(subject, class_weights="balanced"))
    return Hint("Some classes have few photographs", why)


def _never_recognised(subject: Subject) -> Hint | None:
    lost = [each for each in subject.answers.per_class if each.examples >= 3 and not each.right]
    if not lost:
        return None
    named = [
        join([name_of(each.label), *((" (taken for ", name_of(each.mistaken_for), ")") if each.mistaken_for else ())])
        for each in lost[:3]
    ]
    more = f", and {count(len(lost) - 3, 'class')} more" if len(lost) > 3 else ""
    why = join(["None of their photographs was recognised: ", _listed(named), more, ". Look at their folders."])
    return Hint(f"{count(len(lost), 'class')} never recognised", why)


def _from_nothing(subject: Subject) -> Hint | None:
    total = _total(subject, SMALL_SET)
    if subject.config.weights != "none" or total >= SMALL_SET:
        return None
    why = join(
        [f"It began with random weights and {count(total, 'photograph')}. Weights trained on ImageNet know more."]
    )
    return Hint("It began with nothing", why, train_again(subject, weights="imagenet", recipe="finetune"))


def _one_pair(subject: Subject) -> Hint | None:
    pairs = subject.answers.confused_pairs(1)
    if not pairs or pairs[0][2] < max(PAIR_TIMES, PAIR_SHARE * subject.mistakes):
        return None
    own, taken, times, _ = pairs[0]
    why = join(
        [
            f"{times} of {count(subject.mistakes, 'mistake')}: ",
            name_of(own),
            " taken for ",
            name_of(taken),
            ". Are these told apart by the photographs, and labelled alike throughout?",
        ]
    )
    return Hint("One pair of classes stands out", why)


def _doubtful_labels(subject: Subject) -> Hint | None:
    sure = int((~subject.answers.right & (subject.answers.confidence > SURE)).sum())
    if not sure:
        return None
    why = join(
        [
            f"{count(sure, 'wrong answer')} had a probability above {percent(SURE, 0)}. ",
            element("a", "Look at them", href="#photographs"),
            ": often it is the label that is wrong.",
        ]
    )
    return Hint("Sure, and wrong", why)


def _calibration(subject: Subject) -> Hint | None:
    confidence, share = float(subject.answers.confidence.mean()), subject.recognised / len(subject.answers)
    low, high = interval(subject.recognised, len(subject.answers))
    if abs(confidence - share) < GAP or low <= confidence <= high:
        return None
    figures = f"On average it gives its answers {percent(confidence)}, and {percent(share)} of them are right."
    if confidence < share:
        smoothed = bool(subject.config.label_smoothing)
        remedy = " Label smoothing makes it so." if smoothed else ""
        command = train_again(subject, label_smoothing=0) if smoothed else None
        return Hint("Its probabilities are too low", join([figures, remedy]), command)
    smoothing = None if subject.config.label_smoothing else train_again(subject, label_smoothing=0.1)
    remedy = " Where probabilities decide something, set the threshold on photographs of your own."
    return Hint("Its probabilities are too high", join([figures, remedy]), smoothing)


def _few_validated(subject: Subject) -> Hint | None:
    low, high = interval(subject.recognised, len(subject.answers))
    if high - low < WIDE:
        return None
    why = (
        f"With {count(len(subject.answers), 'photograph')} all that is known is that the accuracy lies between "
        f"{percent(low, 0)} and {percent(high, 0)}: a run that is a few points better may just be luckier. Measure on "
        "more."
    )
    command = shlex.join(["efficientnet-evaluate", f"--model_dir={subject.path}", "--data=FOLDER"])
    return Hint("Few photographs were held out", join([why]), command)


def _no_mistakes(subject: Subject) -> Hint | None:
    if subject.mistakes:
        return None
    why = "Every photograph was recognised. Try photographs from elsewhere: another camera, place or season."
    command = shlex.join(["efficientnet-predict", f"--model_dir={subject.path}", "FOLDER"])
    return Hint("No mistakes left to learn from", join([why]), command)


#: From a run to a hint, or to None where it does not apply.
RULES: tuple[Callable[[Subject], Hint | None], ...] = (
    _diverged,
    _cut_short,
    _from_nothing,
    _still_improving,
    _over_fitting,
    _under_fitting,
    _never_recognised,
    _few_photographs,
    _doubtful_labels,
    _one_pair,
    _few_validated,
    _calibration,
    _no_mistakes,
)


def _mixes(subject: Subject) -> bool:
    return any(name in (subject.config.augment or "") for name in ("mixup", "cutmix"))


def _total(subject: Subject, unknown: int) -> int:
    return unknown if subject.training_examples is None else int(np.sum(subject.training_examples))


def _listed(parts: Sequence[Html]) -> Html:
    return join([item for n, part in enumerate(parts) for item in ((", ", part) if n else (part,))])
