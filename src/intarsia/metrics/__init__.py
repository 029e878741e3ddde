"""From two maps to counts, and from counts to scores: confusion matrices, matched contours, sums of depth errors.

Arrays only, no network.
"""

from intarsia.metrics.boundary import BoundaryScores, boundary_scores
from intarsia.metrics.confusion import confusion_matrix
from intarsia.metrics.depth import DepthScores, depth_errors
from intarsia.metrics.scores import Scores

__all__ = ["BoundaryScores", "DepthScores", "Scores", "boundary_scores", "confusion_matrix", "depth_errors"]
