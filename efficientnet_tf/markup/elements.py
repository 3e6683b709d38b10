"""HTML that cannot be broken by what stands in it: only what was made here is taken for markup."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable

#: Elements that have no content and no end.
VOID = frozenset(("br", "col", "img", "input", "meta"))

#: A space as wide as in the text around, at which no line ends.
SPACE = "\u00a0"

# Characters that no page may hold; a file name may hold them all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Html(str):
    """Text that is markup already, and goes into a page as it is."""

    __slots__ = ()


def escape(text: str) -> Html:
    """Return markup that shows a text, whatever characters it has.

    >>> escape('<script>"&"</script>')
    '&lt;script&gt;&quot;&amp;&quot;&lt;/script&gt;'
    """
    return Html(html.escape(_FORBIDDEN.sub("\ufffd", text), quote=True))


def join(parts: Iterable[object]) -> Html:
    """Return the parts one after another: markup as it is, anything else as text; None is left out.

    >>> join(["1 < 2", Html("<br>"), None, 3])
    '1 &lt; 2<br>3'
    """
    return Html("".join(part if isinstance(part, Html) else escape(str(part)) for part in parts if part is not None))


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element.

    Args:
        name: such as `td`.
        children: as of `join`.
        attributes: an underscore stands for a hyphen, and one at the end for nothing; None and False leave an
            attribute out, True gives it no value, a float is rounded to two places.

    >>> element("td", "R&D", class_="name", data_value=0.5, hidden=False)
    '<td class="name" data-value="0.5">R&amp;D</td>'
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def name_of(text: str) -> Html:
    """Return a name that a user gave, in a sentence: its direction of writing stays its own.

    >>> name_of("cats & dogs")
    '<bdi>cats &amp; dogs</bdi>'
    """
    return element("bdi", text)


def percent(share: float | None, digits: int = 1) -> str:
    r"""Return a share of 1 as people read it: exactly none and exactly all without decimals, a dash for the unknown.

    >>> percent(0.9375), percent(0.99999), percent(1.0)
    ('93.8\xa0%', '100.0\xa0%', '100\xa0%')
    """
    if share is None or not math.isfinite(share):
        return "\u2013"
    return f"{100 * share:.{0 if share in (0, 1) else digits}f}{SPACE}%"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    >>> count(1, "photograph"), count(12000, "class"), count(2, "epoch")
    ('1 photograph', '12,000 classes', '2 epochs')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = f"{round(value, 2):g}" if isinstance(value, float) else str(value)
    return f' {name}="{escape(text)}"'
