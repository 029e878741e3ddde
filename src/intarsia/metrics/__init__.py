"""From two masks to a confusion matrix, and from a confusion matrix to scores. Arrays only, no network."""

from intarsia.metrics.confusion import confusion_matrix
from intarsia.metrics.scores import Scores

__all__ = ["Scores", "confusion_matrix"]
