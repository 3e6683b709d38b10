"""An artifact by itself: where its answers differ, what it loses, what it consists of, and how it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from efficientnet_tf.exporting.figures import CLEAR
from efficientnet_tf.exporting.report.overview import anchor, section
from efficientnet_tf.exporting.report.subject import Row, Subject, compared_in_words
from efficientnet_tf.exporting.report.usage import snippets
from efficientnet_tf.exporting.report.words import (
    NONE_CLEAR,
    UNKNOWN,
    decibels,
    kind,
    megabytes,
    milliseconds,
    small_percent,
    times,
)
from efficientnet_tf.markup import Html, count, element, escape, join, name_of, percent

#: Photographs that are shown at once, the rest folded; layers that are listed.
SHOWN, LAYERS = 6, 10
#: Photographs none of which moves more than this are folded.
SAME = 1e-4


def artifact_section(row: Row, subject: Subject) -> Html:
    """Return all that is known of an artifact."""
    parts: list[Html | None] = [element("p", f"{kind(row)}, {megabytes(row['bytes'])}. ", *_verdict(row))]
    if row in subject.elsewhere:
        words = f"Written by an earlier export of the same network, and compared on {compared_in_words(row)}."
        parts.append(element("p", words, class_="note"))
    if row.get("max_difference") is not None:
        parts.append(_figures(row))
    parts += [_other_outputs(row), _photographs(row, subject), _quantization(row.get("quantization"))]
    parts += [_edge_tpu(row), _use(row, subject), _operations(row)]
    return section(anchor(row), row["file"], *parts)


def _verdict(row: Row) -> list[object]:
    if not row["photographs"]:
        return [element("strong", f"Not verified: {row['reason']}", class_="no")]
    if not row["verified"]:
        return [element("strong", f"Refused: {row['reason']}.", class_="no")]
    if row.get("clear_photographs"):
        kept = round(row["clear_photographs"] * row["clear_top1_agreement"])
        clear = count(row["clear_photographs"], "photograph")
        lead = f"{100 * CLEAR:g}\u00a0%"
        return [f"Of the {clear} on which Keras\u2019 top class leads by {lead} or more, it names the same on {kept}."]
    if row.get("clear_photographs") == 0:
        return [f"Classes were not checked: {NONE_CLEAR}"]
    return []


def _figures(row: Row) -> Html:
    facts = [
        ("Largest difference", small_percent(row["max_difference"]), "Of any probability of any photograph."),
        ("Mean difference", small_percent(row["mean_difference"]), "Over all classes and photographs."),
        ("Divergence", f"{row['kl']:.2g}", "Kullback\u2013Leibler, from Keras, in nats."),
    ]
    accuracy = row.get("accuracy")
    if accuracy:
        words = f"Keras: {percent(accuracy['keras'])}, on {count(accuracy['examples'], 'photograph')}."
        facts.append(("Accuracy", percent(accuracy["artifact"]), words))
    for name, values in times(row).items():
        threads = "one thread" if name == "1" else f"{name} threads"
        tail = f"90\u00a0% within {milliseconds(values['p90'])}, 99\u00a0% within {milliseconds(values['p99'])}."
        facts.append((f"Time, {threads}", milliseconds(values["p50"]), tail))
    items = [
        element("div", element("dt", name), element("dd", value), element("dd", words, class_="note"))
        for name, value, words in facts
    ]
    return element("dl", *items, class_="facts")


def _other_outputs(row: Row) -> Html | None:
    outputs: Mapping[str, Mapping[str, float]] = row.get("outputs") or {}
    if not outputs:
        return None
    head = [
        element("th", name, scope="col", class_="figure" if place else None)
        for place, name in enumerate(("Output", "Signal to noise", "Largest difference"))
    ]
    body = [
        element(
            "tr",
            element("td", element("code", name)),
            element("td", decibels(each["sqnr_db"]), class_="figure"),
            element("td", small_percent(each["largest_relative_difference"]), class_="figure"),
        )
        for name, each in outputs.items()
    ]
    note = element(
        "p", "The largest difference is given in parts of the output\u2019s largest magnitude.", class_="note"
    )
    table = element("table", element("thead", element("tr", *head)), element("tbody", *body))
    return join([element("h3", "Other outputs"), table, note])


def _photographs(row: Row, subject: Subject) -> Html | None:
    pictures: Sequence[Mapping[str, Any]] = row.get("pictures") or ()
    if not pictures:
        return None
    cards = [_card(each, subject) for each in pictures]
    different = sum(not each["same_top"] for each in pictures)
    title = "Photograph by photograph" if not different else f"{count(different, 'photograph')} named otherwise"
    keys = element(
        "p",
        element("span", "Keras", class_="key keras"),
        element("span", "this artifact", class_="key own"),
        " Those named otherwise stand first, then those that differ most."
        if different
        else " The photograph that differs most stands first.",
        class_="legend",
    )
    if pictures[0]["total_variation"] < SAME and not different:
        words = element(
            "summary", f"No answer moved by more than {small_percent(max(pictures[0]['total_variation'], 1e-5))}"
        )
        return element("details", words, keys, element("div", *cards, class_="cards"))
    more = None
    if len(cards) > SHOWN:
        words = element("summary", f"{count(len(cards) - SHOWN, 'photograph')} more, which differ less")
        more = element("details", words, element("div", *cards[SHOWN:], class_="cards"))
    return join([element("h3", title), keys, element("div", *cards[:SHOWN], class_="cards"), more])


def _card(picture: Mapping[str, Any], subject: Subject) -> Html:
    number = picture["photograph"]
    small = max(subject.photographs.pixels.shape[1:3]) < 96
    image = element(
        "div",
        class_=f"photograph photograph-{number}{' pixels' if small else ''}",
        role="img",
        aria_label=f"photograph {picture['file']}",
    )
    most = max(picture["classes"], key=lambda each: each["artifact"])["index"]
    rows = []
    for place, each in enumerate(picture["classes"]):
        # Keras' classes come in its order; where the artifact has another one on top, both are marked.
        told = " no" if not picture["same_top"] and (place == 0 or each["index"] == most) else ""
        rows.append(
            element(
                "li",
                element("span", name_of(subject.label(each["index"])), class_=f"label{told}"),
                element("span", _change(each["keras"], each["artifact"]), class_="value"),
                element("span", class_="meter keras", style=f"--share:{each['keras']:.4f}"),
                element("span", class_="meter own", style=f"--share:{each['artifact']:.4f}"),
            )
        )
    moved = f"{small_percent(picture['total_variation'])} moved"
    caption = element("figcaption", element("ol", *rows), element("p", picture["file"], ", ", moved, class_="file"))
    return element("figure", image, caption, class_="card" if picture["same_top"] else "card other")


def _change(keras: float, own: float) -> str:
    r"""Return Keras' probability and the artifact's, if it is another.

    >>> _change(0.3421, 0.3422), _change(0.3421, 0.2876)
    ('34.2\xa0%', '34.2 \u2192 28.8\xa0%')
    """
    before, after = f"{100 * keras:.1f}", f"{100 * own:.1f}"
    return f"{after}\u00a0%" if before == after else f"{before} \u2192 {after}\u00a0%"


def _edge_tpu(row: Row) -> Html | None:
    """Return what an Edge TPU would leave to the processor, where that was looked for."""
    found: Mapping[str, int] | None = row.get("edge_tpu")
    if found is None:
        return None
    told = "By Coral\u2019s table of supported operations; its compiler was not run."
    if row["interface"].get("tuned_for") == "processor" and "RESHAPE" in row["operations"]:
        told += " It may refuse large maps another shape, as this file has them for processors: export for an Edge TPU "
        told += "with --tuned_for=accelerator."
    if not found:
        return element("p", f"An Edge TPU would take every operation. {told}", class_="note")
    reasons = "; ".join(f"{count(number, 'operation')}: {reason}" for reason, number in found.items())
    return element("p", f"An Edge TPU would leave to the processor {reasons}. {told}", class_="note")


def _quantization(found: Mapping[str, Any] | None) -> Html | None:
    """Return the layers that lose most, and what the quantiser chose, where an artifact tells."""
    layers: Sequence[Mapping[str, Any]] = (found or {}).get("layers") or ()
    choices: Mapping[str, Any] = (found or {}).get("choices") or {}
    if not found or not (layers or choices):
        return None
    worst = sorted(layers, key=lambda layer: layer["sqnr_db"])[:LAYERS]
    best = max((layer["sqnr_db"] for layer in layers), default=1.0)
    rows = [
        element(
            "tr",
            element("td", element("code", layer["name"])),
            element(
                "td",
                decibels(layer["sqnr_db"]),
                element("span", class_="meter own", style=f"--share:{max(layer['sqnr_db'], 0) / max(best, 1):.3f}"),
                class_="figure wide",
            ),
        )
        for layer in worst
    ]
    lost = f"{count(len(worst), 'layer')} that lose most, of {len(layers):,}; the median photograph\u2019s."
    words = [f"Signal to noise at the {lost}"] if rows else []
    logits = found.get("logit_sqnr_db")
    if logits is not None:
        words.append(f" At the logits it is {decibels(logits)}.")
    table = element("table", element("tbody", *rows)) if rows else None
    made = [element("div", element("dt", name), element("dd", _shown(value))) for name, value in choices.items()]
    chosen = element("dl", *made, class_="machine") if made else None
    return join([element("h3", "What quantisation costs"), element("p", *words), table, chosen])


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or UNKNOWN
    if value is None:
        return UNKNOWN
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _use(row: Row, subject: Subject) -> Html | None:
    found = snippets(row, subject.record)
    if not found:
        return None
    ways = [
        element("div", element("p", name, class_="note"), element("pre", element("code", lines), class_="command"))
        for name, lines in found.items()
    ]
    return join([element("h3", "Use it"), element("div", *ways, class_="uses")])


def _operations(row: Row) -> Html | None:
    operations: Mapping[str, int] = row.get("operations") or {}
    if not operations:
        return None
    order = sorted(operations.items(), key=lambda item: (-item[1], item[0]))
    items = [element("li", element("code", name), escape(f"\u00a0\u00d7\u00a0{number:,}")) for name, number in order]
    # Of Keras' own file the layers are counted.
    noun = "layer" if row["format"] == "keras" else "operation"
    words = f"{count(sum(operations.values()), noun)} of {count(len(operations), 'kind')}"
    return element("details", element("summary", words), element("ul", *items, class_="operations"))
