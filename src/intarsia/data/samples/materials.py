"""`sample:materials`: mosaics with exact curved borders, made of eight real photographs.

The photographs lie in scikit-image's wheel. Each becomes grey with mean 0 and standard deviation 1; each region of a
mosaic gets its own random brightness and contrast, so that neither colour nor intensity gives the class away: only
texture does. Training mosaics take their pixels from the first 60 % of each photograph, validation mosaics from the
last 35 %, along the axis below; the 5 % between them belong to neither.

======= ======================= ============================================== =======
class   photograph              used part (rows × columns)                     split along
======= ======================= ============================================== =======
brick   brick.png               512 × 512                                      columns
grass   grass.png               512 × 512                                      columns
gravel  gravel.png              512 × 512                                      columns
stars   hubble_deep_field.jpg   872 × 1000                                     columns
tissue  ihc.png                 512 × 512                                      rows
moon    moon.png                512 × 512                                      columns
retina  retina.jpg              700 × 1000, within the disc, at half its size  columns
print   page.png                84 × 372, the lines of text                    columns
======= ======================= ============================================== =======
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from intarsia.data.classes import Classes
from intarsia.data.dataset import Dataset, windowed
from intarsia.data.generators import generator_for
from intarsia.data.images import read_image
from intarsia.errors import ArgumentError
from intarsia.shapes import Mask, RGBImage, Window

Box = tuple[int, int, int, int]  # top, left, bottom, right

TRAIN_SHARE, VALIDATION_SHARE = 0.6, 0.35
FEWEST, MOST = 3, 6  # classes of a mosaic
RARITY = 1 / 20  # of a rare class: its chance at each draw, beside that of another
_WAVES = 64  # enough that no single wave is seen
_HILL = 0.25  # the length over which a field changes, as a share of the picture
_SPLITS = ("train", "val")  # a split's place is part of a mosaic's seed


@dataclass(frozen=True)
class Photograph:
    """One texture: a file of scikit-image's, the part of it that holds the texture, and how it is divided."""

    file: str
    part: Box
    axis: int = 1  # along which the splits are divided: 0 rows, 1 columns
    reduction: int = 1

    def box(self, split: str) -> Box:
        """The part of the file that belongs to a split."""
        start, stop = self.part[self.axis], self.part[self.axis + 2]
        length = stop - start
        low, high = {
            "train": (start, start + int(length * TRAIN_SHARE)),
            "val": (stop - int(length * VALIDATION_SHARE), stop),
        }[split]
        top, left, bottom, right = self.part
        return (low, left, high, right) if self.axis == 0 else (top, low, bottom, high)


PHOTOGRAPHS = {
    "brick": Photograph("brick.png", (0, 0, 512, 512)),
    "grass": Photograph("grass.png", (0, 0, 512, 512)),
    "gravel": Photograph("gravel.png", (0, 0, 512, 512)),
    "stars": Photograph("hubble_deep_field.jpg", (0, 0, 872, 1000)),
    # Its columns differ too much: glands on the left, hardly any on the right.
    "tissue": Photograph("ihc.png", (0, 0, 512, 512), axis=0),
    "moon": Photograph("moon.png", (0, 0, 512, 512)),
    # The corners are 610 pixels from the centre of a disc of radius 650; at half size its vessels fit into a region.
    "retina": Photograph("retina.jpg", (355, 205, 1055, 1205), reduction=2),
    "print": Photograph("page.png", (40, 6, 124, 378)),
}

CLASSES = Classes(
    tuple(PHOTOGRAPHS),
    (
        (196, 78, 56),
        (86, 158, 68),
        (150, 140, 128),
        (52, 72, 150),
        (226, 130, 178),
        (242, 202, 76),
        (128, 66, 150),
        (72, 184, 198),
    ),
)


@dataclass(frozen=True)
class Mosaic:
    """Mosaic `index` of a split: a pure function of its fields."""

    seed: int
    in_split: str
    index: int
    size: int
    rare: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Such as ``"train-0007"``."""
        return f"{self.in_split}-{self.index:04d}"

    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.size, self.size

    def image(self, window: Window | None = None) -> RGBImage:
        """The mosaic: grey, in three equal channels."""
        return windowed(_mosaic(self)[0], window).copy()

    def mask(self, window: Window | None = None) -> Mask:
        """The class of each pixel."""
        return windowed(_mosaic(self)[1], window).copy()


def materials(train: int = 320, val: int = 64, size: int = 256, seed: int = 0, rare: tuple[str, ...] = ()) -> Dataset:
    """Mosaics of `size` × `size` pixels; any number of them, and those of a smaller set begin those of a larger one.

    The classes of a mosaic are drawn one after the other, and at each draw the chance of a ``rare`` one is a twentieth
    of another's that is left: 1 mosaic of 15 holds it, and 11 of 15 hold a class that is not rare.

    Raises:
        ArgumentError: a number below 1, a negative seed, an unknown class, more than two rare ones, or one twice.

    >>> dataset = materials(train=2, val=1, size=32)
    >>> dataset.classes.count, dataset.split("val")[0].image().shape
    (8, (32, 32, 3))
    """
    if seed < 0:
        raise ArgumentError(f"`seed` (={seed}) must not be negative.")
    counts = {"train": train, "val": val}
    for name, number in {**counts, "size": size}.items():
        if number < 1:
            raise ArgumentError(f"`{name}` (={number}) must be at least 1.")
    unknown = [name for name in rare if name not in CLASSES.names]
    if unknown or len(rare) > CLASSES.count - MOST or len(set(rare)) < len(rare):
        raise ArgumentError(
            f"`rare` (={', '.join(rare)}) must be at most {CLASSES.count - MOST} of {', '.join(CLASSES.names)}, each "
            "once."
        )
    splits = {split: tuple(Mosaic(seed, split, i, size, rare) for i in range(counts[split])) for split in _SPLITS}
    layout = f"mosaics of {CLASSES.count} photographs, made as they are needed; train and val from disjoint parts"
    return Dataset("materials", layout, CLASSES, splits)


@lru_cache(maxsize=8)
def _mosaic(sample: Mosaic) -> tuple[RGBImage, UInt8[np.ndarray, "H W"]]:
    """Image and mask: the largest of some smooth random fields says which material a pixel shows."""
    generator = generator_for(sample.seed, _SPLITS.index(sample.in_split), sample.index)
    chosen = _drawn_classes(sample, generator)
    field = np.argmax([_smooth_field(sample.size, generator) for _ in chosen], axis=0)
    grey = np.empty((sample.size, sample.size), np.float32)
    for place, material in enumerate(chosen):
        patch = _patch(_texture(CLASSES.names[material], sample.in_split), sample.size, generator)
        contrast, brightness = generator.uniform(24, 46), generator.uniform(92, 164)
        np.copyto(grey, brightness + contrast * patch, where=field == place)
    image = np.repeat(np.round(grey).clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    return image, chosen[field].astype(np.uint8)


def _drawn_classes(sample: Mosaic, generator: np.random.Generator) -> Int[np.ndarray, "N"]:
    """In random order; without rare ones the bits that mosaics always had."""
    if not sample.rare:
        return generator.permutation(CLASSES.count)[: generator.integers(FEWEST, MOST + 1)]
    chances = np.array([RARITY if name in sample.rare else 1.0 for name in CLASSES.names])
    count = generator.integers(FEWEST, MOST + 1)
    return generator.choice(CLASSES.count, count, replace=False, p=chances / chances.sum())


def _smooth_field(size: int, generator: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """A Gaussian random field with squared exponential covariance, as a sum of random plane waves.

    cos(r + c) = cos r · cos c − sin r · sin c makes the sum over waves two matrix products. Rahimi & Recht, Random
    features for large-scale kernel machines, NIPS 2007.
    """
    waves = generator.standard_normal((2, _WAVES)) / _HILL
    phases = generator.uniform(0, 2 * np.pi, _WAVES)
    positions = (np.arange(size) + 0.5)[:, None] / size
    rows, columns = positions * waves[0] + phases, positions * waves[1]
    return np.cos(rows) @ np.cos(columns).T - np.sin(rows) @ np.sin(columns).T


def _patch(texture: Float[np.ndarray, "h w"], size: int, generator: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """A random window of a texture, magnified by 0.8 … 1.25, flipped, turned; small textures go on as in a mirror."""
    length = round(size / float(np.exp(generator.uniform(np.log(0.8), np.log(1.25)))))
    rows, columns = (_mirrored_run(extent, length, generator) for extent in texture.shape)
    window = Image.fromarray(texture[rows][:, columns])
    patch = np.asarray(window.resize((size, size), Image.Resampling.BILINEAR))
    patch = patch[:, ::-1] if generator.random() < 0.5 else patch
    return np.rot90(patch, int(generator.integers(4)))


def _mirrored_run(extent: int, length: int, generator: np.random.Generator) -> Int[np.ndarray, "length"]:
    """`length` neighbouring indices below `extent`, from a random start, turning back at the end where they must."""
    start = generator.integers(extent - length + 1 if extent >= length else 2 * extent)
    run = (start + np.arange(length)) % (2 * extent)
    return np.where(run < extent, run, 2 * extent - 1 - run)


@lru_cache(maxsize=len(PHOTOGRAPHS) * len(_SPLITS))
def _texture(name: str, split: str) -> Float[np.ndarray, "h w"]:
    """A split's part of one photograph: grey, mean 0, standard deviation 1."""
    photograph = PHOTOGRAPHS[name]
    with as_file(files("skimage") / "data" / photograph.file) as path:
        grey = Image.fromarray(read_image(path)).convert("L")
    top, left, bottom, right = photograph.box(split)
    texture = np.asarray(grey.crop((left, top, right, bottom)).reduce(photograph.reduction), np.float32)
    return (texture - texture.mean()) / texture.std()
