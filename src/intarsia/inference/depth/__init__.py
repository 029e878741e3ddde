"""From a run that completes depths to dense maps and scores."""

from intarsia.inference.depth.estimator import DepthEstimator
from intarsia.inference.depth.evaluate import evaluate_depth
from intarsia.inference.depth.loading import load_depth
from intarsia.inference.depth.result import DepthResult

__all__ = ["DepthEstimator", "DepthResult", "evaluate_depth", "load_depth"]
