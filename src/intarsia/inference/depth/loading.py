"""From a run folder to a depth estimator."""

from pathlib import Path

from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.depth import parse_measuring
from intarsia.errors import ArgumentError, RunError
from intarsia.inference.depth.estimator import DepthEstimator
from intarsia.inference.execution import Preprocessing
from intarsia.inference.loading import build_network, execution_of
from intarsia.models import DepthNetwork
from intarsia.runs import Run
from intarsia.runs.weights import load_into


def load_depth(
    run: str | Path, device: str | None = None, *, tile: int | None = None, max_pixels: int = MAX_PIXELS
) -> DepthEstimator:
    """A trained run of `task: depth`, in the precision and layout that were measured fastest on this device.

    Raises:
        RunError: the folder is no finished run, one of another task, or its weights do not fit.
        ArgumentError: ``tile`` or ``max_pixels`` is too small.
    """
    if max_pixels < 1:
        raise ArgumentError(f"`max_pixels` (={max_pixels}) must be at least 1.")
    opened = Run.open(run)
    record = opened.network()
    if record.task != "depth":
        raise RunError(
            f"`{run}` is a run of {record.task} and gives no depths; `intarsia.load` opens those that segment."
        )
    net = build_network(record)
    assert isinstance(net, DepthNetwork)
    load_into(net, opened.weights_path)
    execution = execution_of(record, device)
    measuring = None if record.measuring is None else parse_measuring(record.measuring)
    return DepthEstimator(
        execution.place(net.eval()),
        Preprocessing(record.mean, record.std),
        execution,
        tile,
        record.pixels,
        max_pixels,
        measuring,
    )
