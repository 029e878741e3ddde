"""The pictures of a report on depths: image, measurements, truth, prediction and error as small JPEGs."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image
from scipy import ndimage

from intarsia.data.depth import Depth
from intarsia.data.depth.pictures import coloured_depth, coloured_error, depth_range
from intarsia.diagnostics.report.pictures import LONGEST_SIDE, data_uri
from intarsia.shapes import RGBImage

_BROAD = 2.0  # columns a row, from which on five pictures beside each other are too small
_CROWDED = 0.1  # of the pixels: measurements that are as many need no larger dots

SmallDepth = Float32[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class DepthExample:
    """One image of the evaluated set with its depths, all of one height and width.

    Args:
        name: what stands above the pictures, as a rule the file's stem.
        image: the picture.
        measured: what the network was told, in metres; 0 elsewhere.
        truth: its true depths; 0 where none is known.
        prediction: the network's.
        rmse: of this image alone, in metres; the examples are shown with the largest first. It may be nan.
    """

    name: str
    image: RGBImage
    measured: Depth
    truth: Depth
    prediction: Depth
    rmse: float

    @property
    def is_broad(self) -> bool:
        """Whether pictures need more room than a fifth of the page."""
        return self.image.shape[1] >= _BROAD * self.image.shape[0]

    def shrunk(self) -> "DepthExample":
        """At the size of the report, where it gives the same pictures and takes little memory.

        A new pixel shows truth and prediction of one old pixel: of the one under its centre, or, where no depth is
        known there, of any in it whose depth is; so the sparse truth of a LiDAR stays to be seen, as measurements do.
        """
        small = Image.fromarray(self.image)
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        shape = small.height, small.width
        shown = _shown(self.truth, shape)
        truth, prediction = self.truth[shown], self.prediction[shown]
        return replace(
            self,
            image=np.asarray(small),
            measured=_gathered(self.measured, shape),
            truth=truth,
            prediction=prediction,
        )

    def range(self) -> tuple[float, float]:
        """Near and far of the colours: those of the truth, or of the measurements where nothing is true."""
        return depth_range(self.truth if self.truth.any() else self.measured)


def depth_panels(example: DepthExample, limit: float) -> list[tuple[str, str]]:
    """Caption and data URI of the image, the measurements, the truth, the prediction and its errors up to `limit`."""
    small = example.shrunk()
    near, far = small.range()
    pictures = (
        ("image", small.image),
        ("measured", coloured_depth(_dots(small.measured), near, far)),
        ("truth", coloured_depth(small.truth, near, far)),
        ("prediction", coloured_depth(small.prediction, near, far)),
        ("error", coloured_error(small.truth, small.prediction, limit)),
    )
    return [(caption, data_uri(_enlarged(picture))) for caption, picture in pictures]


def _shown(truth: Depth, shape: tuple[int, int]) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, "h w"]]:
    """Row and column of the old pixel that each new one shows."""
    rows, columns = ((np.arange(new) * 2 + 1) * old // (2 * new) for new, old in zip(shape, truth.shape, strict=True))
    chosen = np.array(np.broadcast_arrays(rows[:, None], columns))
    known = np.array(np.nonzero(truth))
    place = tuple(known[axis] * shape[axis] // truth.shape[axis] for axis in (0, 1))
    instead = chosen.copy()
    instead[0][place], instead[1][place] = known
    return tuple(np.where(truth[tuple(chosen)] > 0, chosen, instead))


def _gathered(measured: Depth, shape: tuple[int, int]) -> SmallDepth:
    """Each measured depth in the new pixel that holds its old one."""
    rows, columns = np.nonzero(measured)
    small = np.zeros(shape, np.float32)
    small[rows * shape[0] // measured.shape[0], columns * shape[1] // measured.shape[1]] = measured[rows, columns]
    return small


def _dots(measured: SmallDepth) -> SmallDepth:
    """Few measurements as squares of three pixels, for single ones are too small to be seen."""
    if (measured > 0).mean() > _CROWDED or not measured.any():
        return measured
    nearest = ndimage.distance_transform_cdt(measured == 0, "chessboard", return_distances=False, return_indices=True)
    rows, columns = np.asarray(nearest)
    near = ndimage.maximum_filter(measured > 0, 3)
    return np.where(near, measured[rows, columns], np.float32(0))


def _enlarged(picture: RGBImage) -> UInt8[np.ndarray, "h w 3"]:
    """Small pictures by a whole factor, so that their pixels stay sharp squares."""
    factor = max(1, LONGEST_SIDE // max(picture.shape[:2]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
