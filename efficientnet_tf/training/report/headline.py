"""The top of a report: the result, and what it means."""

from __future__ import annotations

from pathlib import Path

from efficientnet_tf.config import network_of
from efficientnet_tf.markup import Html, count, element, escape, join, name_of, percent
from efficientnet_tf.training.report.answers import interval
from efficientnet_tf.training.report.axes import short
from efficientnet_tf.training.report.charts import accuracy_line
from efficientnet_tf.training.report.subject import Subject

#: Widths of the confidence interval above which the sentence tells of it, and above which it is wide.
UNCERTAIN, WIDE = 0.02, 0.1


def headline(subject: Subject) -> Html:
    """Return the header: the accuracy as a number, a line and a sentence, and the other figures."""
    share = subject.recognised / len(subject.answers)
    low, high = interval(subject.recognised, len(subject.answers))
    number, sign = percent(share).split("\u00a0")
    return element(
        "header",
        element("p", name_of(network_of(subject.config).name), " on ", name_of(_data_name(subject)), class_="eyebrow"),
        element(
            "h1",
            element("span", number, element("small", sign), class_="number"),
            element("span", " of new photographs recognised", class_="what"),
        ),
        accuracy_line(share, low, high, subject.answers.majority),
        element("p", meaning(subject), class_="lede"),
        _flattered(subject),
        element("dl", *(_fact(*fact) for fact in facts(subject)), class_="facts"),
    )


def meaning(subject: Subject) -> Html:
    """Return in words what the accuracy means: of how many, against what, how surely, and where it is weakest."""
    answers = subject.answers
    low, high = interval(subject.recognised, len(answers))
    parts: list[object] = [
        element("strong", f"{subject.recognised:,} of {count(len(answers), 'photograph')}"),
        f" that it was not trained on, of {count(len(answers.labels), 'class')}. ",
    ]
    if high - low > UNCERTAIN:
        few = "With so few, the" if high - low > WIDE else "The"
        parts.append(
            f"{few} share among all photographs of the kind lies between {percent(low, 0)} and {percent(high, 0)} "
            "(the band; 95\u00a0% confidence). "
        )
    majority = percent(answers.majority, 0 if answers.majority > 0.01 else 2)
    parts.append(f"Always naming the most frequent class would reach {majority} (the mark).")
    counted = [each for each in answers.per_class if each.recall is not None]
    weakest = min(counted, key=lambda each: (each.recall or 0.0, -each.examples))
    if subject.mistakes and len(counted) > 1:
        parts += [
            " Weakest is ",
            name_of(weakest.label),
            f", of which {weakest.right:,} of {weakest.examples:,} were recognised.",
        ]
    return join(parts)


def _flattered(subject: Subject) -> Html | None:
    if subject.config.minival or len(subject.history) < 2:
        return None
    words = "The epoch whose network is kept was chosen by these photographs too, which flatters the figure a little."
    return element("p", words, class_="note")


def facts(subject: Subject) -> list[tuple[str, str, str]]:
    """Return the other figures of a run: a name, the figure, and what it means."""
    metrics, history = subject.metrics, subject.history
    recalls = [each.recall for each in subject.answers.per_class if each.recall is not None]
    found = [("Mean over classes", percent(sum(recalls) / len(recalls)), "Every class counts alike.")]
    if metrics.get("top5") is not None:
        found.append(("Top 5", percent(metrics["top5"]), "The right class is among the five most probable."))
    if metrics.get("loss") is not None:
        found.append(("Loss", short(metrics["loss"]), "Mean cross-entropy in nats; 0 is perfect."))
    if metrics.get("ece") is not None:
        found.append(("Calibration error", percent(metrics["ece"]), "Mean gap between probability and accuracy."))
    if len(history):
        found.append(("Epochs", _epochs(subject), _ending(subject)))
    if subject.training_examples is not None:
        total = sum(subject.training_examples)
        found.append(("Trained on", f"{total:,}", "Photographs, each seen once an epoch."))
    if subject.seconds is not None:
        found.append(("Took", duration(subject.seconds), "From the first step to the last."))
    return found


def duration(seconds: float) -> str:
    r"""Return a time as people say it.

    >>> [duration(value).replace("\u00a0", " ") for value in (7.2, 95, 7260, 200000)]
    ['7 s', '1 min 35 s', '2 h 1 min', '2 d 7 h']
    """
    whole = round(seconds)
    units = (("d", whole // 86400), ("h", whole // 3600 % 24), ("min", whole // 60 % 60), ("s", whole % 60))
    first = next((n for n, (_, value) in enumerate(units) if value), 3)
    shown = [(unit, value) for unit, value in units[first : first + 2] if value or (unit == "s" and first == 3)]
    return " ".join(f"{value}\u00a0{unit}" for unit, value in shown)


def _epochs(subject: Subject) -> str:
    done, planned = len(subject.history), subject.planned_epochs
    return f"{done}" if planned in (None, done) else f"{done} of {planned}"


def _ending(subject: Subject) -> str:
    if subject.history.best is None:
        return "Times that the photographs were seen."
    kept = f"Kept: epoch {subject.history.epochs[subject.history.best]}."
    if subject.ended_by_patience and len(subject.history) != subject.planned_epochs:
        return f"{kept} Then {subject.config.patience} without a better one."
    return kept


def _data_name(subject: Subject) -> str:
    data = subject.config.data or "photographs"
    return data if data.startswith(("tfds:", "synthetic")) else Path(data).name or data


def _fact(name: str, value: str, meaning_of_it: str) -> Html:
    return element(
        "div", element("dt", name), element("dd", value), element("dd", escape(meaning_of_it), class_="note")
    )
