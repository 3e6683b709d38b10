"""The paper's own method: the search for coefficients, the search for an architecture, and the studies of scaling."""

from efficientnet_tf.search.running import search_architecture, search_coefficients, study_scaling

__all__ = ["search_architecture", "search_coefficients", "study_scaling"]
