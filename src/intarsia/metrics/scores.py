"""Scores of a segmentation, each a function of one confusion matrix over the whole set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

from intarsia.errors import ArgumentError
from intarsia.shapes import ConfusionMatrix

RULE = (
    "A class absent from both truth and prediction over the whole set is excluded from the means; "
    "a class that is predicted but never true counts with IoU 0."
)
SUMMARY = ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "mean_dice")


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a set of images; names are the same in Python, in JSON and in tables.

    With t the true, p the predicted and c the correct pixels of a class (row sums, column sums and diagonal of the
    matrix), IoU = c / (t + p - c), Dice = 2c / (t + p) and accuracy = c / t. An undefined score (0 / 0) is nan and
    excluded from means: IoU and Dice where a class is neither true nor predicted, accuracy where it is never true.

    Args:
        matrix: pixel counts, true class by predicted class, summed over the whole set.
        names: the K class names in the order of their indices.

    Raises:
        ArgumentError: if the matrix is not (K, K) for K different names or holds a negative count.

    Example:
        >>> scores = Scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), ("sky", "road", "tram"))
        >>> scores.per_class_iou
        {'sky': 0.75, 'road': 0.8, 'tram': nan}
        >>> round(scores.mean_iou, 3)
        0.775
    """

    matrix: ConfusionMatrix
    names: Sequence[str]

    def __post_init__(self) -> None:
        names = tuple(self.names)
        matrix = np.array(self.matrix, dtype=np.int64)
        if matrix.shape != (len(names), len(names)):
            raise ArgumentError(f"`matrix` {matrix.shape} must be (K, K) for the K = {len(names)} names.")
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ArgumentError(f"`names` holds `{twice}` twice; every class needs a name of its own.")
        if (matrix < 0).any():
            raise ArgumentError(f"`matrix` holds {matrix.min()}, but counts of pixels cannot be negative.")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "names", names)

    def __add__(self, other: "Scores") -> "Scores":
        """The scores of both sets of images together."""
        if self.names != other.names:
            raise ArgumentError(
                f"Scores of the classes {self.names} and {other.names} cannot be merged; the names must agree."
            )
        return Scores(self.matrix + other.matrix, self.names)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that are true or predicted somewhere."""
        return _mean(self._iou)

    @property
    def pixel_accuracy(self) -> float:
        """Correct pixels / all pixels."""
        return float(_divide(self._correct.sum(), self.matrix.sum()))

    @property
    def mean_accuracy(self) -> float:
        """Mean of the classes' accuracies over the classes that are true somewhere."""
        return _mean(self._accuracy)

    @property
    def frequency_weighted_iou(self) -> float:
        """Mean IoU weighted by the share of each class among the true pixels."""
        present = self._true > 0
        return float(_divide((self._true * self._iou)[present].sum(), self.matrix.sum()))

    @property
    def mean_dice(self) -> float:
        """Mean Dice over the classes that are true or predicted somewhere."""
        return _mean(self._dice)

    @property
    def per_class_iou(self) -> dict[str, float]:
        """Name → intersection over union."""
        return self._by_name(self._iou)

    @property
    def per_class_dice(self) -> dict[str, float]:
        """Name → Dice coefficient (the F1 score of the pixels)."""
        return self._by_name(self._dice)

    @property
    def per_class_accuracy(self) -> dict[str, float]:
        """Name → share of its true pixels that were found (recall)."""
        return self._by_name(self._accuracy)

    @property
    def support(self) -> dict[str, int]:
        """Name → number of true pixels."""
        return dict(zip(self.names, self._true.tolist(), strict=True))

    @property
    def rule(self) -> str:
        """What happens to absent classes, in one sentence; it is printed beside the mean IoU."""
        return RULE

    def to_json(self) -> dict[str, object]:
        """The scores as ``json.dumps`` takes them: properties under their own names, nan as None, and the matrix."""
        per_class = {
            "per_class_iou": self.per_class_iou,
            "per_class_dice": self.per_class_dice,
            "per_class_accuracy": self.per_class_accuracy,
        }
        return {
            **{name: _none_for_nan(getattr(self, name)) for name in SUMMARY},
            **{score: {name: _none_for_nan(value) for name, value in row.items()} for score, row in per_class.items()},
            "support": self.support,
            "rule": self.rule,
            "names": list(self.names),
            "matrix": self.matrix.tolist(),
        }

    def table(self) -> str:
        """The scores as aligned plain text: a line per class, then the summary and the rule."""
        header = ("class", "IoU", "Dice", "accuracy", "support")
        columns = zip(self.names, self._iou, self._dice, self._accuracy, self._true, strict=True)
        rows = [(name, *map(_digits, scores), f"{true:,}") for name, *scores, true in columns]
        widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
        lines = [_aligned(row, widths) for row in (header, *rows)]
        label = max(map(len, SUMMARY))
        summary = [f"{name:<{label}}  {_digits(getattr(self, name))}" for name in SUMMARY]
        return "\n".join([*lines, "", *summary, self.rule])

    @property
    def _true(self) -> Int64[np.ndarray, " K"]:
        return self.matrix.sum(axis=1)

    @property
    def _correct(self) -> Int64[np.ndarray, " K"]:
        return np.diagonal(self.matrix)

    @property
    def _true_and_predicted(self) -> Int64[np.ndarray, " K"]:
        return self.matrix.sum(axis=1) + self.matrix.sum(axis=0)

    @property
    def _iou(self) -> Float64[np.ndarray, " K"]:
        return _divide(self._correct, self._true_and_predicted - self._correct)

    @property
    def _dice(self) -> Float64[np.ndarray, " K"]:
        return _divide(2 * self._correct, self._true_and_predicted)

    @property
    def _accuracy(self) -> Float64[np.ndarray, " K"]:
        return _divide(self._correct, self._true)

    def _by_name(self, values: Float64[np.ndarray, " K"]) -> dict[str, float]:
        return dict(zip(self.names, values.tolist(), strict=True))


def _divide(numerator: ArrayLike, denominator: ArrayLike) -> Float64[np.ndarray, "..."]:
    """Quotients in float64, nan for 0 / 0 (the denominator counts whatever the numerator does)."""
    quotient = np.full(np.shape(denominator), math.nan)
    return np.divide(numerator, denominator, out=quotient, where=np.greater(denominator, 0))


def _mean(values: Float64[np.ndarray, " K"]) -> float:
    defined = ~np.isnan(values)
    return float(values[defined].mean()) if defined.any() else math.nan


def _none_for_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _digits(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = row
    return "  ".join([f"{name:<{widths[0]}}", *(f"{n:>{width}}" for n, width in zip(numbers, widths[1:], strict=True))])
