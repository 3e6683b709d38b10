"""What an export tells people: `report.html`, one file to look at, and `MODEL_CARD.md`, which goes with the network."""

from efficientnet_tf.exporting.report.about import About, about_of
from efficientnet_tf.exporting.report.page import write_report

__all__ = ["About", "about_of", "write_report"]
