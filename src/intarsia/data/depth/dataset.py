"""Samples of an image and its depths, and splits of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from intarsia.data.dataset import ImageFile, Splits, unequal
from intarsia.data.depth.camera import Camera
from intarsia.data.depth.files import Depth, read_depth
from intarsia.data.images import RGB, PixelFormat, image_shape
from intarsia.errors import DataError
from intarsia.shapes import Picture, Window


@runtime_checkable  # for the checks of types in tests
class DepthSample(Protocol):
    """One image and its depths. Samples hold no pixels and can be pickled."""

    @property
    def name(self) -> str:
        """The path of the image within its split, without extension."""
        ...

    def shape(self) -> tuple[int, int]:
        """Rows and columns, without decoding more than a header."""
        ...

    def image(self, window: Window | None = None) -> Picture:
        """The image or a window of it: (H, W, C), uint8; three channels are RGB."""
        ...

    def depth(self, window: Window | None = None) -> Depth:
        """Metres at the same (H, W); 0 where none is known."""
        ...

    def measured(self, window: Window | None = None) -> Depth | None:
        """What a sensor measured at the same (H, W), if the set says so; 0 where it did not."""
        ...

    def camera(self) -> Camera | None:
        """Where the pixels of the whole image look, if the set says so."""
        ...


@dataclass(frozen=True)
class FileDepthSample(ImageFile):
    """A sample in two files, or in three where a sensor's own measurements lie beside.

    `unit` is how many metres a whole number is, `calibration` the camera that the set states.
    """

    depth_path: Path
    measured_path: Path | None = None
    unit: float | None = None
    calibration: Camera | None = None

    def depth(self, window: Window | None = None) -> Depth:
        """The depths, or a window of them.

        Raises:
            DataError: the file cannot be read, breaks a rule of :func:`read_depth`, or its size is not the image's.
        """
        return self._read(self.depth_path, window, "depth")

    def measured(self, window: Window | None = None) -> Depth | None:
        """The sensor's depths, or a window of them.

        Raises:
            DataError: as for `depth`.
        """
        return None if self.measured_path is None else self._read(self.measured_path, window, "measured depth")

    def camera(self) -> Camera | None:
        """The camera that the set states."""
        return self.calibration

    def _read(self, path: Path, window: Window | None, kind: str) -> Depth:
        complaint = unequal(self.image_path, self.shape(), path, image_shape(path, self.max_pixels), kind)
        if complaint:
            raise DataError(complaint)
        return read_depth(path, self.unit, window, self.max_pixels)


@dataclass(frozen=True)
class DepthDataset(Splits[DepthSample]):
    """Splits of samples; `layout` is a short sentence that says what was recognised, for showing to the user."""

    name: str
    layout: str
    splits: Mapping[str, tuple[DepthSample, ...]]
    pixels: PixelFormat = RGB
