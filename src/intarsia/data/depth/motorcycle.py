"""`sample:motorcycle`: a real scene with metric depths, from the stereo pair in scikit-image's wheel.

Middlebury's Motorcycle (Scharstein et al., GCPR 2014), 500 × 741 pixels, with a true disparity d for most of them. By
the calibration in the docstring of `skimage.data.stereo_motorcycle`, depth is focal length · baseline / (d + principal
point dx): 2.1 to 5.0 metres. Here every second row and column is used, 250 × 371. Training pictures are cut from the
left half, validation pictures from the rest but for a twentieth of the width, which belongs to neither: what is judged,
the motorcycle's front before shelves, was never seen in training. One scene shows whether a method works, not
how well it does elsewhere.

===== ======= ====================================================
split columns pictures of 114 × 152 pixels
===== ======= ====================================================
train 0–184   64, each at a place drawn from its index
val   204–370 2, above and below each other, in the middle
===== ======= ====================================================
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
from jaxtyping import UInt8

from intarsia.data.dataset import windowed
from intarsia.data.depth.camera import Camera
from intarsia.data.depth.dataset import DepthDataset
from intarsia.data.depth.files import Depth
from intarsia.data.generators import generator_for
from intarsia.data.images import read_image
from intarsia.errors import ArgumentError
from intarsia.shapes import RGBImage, Window

SIZE = (114, 152)
COLUMNS = {"train": (0, 185), "val": (204, 371)}

_FOCAL, _OFFSET, _BASELINE = 994.978, 31.086, 0.193001  # pixels, pixels, metres
_CAMERA = Camera(_FOCAL, _FOCAL, 311.193, 254.877)  # of the whole left picture, by the same docstring
_STEP = 2


@dataclass(frozen=True)
class Cutting:
    """A part of the scene: `rows` and `columns` of the scene at half its size."""

    name: str
    top: int
    left: int

    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return SIZE

    def image(self, window: Window | None = None) -> RGBImage:
        """The left camera's picture."""
        return windowed(scene()[0][self._part], window).copy()

    def depth(self, window: Window | None = None) -> Depth:
        """Metres; 0 for the pixels, 7 % of the scene, whose disparity is not known."""
        return windowed(scene()[1][self._part], window).copy()

    def measured(self, window: Window | None = None) -> Depth | None:
        """Nothing: the set is measured by sampling its depths."""
        return None

    def camera(self) -> Camera | None:
        """The left camera, for this part at half the size."""
        return _CAMERA.halved().cut(self.top, self.left)

    @property
    def _part(self) -> Window:
        return slice(self.top, self.top + SIZE[0]), slice(self.left, self.left + SIZE[1])


def motorcycle(train: int = 64) -> DepthDataset:
    """Parts of one scene; any number for training, of which those of a smaller set begin those of a larger one.

    Raises:
        ArgumentError: a number below 1.

    >>> sample = motorcycle().split("val")[0]
    >>> sample.image().shape, bool(2 < sample.depth().max() < 5)
    ((114, 152, 3), True)
    """
    if train < 1:
        raise ArgumentError(f"`train` (={train}) must be at least 1.")
    rows = scene()[1].shape[0]
    (first, last), (start, stop) = COLUMNS["train"], COLUMNS["val"]
    places = [generator_for(index).integers((rows - SIZE[0] + 1, last - first - SIZE[1] + 1)) for index in range(train)]
    middle = start + (stop - start - SIZE[1]) // 2
    return DepthDataset(
        "motorcycle",
        "parts of one scene, 2.1 to 5.0 m; train from its left half, val from the right, with a gap between them",
        {
            "train": tuple(Cutting(f"train-{i:04d}", int(y), first + int(x)) for i, (y, x) in enumerate(places)),
            "val": (Cutting("above", 0, middle), Cutting("below", rows - SIZE[0], middle)),
        },
    )


@lru_cache(maxsize=1)
def scene() -> tuple[RGBImage, Depth]:
    """Picture and depths at half the size; the picture is averaged, depths are not: nothing lies between an edge's."""
    folder = files("skimage") / "data"
    with as_file(folder / "motorcycle_left.png") as path:
        picture = read_image(path)
    with as_file(folder / "motorcycle_disp.npz") as path, np.load(path) as content:
        disparity = content["arr_0"][::_STEP, ::_STEP]
    known = np.isfinite(disparity)
    depth = np.where(known, _FOCAL * _BASELINE / (np.where(known, disparity, 1) + _OFFSET), 0).astype(np.float32)
    return _halved(picture), depth


def _halved(picture: RGBImage) -> UInt8[np.ndarray, "h w 3"]:
    """The mean of each 2 × 2 pixels, and of what there is at an odd border."""
    rows, columns = (size % 2 for size in picture.shape[:2])
    even = np.pad(picture, ((0, rows), (0, columns), (0, 0)), mode="edge").astype(np.float32)
    mean = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, 3).mean((1, 3))
    return np.rint(mean).astype(np.uint8)
