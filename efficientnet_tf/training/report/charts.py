"""Charts as SVG in the page: their colours are the style sheet's, so that they follow light and dark."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from efficientnet_tf.markup import SPACE, Html, count, element, join, percent
from efficientnet_tf.training.report.answers import Bin
from efficientnet_tf.training.report.axes import Axis, axis_for, round_up
from efficientnet_tf.training.report.history import Values

#: Of a chart, in units that are about a pixel where it stands alone on a phone; and the margins around its axes.
WIDTH, HEIGHT = 340, 212
LEFT, RIGHT, TOP, BOTTOM = 44, 44, 12, 26
#: Most places of a curve that are marked by points, and most that answer to a pointer.
POINTS, PLACES = 40, 240


@dataclasses.dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        name: for the legend.
        style: its class in the style sheet.
        values: one for each epoch.
    """

    name: str
    style: str
    values: Values


def curves(
    epochs: Sequence[int],
    series: Sequence[Series],
    *,
    label: str,
    text: Callable[[float], str],
    limit: float | None = None,
    best: int | None = None,
    head: int = 0,
) -> Html:
    """Return a chart of figures over the epochs, with a line of text that follows the pointer.

    Args:
        epochs: their numbers.
        series: curves, the most important last.
        label: what the chart shows, for those who cannot see it.
        text: writes a value.
        limit: what no value can exceed.
        best: the place of the epoch whose network is kept, which is marked.
        head: so many epochs at the start trained the classifier alone; they are shaded.
    """
    axis = axis_for([v for each in series for v in each.values if v is not None], limit=limit)
    right = WIDTH - RIGHT

    def x(place: float) -> float:
        return (LEFT + right) / 2 if len(epochs) == 1 else LEFT + place * (right - LEFT) / (len(epochs) - 1)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - BOTTOM - TOP)

    parts = [_shade(x, head, len(epochs)), *_grid(axis, y, text), *_epoch_ticks(epochs, x)]
    if best is not None and len(epochs) > 1:
        parts.append(_line(x(best), TOP, x(best), HEIGHT - BOTTOM, "best"))
    for each in series:
        points = [(x(n), y(value)) for n, value in enumerate(each.values) if value is not None]
        parts.append(element("path", d=_path(each.values, x, y), class_=f"curve {each.style}"))
        if len(epochs) <= POINTS:
            parts += [element("circle", cx=px, cy=py, r=2.6, class_=each.style) for px, py in points]
    parts += _ends(series, x, y, text)
    parts += _places(epochs, series, x, text)
    picture = element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label, class_="chart")
    return join([picture, _legend(series, best is not None and len(epochs) > 1, head > 0)])


def _shade(x: Callable[[float], float], head: int, epochs: int) -> Html | None:
    if not head or epochs < 2:
        return None
    # As far as the middle between the last epoch of the head and the next.
    width = (x(head - 0.5) if head < epochs else WIDTH - RIGHT) - LEFT
    return element("rect", x=LEFT, y=TOP, width=max(width, 0.0), height=HEIGHT - BOTTOM - TOP, class_="head")


def _grid(axis: Axis, y: Callable[[float], float], text: Callable[[float], str]) -> list[Html]:
    lines = []
    for tick in axis.ticks:
        lines.append(_line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid"))
        lines.append(_text(LEFT - 7, y(tick) + 4, text(tick), "end"))
    return lines


def _epoch_ticks(epochs: Sequence[int], x: Callable[[float], float]) -> list[Html]:
    stride = max(1, round(round_up(len(epochs) / 7)))
    shown = [n for n, epoch in enumerate(epochs) if epoch % stride == 0 or len(epochs) <= 7]
    ticks = [_text(x(n), HEIGHT - BOTTOM + 16, str(epochs[n]), "middle") for n in shown]
    return [*ticks, _text(LEFT - 12, HEIGHT - BOTTOM + 16, "epoch", "end")]


def _ends(
    series: Sequence[Series], x: Callable[[float], float], y: Callable[[float], float], text: Callable[[float], str]
) -> list[Html]:
    """Return the last value of each curve beside its end, moved apart where they would cover each other."""
    ends = sorted(
        (y(value), x(n), each.style, text(value))
        for each in series
        for n, value in [max((n, v) for n, v in enumerate(each.values) if v is not None)]
    )
    written, above = [], -math.inf
    for height, place, style, words in ends:
        above = max(height + 4, above + 13)
        written.append(_text(place + 7, above, words, "start", f"end {style}"))
    return written


def _places(
    epochs: Sequence[int], series: Sequence[Series], x: Callable[[float], float], text: Callable[[float], str]
) -> list[Html]:
    """Return invisible columns that say the values of their epoch when a pointer is over them."""
    stride = -(-len(epochs) // PLACES)
    width = (WIDTH - LEFT - RIGHT) / max(1, len(epochs) - 1) * stride
    columns = []
    for n in range(0, len(epochs), stride):
        values = [f"{each.name} {text(v)}" for each in series if (v := each.values[n]) is not None]
        words = f"Epoch {epochs[n]}: {', '.join(values) or 'no figure'}"
        title = element("title", words)
        columns.append(
            element("rect", title, x=x(n) - width / 2, y=0, width=width, height=HEIGHT, class_="place", data_says=words)
        )
    return columns


def _path(values: Values, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """Return a line through values, interrupted where there is none."""
    steps = []
    pen = "M"
    for n, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        steps.append(f"{pen}{x(n):.1f} {y(value):.1f}")
        pen = "L"
    return "".join(steps)


def _legend(series: Sequence[Series], best: bool, head: bool) -> Html:
    keys = [(each.style, each.name) for each in series]
    keys += [("best", "network that is kept")] if best else []
    keys += [("head", "classifier alone")] if head else []
    return element("p", *(element("span", name, class_=f"key {style}") for style, name in keys), class_="legend")


def reliability(bins: Sequence[Bin]) -> Html:
    """Return how often answers of each confidence are right, over how many answers there are of each."""
    left, right, top, bottom, floor = LEFT, WIDTH - 14, 12, 222, 274
    most = max(each.examples for each in bins)

    def x(share: float) -> float:
        return left + share * (right - left)

    def y(share: float) -> float:
        return bottom - share * (bottom - top)

    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [_line(left, y(tick), right, y(tick), "grid"), _text(left - 7, y(tick) + 4, percent(tick, 0), "end")]
        parts.append(_text(x(tick), floor + 16, percent(tick, 0), "middle" if tick < 1 else "end"))
    for each in bins:
        start, width = x(each.low) + 1, x(each.high) - x(each.low) - 2
        words = (
            f"{count(each.examples, 'answer')} of {percent(each.confidence)} on average: {percent(each.accuracy)} right"
        )
        height, tall = y(0.0) - y(each.accuracy), (floor - bottom - 12) * each.examples / most
        parts += [
            element("rect", x=start, y=y(each.accuracy), width=width, height=height, class_="bar"),
            _line(start, y(each.confidence), start + width, y(each.confidence), "claimed"),
            element("rect", x=start, y=floor - tall, width=width, height=tall, class_="tally"),
            element(
                "rect",
                element("title", words),
                x=start - 1,
                y=top,
                width=width + 2,
                height=floor - top,
                class_="place",
                data_says=words,
            ),
        ]
    parts.insert(0, _line(x(0), y(0), x(1), y(1), "diagonal"))
    label = "Share of right answers over the probability that the network gave them"
    picture = element("svg", *parts, viewBox=f"0 0 {WIDTH} {floor + 22}", role="img", aria_label=label, class_="chart")
    keys = (("bar", "right"), ("claimed", "probability given"), ("tally", "number of answers"))
    legend = element("p", *(element("span", name, class_=f"key {style}") for style, name in keys), class_="legend")
    return join([picture, legend])


def accuracy_line(share: float, low: float, high: float, baseline: float) -> Html:
    """Return a line from 0 to 100 % with an accuracy, its confidence interval, and what no learning would reach."""
    width, middle = 720, 16

    def x(value: float) -> float:
        return 8 + value * (width - 16)

    parts = [
        _line(x(0), middle, x(1), middle, "scale"),
        element("rect", x=x(low), y=middle - 6, width=x(high) - x(low), height=12, rx=6, class_="interval"),
        _line(x(baseline), middle - 9, x(baseline), middle + 9, "baseline"),
        element("circle", cx=x(share), cy=middle, r=7, class_="share"),
    ]
    label = (
        f"Accuracy {percent(share)}, likely between {percent(low)} and {percent(high)}, baseline {percent(baseline)}"
    )
    return element("svg", *parts, viewBox=f"0 0 {width} 32", role="img", aria_label=label, class_="line")


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Html:
    return element("path", d=f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}", class_=style)


def _text(x: float, y: float, words: str, anchor: str, style: str | None = None) -> Html:
    return element("text", words.replace(SPACE, "\u202f"), x=x, y=y, text_anchor=anchor, class_=style)
