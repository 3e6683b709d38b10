"""The report of a run: `report.html`, one file for people to read."""

from efficientnet_tf.training.report.gallery import Shortlist
from efficientnet_tf.training.report.history import read_history
from efficientnet_tf.training.report.page import write_report

__all__ = ["Shortlist", "read_history", "write_report"]
