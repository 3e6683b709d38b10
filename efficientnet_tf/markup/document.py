"""The document around a page: one file that loads nothing, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from efficientnet_tf.markup.elements import Html, element, join

HERE = Path(__file__).parent


def document(title: str, *content: Html, style: str = "", script: str = "") -> str:
    """Return a whole page in the style of all pages here, whose tables of the class `sortable` can be sorted.

    Args:
        title: of the page.
        content: what stands in it.
        style: further rules of CSS.
        script: further lines of JavaScript.

    >>> page = document("Cats & dogs", element("p", "1 < 2"))
    >>> page[:15], "<title>Cats &amp; dogs</title>" in page, "<main><p>1 &lt; 2</p></main>" in page
    ('<!doctype html>', True, True)
    """
    scripts = Html((HERE / "document.js").read_text(encoding="utf-8") + script)
    styles = Html((HERE / "document.css").read_text(encoding="utf-8") + style)
    # Nothing is loaded from anywhere, and of scripts only this one runs, whatever a name holds.
    digest = base64.b64encode(hashlib.sha256(scripts.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", styles),
    )
    body = element("body", element("main", *content), element("script", scripts))
    return join([Html("<!doctype html>\n"), element("html", head, body, lang="en"), "\n"])
