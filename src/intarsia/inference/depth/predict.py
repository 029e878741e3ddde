"""Depths for many images: pictures of numbers, of colours, and points in space."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from intarsia.data.depth import DepthSample, Measuring
from intarsia.data.depth.files import MILLIMETRE, UNIT, UNIT_FILE, read_unit
from intarsia.data.depth.measured import measured_depth
from intarsia.data.depth.measuring import OWN
from intarsia.data.depth.pictures import coloured_depth, depth_range, with_scale_bar
from intarsia.data.depth.point_cloud import write_point_cloud
from intarsia.data.listing import read_text
from intarsia.errors import ArgumentError, DataError, IntarsiaError
from intarsia.files import atomic, write_text
from intarsia.inference.depth.estimator import DepthEstimator
from intarsia.inference.depth.result import DepthResult
from intarsia.inference.depth.targets import Targets, own_files, refuse_own_files, refuse_shared, targets_of

_LARGEST = 65535  # that 16 bits hold
_KITTI = 1 / 256  # metres: a range of 256 m


@dataclass(frozen=True)
class DepthOutcome:
    """What became of a sample: the file of depths, or the sentence that says why there is none."""

    sample: DepthSample
    depth: Path | None
    complaint: str | None


def predict_depth_files(
    estimator: DepthEstimator,
    samples: Sequence[DepthSample],
    out: str | Path,
    measuring: Measuring | None = None,
    seed: int = 0,
) -> Iterator[DepthOutcome]:
    """Write ``OUT/name.png`` for each sample, ``OUT/coloured/name.png`` and ``OUT/points/name.ply``.

    Depths are 16-bit PNGs, whose unit ``OUT/depth.json`` states: the one that stands there already, or
    :func:`unit_for` twice the farthest depth that is measured of any sample. The coloured pictures have a bar in metres
    of their own; the point clouds take the sample's camera, or an assumed one. What fails with one sample is reported
    in its outcome, which then has no files.

    Args:
        estimator: the network.
        samples: images with what is measured of them.
        out: the folder.
        measuring: what is drawn from the samples' depths, as in :func:`evaluate_depth`; None or "own" for their own
            measurements.
        seed: of what is drawn.

    Raises:
        ArgumentError: `seed` is negative.
        DataError: ``OUT/depth.json`` states no unit, or two samples would write one file; nothing is written then.
    """
    if seed < 0:
        raise ArgumentError(f"`seed` (={seed}) must be at least 0.")
    folder = Path(out)
    refuse_shared(samples, folder)
    own = own_files(samples)
    unit = read_unit(folder)
    if unit is None:
        unit = unit_for(2 * max(_farthest(sample, measuring) for sample in samples))
    for index, sample in enumerate(samples):
        targets = targets_of(sample.name, folder)
        try:
            refuse_own_files(sample, targets, own)
            image = sample.image()
            result = estimator.predict(image, measured_depth(sample, image, None, measuring, seed, index))
            _refuse_far(sample, result, unit)
            _write(result, sample, targets, folder / UNIT_FILE, unit)
        except IntarsiaError as error:
            yield DepthOutcome(sample, None, _named(sample, error))
        else:
            yield DepthOutcome(sample, targets.depth, None)


def unit_for(farthest: float) -> float:
    """Metres a value, so that 16 bits hold this depth: a millimetre, KITTI's 1/256 m, or the next power of two.

    >>> unit_for(10.0), unit_for(150.0) == 1 / 256, unit_for(1000.0) == 1 / 64
    (0.001, True, True)
    """
    if farthest <= MILLIMETRE * _LARGEST:
        return MILLIMETRE
    return max(_KITTI, 2.0 ** float(np.ceil(np.log2(farthest / _LARGEST))))


def _farthest(sample: DepthSample, measuring: Measuring | None) -> float:
    """Of what is measured, or could be; what cannot be read is complained of later."""
    try:
        depth = sample.measured() if measuring is None or measuring == OWN else sample.depth()
    except IntarsiaError:
        return 0.0
    return 0.0 if depth is None else float(depth.max(initial=0))


def _refuse_far(sample: DepthSample, result: DepthResult, unit: float) -> None:
    if result.depth.max() > unit * _LARGEST:
        raise DataError(
            f"The network puts a part of `{sample.name}` at {result.depth.max():.4g} m, which 16 bits do not hold at "
            f"{unit:g} m a value, the unit of the output folder: it was told of {result.measured.max():.4g} m at most, "
            "so train it further, or choose an empty folder if that unit is an older one."
        )


def _write(result: DepthResult, sample: DepthSample, targets: Targets, stated: Path, unit: float) -> None:
    """The file that others look for, the depths, comes last; their unit before it."""
    near, far = depth_range(result.depth)
    with atomic(targets.coloured) as temporary:
        picture = with_scale_bar(coloured_depth(result.depth, near, far), near, far)
        Image.fromarray(picture).save(temporary, format="PNG")
    write_point_cloud(targets.points, result.depth, result.image, sample.camera())
    if read_unit(stated.parent) is None:
        _state_unit(stated, unit)
    result.save(targets.depth, unit)


def _state_unit(path: Path, unit: float) -> None:
    """Beside the camera, if the file states one."""
    stated = json.loads(read_text(path)) if path.is_file() else {}
    write_text(path, json.dumps({**stated, UNIT: unit}) + "\n")


def _named(sample: DepthSample, error: IntarsiaError) -> str:
    """A sentence that does not say which sample it is about says so now."""
    return str(error) if isinstance(error, DataError) else f"`{sample.name}`: {error}"
