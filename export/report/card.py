"""The model card: what a network is, what it was made of, and what it is good for; what is not known is said to be."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.exporting.report.closing import CLEAR_IN_WORDS, bounds_in_words
from efficientnet_tf.exporting.report.subject import Row, Subject, compared_in_words
from efficientnet_tf.exporting.report.usage import snippets
from efficientnet_tf.exporting.report.words import (
    FORMATS,
    NONE_CLEAR,
    QUANTIZATIONS,
    agreement,
    decibels,
    listed,
    megabytes,
    milliseconds,
    small_percent,
)
from efficientnet_tf.exporting.verify import BOUNDS
from efficientnet_tf.markup import count as counted
from efficientnet_tf.specs import count
from efficientnet_tf.weights.published import LICENCE

#: Labels that are listed.
LABELS = 20

#: Settings of a run that say how it was trained, and what they are called.
RECIPE = {
    "recipe": "Recipe",
    "weights": "Began with the weights",
    "epochs": "Epochs",
    "batch_size": "Batch",
    "optimizer": "Optimiser",
    "learning_rate": "Learning rate",
    "augment": "Augmentation",
    "freeze": "Frozen up to",
    "label_smoothing": "Label smoothing",
    "seed": "Seed",
}
CROPS = {"center": "a centred square", "none": "the whole photograph"}


def model_card(subject: Subject) -> str:
    """Return the card, Markdown."""
    sections = {
        "What it is": _what(subject),
        "Training": _training(subject),
        "Intended use": _use(subject),
        "Input": _input(subject),
        "Classes": _classes(subject),
        "Accuracy": _accuracy(subject),
        "Artifacts": _artifacts(subject),
        "How they were verified": _verification(subject),
        "How to load it": _loading(subject),
        "Licence": _licence(subject),
        "Limits": _limits(subject),
    }
    parts = [f"# {_text(subject.about.name)}"]
    for title, lines in sections.items():
        parts += [f"## {title}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _what(subject: Subject) -> list[str]:
    about, classes = subject.about, len(subject.labels)
    height, width = subject.record.image_size
    lines = [f"A network that tells {classes:,} classes of photographs apart."]
    rows = [("Architecture", "not known" if about.spec is None else f"EfficientNet family, {about.spec.name}")]
    if about.spec is not None and height == width:
        try:
            size = count(about.spec, image_size=height, classes=classes)
        except EfficientNetError:
            size = None
        if size is not None:
            rows.append(("Trainable parameters", f"{size.trainable:,}"))
            rows.append(("Multiply-adds of one photograph", f"{size.madds:,}"))
    if about.parameters:
        rows.append(("Parameters in all", f"{about.parameters:,}"))
    rows.append(("Input", f"{height} x {width} pixels, RGB"))
    rows.append(("Outputs", ", ".join(subject.outputs)))
    return [*lines, "", *_table(("", ""), rows)]


def _training(subject: Subject) -> list[str]:
    config, about = subject.about.config, subject.about
    if not config:
        if about.weights:
            return [
                f"Published weights, `{about.weights}`. How they were trained is told by who published them; "
                "nothing was trained here."
            ]
        return ["Not known: the network was given without the run that trained it."]
    rows = [("Data", f"`{config['data']}`" if config.get("data") else "not known")]
    rows += [(name, f"`{_shown(config[key])}`") for key, name in RECIPE.items() if config.get(key) is not None]
    return [*_table(("Setting", "Value"), rows), "", "All settings are in the run's config.json."]


def _use(subject: Subject) -> list[str]:
    return [
        f"Telling which of its {counted(len(subject.labels), 'class')} a photograph shows, where photographs are like "
        "those that it was trained on and every one shows one of the classes. It always names one of them, also of a "
        "photograph that shows none.",
    ]


def _input(subject: Subject) -> list[str]:
    record = subject.record
    height, width = record.image_size
    crop = CROPS[record.crop]
    if record.crop == "center":
        short = min(height, width)
        crop += f" with sides of {short} / {short + record.crop_padding} of the shorter side"
    return [
        f"Of a photograph {crop} is taken and resized to {height} x {width} pixels (`{record.interpolation}`). The "
        "network takes these pixels as they are, RGB, 0 to 255; scaling is inside, so it must not be done outside. "
        "`preprocessing.json` has the same in figures.",
    ]


def _classes(subject: Subject) -> list[str]:
    shown = [f"{number}. {_text(label)}" for number, label in enumerate(subject.labels[:LABELS])]
    total = len(subject.labels)
    if total > LABELS:
        shown += ["", f"These are the first {LABELS} of {total:,}; `labels.txt` has all, in the order of the outputs."]
    else:
        shown += ["", "In the order of the outputs, from 0, as in `labels.txt`."]
    return shown


def _accuracy(subject: Subject) -> list[str]:
    lines: list[str] = []
    metrics = subject.about.metrics
    if metrics and isinstance(metrics.get("top1"), int | float):
        of = f" on {counted(int(metrics['examples']), 'photograph')}" if metrics.get("examples") else ""
        data = (subject.about.config or {}).get("data")
        lines.append(
            f"Top-1 {_percent(metrics['top1'])}{of} that were held out"
            f"{f' of `{data}`' if data else ''}, measured by the run in Keras."
        )
    measured = [row for row in subject.rows if row.get("accuracy") and row not in subject.elsewhere]
    if measured:
        first = measured[0]["accuracy"]
        lines += [
            *([""] if lines else []),
            f"On {subject.number_of(first['examples'])}: Keras {_percent(first['keras'])}, "
            + ", ".join(f"{row['file']} {_percent(row['accuracy']['artifact'])}" for row in measured)
            + (". So few say little." if first["examples"] < 100 else "."),
        ]
    return lines or ["Not known: nothing here measured it."]


def _artifacts(subject: Subject) -> list[str]:
    head = ("File", "Kind", "Size", "Same top class", "Moved", "Logit SQNR", "Time of one", "Verified")
    rows = [
        (
            f"`{row['file']}`",
            f"{FORMATS.get(row['format'], row['format'])}, {QUANTIZATIONS.get(row['quantize'], row['quantize'])}",
            megabytes(row["bytes"]),
            agreement(row),
            small_percent(row.get("total_variation")),
            decibels(row.get("logit_sqnr_db")),
            milliseconds(row.get("latency_ms")),
            "yes" if row["verified"] else "no",
        )
        for row in subject.rows
    ]
    kinds = dict.fromkeys(row["quantize"] for row in subject.rows)
    bounds = [
        f"- {name}: {bounds_in_words(BOUNDS[name], classes=subject.has_classes, others=subject.has_other_outputs)}."
        for name in kinds
    ]
    return [*_table(head, rows), "", f"Bounds that an export must keep. {CLEAR_IN_WORDS}", "", *bounds]


def _verification(subject: Subject) -> list[str]:
    lines = [
        f"Each artifact was run by its own runtime on {subject.number_of(len(subject.photographs))}, "
        "from file to class, beside Keras with the network as it was trained. `Moved` is the "
        "probability that went to other classes than Keras gave it to. `report.json` has all figures, `report.html` "
        "shows them. Accelerators of phones, browsers and servers were not tried.",
    ]
    sources = dict.fromkeys(f"`{row['calibrated_on']}`" for row in subject.rows if row.get("calibrated_on"))
    if sources:
        lines += ["", f"Quantised networks were calibrated on pictures of {listed(list(sources))}."]
    for row in subject.elsewhere:
        told = f"was written by an earlier export of the same network, and compared on {compared_in_words(row)}."
        lines += ["", f"`{row['file']}` {told}"]
    if subject.unclear:
        names = listed([_code(row) for row in subject.unclear])
        lines += ["", f"The classes of {names} were not checked: {NONE_CLEAR}"]
    lines += [line for row in subject.unverified for line in ("", f"`{row['file']}` was not verified: {row['reason']}")]
    return lines


def _loading(subject: Subject) -> list[str]:
    lines: list[str] = []
    # Those whose code differs in the name of the file alone.
    alike: dict[str, list[Row]] = {}
    for row in subject.rows:
        alike.setdefault(repr(snippets({**row, "file": ""}, subject.record)), []).append(row)
    for row, *others in alike.values():
        for name, code in snippets(row, subject.record).items():
            language = name.split(",")[0].lower() if name.startswith(("Python", "Kotlin", "JavaScript")) else ""
            language = language or ("shell" if "Serving" in name else "python")
            lines += [f"`{row['file']}`, {name}:", "", f"```{language}", code, "```", ""]
        if others:
            lines += [f"In the same way: {listed([_code(other) for other in others])}.", ""]
    lines += [
        "A `.keras` file that training left, rather than this export, has layers of this package. They are registered "
        "by one line before it is loaded:",
        "",
        "```python",
        "import efficientnet_tf",
        "```",
    ]
    return lines


def _licence(subject: Subject) -> list[str]:
    lines = [f"The program that made these files is under {LICENCE}."]
    began = subject.about.weights or (subject.about.config or {}).get("weights")
    if began and began != "none" and "/" not in str(began):
        lines.append(f"The published weights that it began with, `{began}`, are under {LICENCE}.")
    data = (subject.about.config or {}).get("data")
    if data == "sample":
        lines.append("The bundled photographs that it was trained on are CC0 or in the public domain.")
    elif data:
        lines.append("The licence of the photographs that it was trained on is not known to this program.")
    return [" ".join(lines)]


def _limits(subject: Subject) -> list[str]:
    few = len(subject.photographs)
    lines = [
        "- A probability is not a certainty; whether the two agree has to be measured on photographs of the kind.",
        "- What the training photographs lacked, the network does not know: other cameras, seasons, places, people.",
        "- Nothing here says how it treats groups of people, or what happens when somebody means to mislead it.",
        f"- The comparison covers {counted(few, 'photograph')}; a difference on a rarer kind would not have been seen.",
    ]
    return lines if subject.labels else lines[:3]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    written = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in written]


def _text(text: str) -> str:
    """Return a name that Markdown shows as it is."""
    plain = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|" else letter for letter in plain)


def _percent(share: Any) -> str:
    return f"{100 * float(share):.1f} %"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    return textwrap.shorten(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value), 120)


def _code(row: Row) -> str:
    return f"`{row['file']}`"
