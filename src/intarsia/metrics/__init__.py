"""From two masks to a confusion matrix or to matched contours, and from these to scores. Arrays only, no network."""

from intarsia.metrics.boundary import BoundaryScores, boundary_scores
from intarsia.metrics.confusion import confusion_matrix
from intarsia.metrics.scores import Scores

__all__ = ["BoundaryScores", "Scores", "boundary_scores", "confusion_matrix"]
