"""The top of the report: whether the artifacts answer as the network, and the table that compares them."""

from __future__ import annotations

from collections.abc import Sequence

from efficientnet_tf.exporting.report.subject import Row, Subject
from efficientnet_tf.exporting.report.words import (
    FORMATS,
    QUANTIZATIONS,
    UNKNOWN,
    agreement,
    decibels,
    listed,
    megabytes,
    milliseconds,
    small_percent,
    times,
)
from efficientnet_tf.markup import Html, count, element, join, name_of, percent


def section(name: str, title: object, *children: object) -> Html:
    """Return a section that `#name` leads to."""
    return element("section", element("h2", title), *children, id=name)


def anchor(row: Row) -> str:
    """Return the name of an artifact's section."""
    return "artifact-" + "".join(letter if letter.isalnum() else "-" for letter in row["file"])


def breakable(name: str) -> Html:
    """Return the name of a file, in which a line may end after an underscore.

    >>> breakable("model_int8.tflite")
    '<span class="piece">model_</span><span class="piece">int8.tflite</span>'
    """
    *parts, last = name.split("_")
    return join(element("span", part, class_="piece") for part in [*(f"{part}_" for part in parts), last])


def headline(subject: Subject) -> Html:
    """Return the header: how many artifacts were verified, in a number and in sentences, and the facts."""
    total, verified = len(subject.rows), len(subject.verified)
    number = element("span", f"{verified}", element("small", f"\u2009/\u2009{total}"), class_="number")
    words = " artifact answers as the network" if total == 1 else " artifacts answer as the network"
    height, width = subject.record.image_size
    facts = [
        ("Photographs", f"{len(subject.photographs):,}", f"{subject.where[0].upper()}{subject.where[1:]}."),
        ("Input", f"{height}\u2009\u00d7\u2009{width}", "Pixels, RGB, 0\u2026255."),
        ("Classes", f"{len(subject.labels):,}", _first_labels(subject.labels)),
    ]
    if subject.about.parameters:
        facts.append(("Parameters", _short(subject.about.parameters), "In all layers."))
    here = [row for row in subject.rows if row not in subject.elsewhere]
    measured = next((row["accuracy"] for row in here if row.get("accuracy")), None)
    if measured:
        words_of_it = f"Keras, on these {count(measured['examples'], 'photograph')}."
        facts.append(("Accuracy", percent(measured["keras"]), words_of_it))
    return element(
        "header",
        element("p", "Export of ", name_of(subject.about.name), class_="eyebrow"),
        element("h1", number, element("span", words, class_="what")),
        element("p", *_meaning(subject), class_="lede"),
        element("dl", *(_fact(*fact) for fact in facts), class_="facts"),
    )


def _meaning(subject: Subject) -> list[object]:
    rows = subject.verified
    parts: list[object] = []
    if rows:
        parts.append("Each was run by the runtime that its users have, on the same photographs as Keras. ")
    plain = max((row for row in subject.rows if row["format"] != "keras"), key=lambda row: row["bytes"], default=None)
    smallest = min(rows, key=lambda row: row["bytes"], default=None)
    if plain is not None and smallest is not None and smallest["bytes"] < 0.8 * plain["bytes"]:
        parts += [
            "The smallest, ",
            element("a", smallest["file"], href=f"#{anchor(smallest)}"),
            f", has {megabytes(smallest['bytes'])}, {plain['bytes'] / smallest['bytes']:.1f} times less than ",
            element("a", plain["file"], href=f"#{anchor(plain)}"),
        ]
        if smallest.get("top1_agreement") is not None:
            parts.append(f", and names the same class as Keras on {agreement(smallest)} photographs")
        parts.append(". ")
    if subject.unverified:
        names = listed([row["file"] for row in subject.unverified])
        parts.append(element("strong", f"Not verified: {names}. "))
    return parts


def overview_section(subject: Subject) -> Html:
    """Return the table of artifacts, which can be sorted by every column."""
    largest = max(row["bytes"] for row in subject.rows)
    fastest = [row["latency_ms"] for row in subject.rows if row.get("latency_ms")]
    slowest = max(fastest, default=1.0)
    counts = sorted({name for row in subject.rows for name in times(row)}, key=int)
    names = ["Artifact", "Size", "Same top class", "Moved", "Logits"]
    if any(row.get("accuracy") for row in subject.rows):
        names.append("Accuracy")
    names += [f"{name} thread{'' if name == '1' else 's'}" for name in counts] + ["Memory"]
    head = [element("th", name, scope="col", class_=None if name == "Artifact" else "figure") for name in names]
    body = [_row(row, counts, largest, slowest, "Accuracy" in names) for row in subject.rows]
    table = element("table", element("thead", element("tr", *head)), element("tbody", *body), class_="sortable")
    notes = (
        "Moved: the probability that went to other classes than Keras gave it to, the mean over the photographs. "
        "Logits: signal to noise of the logarithms of the probabilities; 20\u00a0dB are a tenth, 40\u00a0dB a "
        "hundredth. Time: of one picture, the median of a few runs on the machine below. Memory: by how much the "
        "process that runs it grew; of TensorFlow.js, all of Node\u2019s."
    )
    return section("artifacts", "Artifacts", element("div", table, class_="scroll"), element("p", notes, class_="note"))


def _row(row: Row, counts: Sequence[str], largest: int, slowest: float, measured: bool) -> Html:
    quantize = QUANTIZATIONS.get(row["quantize"], row["quantize"])
    mark = element("span", "\u2713", class_="yes", title="verified") if row["verified"] else _cross(row)
    name = element("a", breakable(row["file"]), href=f"#{anchor(row)}")
    cells = [
        element(
            "td",
            mark,
            " ",
            name,
            element("span", f"{FORMATS[row['format']]}, {quantize}", class_="note line"),
            class_="name",
            data_value=row["file"],
        ),
        _bar(megabytes(row["bytes"]), row["bytes"], row["bytes"] / largest, "yes"),
        _agreement_cell(row),
        _cell(small_percent(row.get("total_variation")), row.get("total_variation")),
        _cell(decibels(row.get("logit_sqnr_db")), row.get("logit_sqnr_db")),
    ]
    if measured:
        share = (row.get("accuracy") or {}).get("artifact")
        cells.append(_cell(percent(share), share))
    for name_of_count in counts:
        value = (times(row).get(name_of_count) or {}).get("p50")
        cells.append(_bar(milliseconds(value), value, (value or 0.0) / slowest, "time"))
    memory = row.get("peak_memory_mb")
    cells.append(_cell(UNKNOWN if memory is None else f"{memory:,.0f}\u00a0MB", memory))
    return element("tr", *cells)


def _cross(row: Row) -> Html:
    return element("span", "\u2717", class_="no", title=f"not verified: {row['reason']}")


def _agreement_cell(row: Row) -> Html:
    share = row.get("top1_agreement")
    if share is None:
        return _cell(UNKNOWN, None)
    return _bar(agreement(row), share, share, "yes" if share == 1 else "no")


def _bar(words: str, value: float | None, share: float, style: str) -> Html:
    meter = None
    if value is not None:
        meter = element("span", class_=f"meter {style}", style=f"--share:{min(share, 1.0):.3f}")
    return element("td", words, meter, class_="figure", data_value=_sortable(value))


def _cell(words: str, value: float | None) -> Html:
    return element("td", words, class_="figure", data_value=_sortable(value))


def _sortable(value: float | None) -> str:
    return "-1" if value is None else f"{value:.9g}"


def _first_labels(labels: Sequence[str]) -> Html:
    shown = [name_of(label) for label in labels[:3]]
    words: list[object] = [part for name in shown for part in (name, ", ")]
    return join([*words[:-1], "\u2009\u2026" if len(labels) > 3 else "."])


def _fact(name: str, value: str, meaning: object) -> Html:
    return element("div", element("dt", name), element("dd", value), element("dd", meaning, class_="note"))


def _short(number: int) -> str:
    """Return a number with three figures and the letter of thousands or millions.

    >>> _short(4_652_008), _short(86_437)
    ('4.65M', '86.4k')
    """
    return f"{number / 1e6:.3g}M" if number >= 1e6 else f"{number / 1e3:.3g}k" if number >= 1000 else str(number)
