"""From a run to masks and scores."""

from intarsia.inference.borders import Borders
from intarsia.inference.evaluate import BothScores, evaluate, evaluate_both, evaluate_samples
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.inference.jobs import find_images
from intarsia.inference.loading import load
from intarsia.inference.optimise import OptimisedNetwork, optimise
from intarsia.inference.predict import predict_files
from intarsia.inference.result import Result
from intarsia.inference.segmenter import Segmenter
from intarsia.inference.views import Views

__all__ = [
    "Borders",
    "BothScores",
    "Execution",
    "OptimisedNetwork",
    "Preprocessing",
    "Result",
    "Segmenter",
    "Views",
    "evaluate",
    "evaluate_both",
    "evaluate_samples",
    "find_images",
    "load",
    "optimise",
    "predict_files",
]
