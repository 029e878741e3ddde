"""From two maps to counts, and from counts to scores: masks by confusion matrices, depths by sums of errors.

Arrays only, no network.
"""

from intarsia.metrics.confusion import confusion_matrix
from intarsia.metrics.depth import DepthScores, depth_errors
from intarsia.metrics.scores import Scores

__all__ = ["DepthScores", "Scores", "confusion_matrix", "depth_errors"]
