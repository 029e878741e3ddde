"""NYU Depth V2's labelled file: 1,449 images of 480 × 640 pixels with dense depths, in one HDF5 file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from intarsia.data.dataset import windowed
from intarsia.data.depth.camera import Camera
from intarsia.data.depth.dataset import DepthDataset, DepthSample
from intarsia.data.depth.files import Depth
from intarsia.data.split import split_by_hash
from intarsia.errors import DataError, MissingPackageError
from intarsia.shapes import RGBImage, Window

LABELLED, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"
# The colour camera of the set's toolbox (camera_params.m), into whose image the depths are projected; MATLAB counts
# from 1.
CAMERA = Camera(518.85790117450188, 519.46961112127485, 325.58244941119034 - 1, 253.73616633400465 - 1)
_NAMES = {"train": "trainNdxs", "val": "testNdxs"}  # in the official split, whose indices begin at 1


@dataclass(frozen=True)
class NYUSample:
    """One image of the labelled file; MATLAB's arrays stand there with their axes reversed."""

    path: Path
    index: int

    @property
    def name(self) -> str:
        """Such as ``"0042"``, counted from 1 as the official split does."""
        return f"{self.index + 1:04d}"

    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        with _opened(self.path) as file:
            return file["depths"].shape[2], file["depths"].shape[1]

    def image(self, window: Window | None = None) -> RGBImage:
        """The colours."""
        with _opened(self.path) as file:
            return windowed(np.ascontiguousarray(file["images"][self.index].transpose(2, 1, 0)), window)

    def depth(self, window: Window | None = None) -> Depth:
        """Metres, with the sensor's gaps filled in by the set's makers; what they left is 0.

        Raises:
            DataError: a depth is negative, or none of the image is known.
        """
        with _opened(self.path) as file:
            depth = np.array(file["depths"][self.index].T, np.float32, order="C")
        depth[~np.isfinite(depth)] = 0
        if depth.min() < 0 or not depth.any():
            wrong = f"the depth {depth.min():g} m, but depths are above 0" if depth.any() else "no depth at all"
            raise DataError(f"Image {self.name} of `{self.path}` holds {wrong}: fetch NYU's {LABELLED} again.")
        return windowed(depth, window)

    def measured(self, window: Window | None = None) -> Depth | None:
        """Nothing: the set is measured by sampling its depths."""
        return None

    def camera(self) -> Camera | None:
        """The Kinect's, as the set's makers calibrated it; lenses are not straightened."""
        return CAMERA


def open_nyu(path: Path) -> DepthDataset:
    """The labelled file; its official split lies beside it in `splits.mat`, otherwise the hash of the names decides.

    Silberman et al., ECCV 2012. The official split has 795 images for training and 654 for judging, which is val here.

    Raises:
        MissingPackageError: h5py is not installed.
        DataError: the file is not that one.
    """
    with _opened(path) as file:
        if not {"images", "depths"} <= file.keys():
            raise DataError(f"`{path}` holds no `images` and `depths`: name NYU's {LABELLED}.")
        images, depths = (getattr(file[name], "shape", ()) for name in ("images", "depths"))
        if len(depths) != 3 or 0 in depths or images != (depths[0], 3, *depths[1:]):
            raise DataError(
                f"`{path}` holds `images` of shape {images} and `depths` of shape {depths}, which must be (N, 3, W, H) "
                f"and (N, W, H): name NYU's {LABELLED}."
            )
        count = depths[0]
    samples = tuple(NYUSample(path, index) for index in range(count))
    official = path.with_name(SPLITS)
    if not official.is_file():
        hashed, words = split_by_hash(samples)
        return DepthDataset(path.stem, f"NYU Depth V2, labelled; without {SPLITS} {words}", dict(hashed))
    splits: dict[str, tuple[DepthSample, ...]] = {
        split: tuple(NYUSample(path, index) for index in indices) for split, indices in _official(official, count)
    }
    return DepthDataset(path.stem, "NYU Depth V2, labelled, in its official split", splits)


def _official(path: Path, count: int) -> Iterator[tuple[str, list[int]]]:
    from scipy.io import loadmat

    try:
        content: dict[str, Any] = loadmat(path)
    except Exception as error:  # scipy lets almost anything through when bytes are broken
        raise DataError(f"`{path}` is no MATLAB file that is read: take NYU's own, or remove the file.") from error
    for split, name in _NAMES.items():
        numbers = np.asarray(content.get(name, []))
        indices = (numbers.ravel().astype(int) - 1).tolist() if numbers.dtype.kind in "iuf" else []
        if not indices or not 0 <= min(indices) <= max(indices) < count:
            raise DataError(f"`{path}` holds no `{name}` for {count} images: take NYU's own, or remove the file.")
        yield split, indices


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if find_spec("h5py") is None:
        raise MissingPackageError(f"`{path.name}`", "h5py", extra="nyu")
    import h5py  # here, because only this layout needs it  # pyright: ignore[reportMissingImports]

    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise DataError(f"`{path}` is no HDF5 file or truncated: fetch NYU's {LABELLED} again.") from error
