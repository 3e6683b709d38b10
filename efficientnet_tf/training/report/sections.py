"""The sections of a report on how training went and how the network answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from efficientnet_tf.markup import Html, count, element, join, name_of, percent
from efficientnet_tf.training.report.answers import ClassFigures
from efficientnet_tf.training.report.axes import short
from efficientnet_tf.training.report.charts import Series, curves, reliability
from efficientnet_tf.training.report.gallery import Exhibit
from efficientnet_tf.training.report.subject import Subject

#: Classes up to which confusions are shown as a matrix, and pairs that are listed.
MATRIX, PAIRS, PAIRS_BESIDE = 40, 20, 6
#: Rows of the table of classes; of more, the weakest are shown.
CLASSES = 1000


def section(name: str, title: str, *children: object) -> Html:
    """Return a section that `#name` leads to."""
    return element("section", element("h2", title), *children, id=name)


def curves_section(subject: Subject) -> Html | None:
    """Return the curves of loss, accuracy and learning rate, as far as the history has them; None if it has none."""
    history = subject.history
    head = min(subject.config.head_epochs or 0, len(history))
    figures = []
    wanted: tuple[tuple[str, str, Callable[[float], str], float | None, tuple[tuple[str, str, str], ...]], ...] = (
        ("Loss", "lower is better", short, None, (("training", "seen", "loss"), ("validation", "unseen", "val_loss"))),
        (
            "Accuracy",
            "higher is better",
            _short_percent,
            1.0,
            (("training", "seen", "top1"), ("validation", "unseen", "val_top1")),
        ),
        (
            "Learning rate",
            "at the end of each epoch",
            "{:.2g}".format,
            None,
            (("learning rate", "rate", "learning_rate"),),
        ),
    )
    for title, note, text, limit, columns in wanted:
        series = [Series(name, style, values) for name, style, column in columns if (values := history.values(column))]
        if series:
            best = history.best if limit or title == "Loss" else None
            chart = curves(
                history.epochs, series, label=f"{title} over the epochs", text=text, limit=limit, best=best, head=head
            )
            heading = element("figcaption", element("strong", title), " ", element("span", note, class_="note"))
            figures.append(element("figure", heading, chart))
    if not figures:
        return None
    return section("curves", "How training went", element("div", *figures, class_="charts"), _smoothing(subject))


def _smoothing(subject: Subject) -> Html | None:
    if not subject.config.label_smoothing:
        return None
    words = f"With label smoothing of {subject.config.label_smoothing:g} these losses do not fall to 0, "
    return element("p", f"{words}and they are higher than the one above, which is without it.", class_="note")


def _short_percent(share: float) -> str:
    return percent(share).replace(".0", "")


def mistakes_section(subject: Subject) -> Html | None:
    """Return the photographs of a report; None if there are none to show."""
    if not subject.exhibits:
        return None
    mapped = any(exhibit.heat for exhibit in subject.exhibits)
    map_words = " Beside each: what on it spoke for the answer; the brighter, the more." if mapped else ""
    if subject.mistakes:
        shown = len(subject.exhibits)
        which = "All of them" if shown == subject.mistakes else f"The {shown} surest of them"
        title, lead = count(subject.mistakes, "mistake"), f"{which}, the surest first.{map_words}"
    else:
        title, lead = "No mistakes", f"These are the least certain of the right answers.{map_words}"
    cards = [_card(exhibit) for exhibit in subject.exhibits]
    return section("photographs", title, element("p", lead), element("div", *cards, class_="cards"))


def _card(exhibit: Exhibit) -> Html:
    right = exhibit.label == exhibit.answer
    style = "pixels" if exhibit.small else None
    pictures = [element("img", src=exhibit.photograph, alt=f"photograph of {exhibit.label}", class_=style)]
    if exhibit.heat:
        pictures.append(element("img", src=exhibit.heat, alt=f"map for {exhibit.answer}", class_=style))
    words = [_answer("right" if right else "said", exhibit.answer, exhibit.confidence, "yes" if right else "no")]
    if not right:
        words.append(_answer("is", exhibit.label, exhibit.own, "yes"))
    if exhibit.file is not None:
        path = Path(exhibit.file)
        words.append(element("p", "/".join(path.parts[-2:]), class_="file", title=exhibit.file))
    return element("figure", element("div", *pictures, class_="pair"), element("figcaption", *words), class_="card")


def _answer(word: str, label: str, probability: float, style: str) -> Html:
    """Return a line with a class and its probability."""
    return element(
        "p",
        element("span", word, class_="note"),
        element("span", name_of(label), class_=f"label {style}"),
        element("span", percent(probability, 0), class_="value"),
        _meter(probability, style),
        class_="answer",
    )


def confusions_section(subject: Subject) -> Html | None:
    """Return which classes are taken for which: a matrix, or of many classes the most frequent pairs."""
    answers = subject.answers
    if len(answers.labels) > MATRIX:
        pairs = answers.confused_pairs(PAIRS)
        return section("confusions", "What is taken for what", _pairs_table(pairs)) if pairs else None
    lead = "Each row is a class; its photographs are spread over what they were taken for."
    matrix = element("div", _matrix(subject), class_="scroll")
    pairs = answers.confused_pairs(PAIRS_BESIDE)
    beside = element("div", _pairs_table(pairs)) if pairs else None
    both = element("div", matrix, beside, class_="matrices")
    return section("confusions", "What is taken for what", element("p", lead), both)


def _pairs_table(pairs: Sequence[tuple[str, str, int, int]]) -> Html:
    head = element("tr", element("th", "Class"), element("th", "Taken for"), element("th", "Times", class_="figure"))
    rows = [
        element(
            "tr",
            element("td", own, class_="name"),
            element("td", taken, class_="name"),
            element("td", f"{times:,} of {examples:,}", _meter(times / examples, "no"), class_="figure"),
        )
        for own, taken, times, examples in pairs
    ]
    lead = element("p", f"The {len(rows)} most frequent confusions.") if len(rows) == PAIRS else None
    table = element("table", element("thead", head), element("tbody", *rows), class_="pairs")
    return join([lead, element("div", table, class_="scroll")])


def _matrix(subject: Subject) -> Html:
    answers = subject.answers
    cells = {(int(r), int(c)): int(times) for r, c, times in zip(*answers.pairs, strict=True)}
    head = [element("th", element("span", label), title=label, scope="col") for label in answers.labels]
    rows = []
    for row, label in enumerate(answers.labels):
        total = int(answers.examples[row])
        values = []
        for column, other in enumerate(answers.labels):
            times = cells.get((row, column), 0)
            if not times:
                values.append(element("td", class_="own" if row == column else None))
                continue
            verb = "recognised" if row == column else f"taken for {other}"
            values.append(
                element(
                    "td",
                    f"{times:,}",
                    class_="own" if row == column else "other",
                    style=f"--share:{times / total:.3f}",
                    title=f"{label}: {times:,} of {total:,} {verb}",
                )
            )
        rows.append(element("tr", element("th", label, title=label, scope="row"), *values))
    size = "matrix" if len(answers.labels) <= 12 else "matrix dense"
    return element("table", element("thead", element("tr", element("td"), *head)), element("tbody", *rows), class_=size)


def classes_section(subject: Subject) -> Html:
    """Return the table of classes, which can be sorted by every column; the weakest stand first."""
    trained = subject.training_examples
    columns = [
        "Class",
        "Recognised",
        "Precision",
        "F1",
        "Photographs",
        *(["Trained on"] if trained else []),
        "Mostly taken for",
    ]
    figures = subject.answers.per_class
    order = sorted(range(len(figures)), key=lambda row: (figures[row].recall is None, figures[row].recall or 0.0))
    rows = [_class_row(figures[row], trained[row] if trained else None) for row in order[:CLASSES]]
    head = [
        element("th", name, scope="col", class_=None if name in ("Class", "Mostly taken for") else "figure")
        for name in columns
    ]
    table = element("table", element("thead", element("tr", *head)), element("tbody", *rows), class_="sortable")
    left_out = len(figures) - len(rows)
    lead = [
        "Recognised: share of the class's photographs. Precision: share of the answers of the class that are right. "
        "F1: harmonic mean of the two.",
        f" The {len(rows):,} weakest of {len(figures):,} classes." if left_out else None,
    ]
    return section("classes", "Class by class", element("p", *lead), element("div", table, class_="scroll tall"))


def _class_row(figures: ClassFigures, trained: int | None) -> Html:
    cells = [element("td", figures.label, class_="name", title=figures.label)]
    shares = ((figures.recall, True), (figures.precision, False), (figures.f1, False))
    for share, metered in shares:
        meter = _meter(share, "yes") if metered and share is not None else None
        cells.append(element("td", percent(share), meter, class_="figure", data_value=_value(share)))
    cells.append(element("td", f"{figures.examples:,}", class_="figure", data_value=figures.examples))
    if trained is not None:
        cells.append(element("td", f"{trained:,}", class_="figure", data_value=trained))
    cells.append(element("td", figures.mistaken_for or "\u2013", class_="name"))
    return element("tr", *cells)


def calibration_section(subject: Subject) -> Html:
    """Return whether probabilities mean what they say."""
    bins = subject.answers.reliability()
    confidence, share = float(subject.answers.confidence.mean()), subject.recognised / len(subject.answers)
    gap = confidence - share
    error = sum(each.examples * abs(each.confidence - each.accuracy) for each in bins) / len(subject.answers)
    verdict = (
        "about as often as it says"
        if abs(gap) < 0.02
        else "more often than it says"
        if gap < 0
        else "less often than it says"
    )
    words = [
        f"On average it gives its answers {percent(confidence)}, and {percent(share)} of them are right: it is right "
        f"{verdict}. Bars that end at their marks would be probabilities to rely on; the mean gap, weighted by the "
        "number of answers, is the expected calibration error: ",
        element("strong", percent(error)),
        ".",
    ]
    figure = element("figure", reliability(bins), class_="narrow")
    return section(
        "calibration",
        "Can its probabilities be trusted?",
        element("div", figure, element("p", *words), class_="beside"),
    )


def _meter(share: float, style: str) -> Html:
    return element("span", class_=f"meter {style}", style=f"--share:{share:.3f}")


def _value(share: float | None) -> str:
    return "-1" if share is None else f"{share:.6f}"
