"""Pages of one file: elements that cannot be broken by what stands in them, and the document around them."""

from efficientnet_tf.markup.document import document
from efficientnet_tf.markup.elements import SPACE, VOID, Html, count, element, escape, join, name_of, percent

__all__ = ["SPACE", "VOID", "Html", "count", "document", "element", "escape", "join", "name_of", "percent"]
