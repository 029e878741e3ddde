"""Errors of depths over a whole set, and those of the fills that need no learning."""

from collections.abc import Callable, Mapping, Sequence

from intarsia.data.depth import Depth, DepthSample, Measuring, bilateral_fill, linear_fill, nearest_fill
from intarsia.data.depth.measured import chosen_measuring, measured_depth
from intarsia.errors import ArgumentError, DataError
from intarsia.inference.depth.estimator import DepthEstimator
from intarsia.inference.depth.result import DepthResult
from intarsia.metrics.depth import DepthScores, depth_errors
from intarsia.shapes import Picture

NETWORK, FILLS = "network", ("nearest", "linear", "bilateral")

DepthWatcher = Callable[[DepthSample, DepthResult, Depth, Mapping[str, DepthScores]], None]


def evaluate_depth(
    estimator: DepthEstimator,
    samples: Sequence[DepthSample],
    measuring: Measuring | None = None,
    seed: int = 0,
    fills: bool = True,
    watch: DepthWatcher | None = None,
    share: slice = slice(None),
) -> dict[str, DepthScores]:
    """Scores over all samples together: of the network, and with ``fills`` of what needs no learning.

    All are told the same measurements, those of sample i drawn for (``seed``, i). Every pixel with a truth counts, also
    where it was measured. Memory holds one image and its maps.

    Args:
        estimator: the network.
        samples: images with depths.
        measuring: how they are measured; by default as in training (the samples' own measurements, or 500 pixels of
            each if not all have some).
        seed: of what is drawn.
        fills: whether nearest, linear and bilateral filling are scored, too.
        watch: called after each image with the sample, the network's result, the true depths and the scores of that
            image alone.
        share: which of the samples are scored, measured as if all were: shares of one set add up to its scores.

    Returns:
        By name: "network", "nearest", "linear" and "bilateral".

    Raises:
        ArgumentError: `seed` is negative.
        DataError: there are no samples, a file cannot be read, or nothing was measured of a sample.
    """
    if not samples:
        raise DataError("There is nothing to evaluate: the split has no images.")
    if seed < 0:
        raise ArgumentError(f"`seed` (={seed}) must be at least 0.")
    measuring = chosen_measuring(samples, measuring or estimator.measuring)
    total: dict[str, DepthScores] = {}
    for index, sample in list(enumerate(samples))[share]:
        image, truth = estimator.picture(sample.image()), sample.depth()
        measured = measured_depth(sample, image, truth, measuring, seed, index)
        result = estimator.predict(image, measured)
        maps = {NETWORK: result.depth, **(filled(measured, image) if fills else {})}
        scores = {name: DepthScores(depth_errors(truth, depth)) for name, depth in maps.items()}
        total = {name: total[name] + own if name in total else own for name, own in scores.items()}
        if watch is not None:
            watch(sample, result, truth, scores)
    return total


def filled(measured: Depth, image: Picture) -> dict[str, Depth]:
    """What needs no learning, by name."""
    return {
        "nearest": nearest_fill(measured),
        "linear": linear_fill(measured),
        "bilateral": bilateral_fill(measured, image),
    }
