"""`sample:brain`: axial T1 slices of the ICBM152 average brain with four tissue classes, from nilearn's wheel.

The wheel holds three volumes of 197 × 233 × 189 voxels of 1 mm: T1 intensity, and the probability of grey and of white
matter (0 … 255). A voxel with zero intensity is background; elsewhere the most probable of grey matter, white matter
and the rest wins, where the rest is what the two leave of 255: mostly cerebrospinal fluid.

Fonov et al., Unbiased average age-appropriate brain templates from birth to adulthood, NeuroImage 47 (2009).
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from intarsia.data.classes import Classes
from intarsia.data.dataset import Dataset, windowed
from intarsia.errors import MissingPackageError
from intarsia.shapes import Mask, RGBImage, Window

CLASSES = Classes(
    ("background", "cerebrospinal fluid", "grey matter", "white matter"),
    ((24, 24, 32), (76, 154, 214), (226, 112, 92), (246, 226, 164)),
)

_FIRST = 48  # 24 mm below the origin: the temporal lobes
_PERIODS = 4
# Twelve slices for training and four for validation, with two unused ones after each: 64 slices in four periods.
_PERIOD = {"train": range(12), "val": range(14, 18)}
_PERIOD_LENGTH = 20


@dataclass(frozen=True)
class Slice:
    """One axial slice, seen from above with the nose up."""

    level: int

    @property
    def name(self) -> str:
        """Such as ``"slice-074"``; the number is the third voxel index."""
        return f"slice-{self.level:03d}"

    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return _turned(_volume("t1")[:, :, self.level]).shape

    def image(self, window: Window | None = None) -> RGBImage:
        """The T1 intensity, in three equal channels: 233 × 197 pixels of 1 mm."""
        grey = windowed(_turned(_volume("t1")[:, :, self.level]), window)
        return np.repeat(grey[:, :, None], 3, axis=2)

    def mask(self, window: Window | None = None) -> Mask:
        """The tissue of each pixel."""
        t1, grey, white = (_turned(_volume(kind)[:, :, self.level]) for kind in ("t1", "gm", "wm"))
        rest = 255 - np.minimum(255, grey.astype(np.int16) + white)
        tissue = 1 + np.argmax([rest, grey, white], axis=0)
        return windowed(np.where(t1 > 0, tissue, 0).astype(np.uint8), window)


def brain() -> Dataset:
    """48 slices for training and 16 for validation, in slabs with gaps: no slice has a neighbour in the other split.

    Raises:
        MissingPackageError: nilearn is not installed.
    """
    _folder()
    splits = {
        split: tuple(Slice(_FIRST + period * _PERIOD_LENGTH + i) for period in range(_PERIODS) for i in places)
        for split, places in _PERIOD.items()
    }
    return Dataset(
        "brain", "axial slices of the ICBM152 average brain; train and val from slabs with gaps", CLASSES, splits
    )


def _folder() -> Path:
    """The folder of data in nilearn's wheel, found without importing nilearn, which takes seconds."""
    spec = find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise MissingPackageError("`sample:brain`", "nilearn", extra="brain")
    return Path(spec.origin).parent / "datasets" / "data"


@lru_cache(maxsize=3)
def _volume(kind: str) -> UInt8[np.ndarray, "x y z"]:
    from nibabel.nifti1 import Nifti1Image  # here, because only this sample needs it, and it comes with nilearn

    volume = Nifti1Image.from_filename(_folder() / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")
    return np.asarray(volume.dataobj).astype(np.uint8)


def _turned(plane: UInt8[np.ndarray, "x y"]) -> UInt8[np.ndarray, "H W"]:
    """Rows from front to back, columns from left to right."""
    return plane.T[::-1]
