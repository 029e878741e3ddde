"""From a run to masks and scores."""

from intarsia.inference.evaluate import evaluate, evaluate_samples
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.inference.predict import find_images, predict_files
from intarsia.inference.segmenter import Result, Segmenter, load

__all__ = [
    "Execution",
    "Preprocessing",
    "Result",
    "Segmenter",
    "evaluate",
    "evaluate_samples",
    "find_images",
    "load",
    "predict_files",
]
