"""From a run that completes depths to dense maps and scores."""

from intarsia.inference.depth.comparison import comparison
from intarsia.inference.depth.estimator import DepthEstimator
from intarsia.inference.depth.evaluate import evaluate_depth
from intarsia.inference.depth.loading import load_depth
from intarsia.inference.depth.predict import predict_depth_files
from intarsia.inference.depth.result import DepthResult
from intarsia.inference.depth.sources import find_measured

__all__ = [
    "DepthEstimator",
    "DepthResult",
    "comparison",
    "evaluate_depth",
    "find_measured",
    "load_depth",
    "predict_depth_files",
]
