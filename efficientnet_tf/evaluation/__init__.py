"""How good a network is: the photographs it is asked about, the views of each, and the figures of its answers."""

from efficientnet_tf.evaluation.figures import Scores, evaluate_probabilities, figures_of
from efficientnet_tf.evaluation.measuring import Answers, Evaluation, answer, evaluate
from efficientnet_tf.evaluation.views import Look, looks

__all__ = [
    "Answers",
    "Evaluation",
    "Look",
    "Scores",
    "answer",
    "evaluate",
    "evaluate_probabilities",
    "figures_of",
    "looks",
]
