"""Augmented images a second and core: the library against Pillow + torchvision's transforms v2 in the obvious order.

    python benchmarks/data.py --out docs/data_speed.md

A JPEG and a PNG of 500 × 375 pixels are read, scaled, cropped to 512 × 512, flipped and normalised. First both sides
must agree: given one geometry, the same pixels; left to themselves, the same distribution of geometries. Then they take
turns in one process on one core, and the smallest times are compared.
"""

import argparse
import math
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import ks_2samp
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as tvf

from intarsia.data import Augmentation, Classes, FileSample, generator_for, plan_view, write_mask
from intarsia.data.augmentation.colour import PADDING_COLOUR
from intarsia.files import write_text
from intarsia.inference.execution import Preprocessing
from intarsia.training.allocator import keep_freed_memory
from intarsia.training.loading import AugmentedSamples

PHOTOGRAPHS = ("astronaut.png", "coffee.png", "rocket.jpg")
ROWS, COLUMNS, CROP, SCALES, KINDS = 375, 500, 512, (0.5, 2.0), 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILL = {tv_tensors.Image: PADDING_COLOUR, Image.Image: PADDING_COLOUR, tv_tensors.Mask: 255}
AUGMENTATION = Augmentation((CROP, CROP), SCALES, flip=0.5, brightness=0.0, contrast=0.0, saturation=0.0)
VIEWS, REPEATS, DRAWS = 90, 12, 4000

Work = Callable[[int], object]


def write_samples(folder: Path) -> list[FileSample]:
    """Three photographs as JPEGs, and masks of a few smooth regions as palette PNGs."""
    samples = []
    classes = Classes.numbered(KINDS)
    for name in PHOTOGRAPHS:
        with as_file(files("skimage") / "data" / name) as path, Image.open(path) as picture:
            photograph = picture.convert("RGB").crop((0, 0, COLUMNS, ROWS))
        smooth = gaussian_filter(np.asarray(photograph.convert("L")).astype(float), 8)
        order = smooth.ravel().argsort().argsort().reshape(ROWS, COLUMNS)
        stem = folder / name
        photograph.save(stem.with_suffix(".jpg"), quality=90)
        write_mask(stem.with_name(f"{stem.stem}_mask.png"), order * KINDS // order.size, classes)
        samples.append(
            FileSample(stem.stem, stem.with_suffix(".jpg"), stem.with_name(f"{stem.stem}_mask.png"), classes)
        )
    return samples


class RandomScale(v2.Transform):
    """The whole image, magnified by a factor that is uniform in its logarithm."""

    def make_params(self, flat_inputs: Sequence[object]) -> dict[str, list[int]]:
        scale = math.exp(torch.empty(1).uniform_(*map(math.log, SCALES)).item())
        return {"size": [max(1, round(side * scale)) for side in tvf.get_size(flat_inputs[0])]}

    def transform(self, inpt: object, params: dict[str, list[int]]) -> object:
        return self._call_kernel(tvf.resize, inpt, **params, interpolation=InterpolationMode.BILINEAR, antialias=True)


@dataclass(frozen=True)
class Peer:
    """What a tutorial does, on tensors or, but for the mask, on Pillow's images."""

    samples: Sequence[FileSample]
    on_tensors: bool

    def __post_init__(self) -> None:
        steps = [RandomScale(), v2.RandomCrop(CROP, pad_if_needed=True, fill=FILL), v2.RandomHorizontalFlip(0.5)]
        types = {tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None}
        steps += [] if self.on_tensors else [v2.ToImage()]
        steps += [v2.ToDtype(types, scale=True), v2.Normalize(MEAN, STD)]
        object.__setattr__(self, "transform", v2.Compose(steps))

    def __call__(self, turn: int) -> object:
        sample = self.samples[turn % len(self.samples)]
        with Image.open(sample.image_path) as picture, Image.open(sample.mask_path) as indices:
            image = picture.convert("RGB")
            mask = tv_tensors.Mask(np.array(indices))
        return self.transform(tvf.to_image(image) if self.on_tensors else image, mask)


def ours(samples: Sequence[FileSample]) -> Work:
    """What `intarsia train` does."""
    augmented, normalise = AugmentedSamples(samples, AUGMENTATION, seed=0), Preprocessing(MEAN, STD)

    def work(turn: int) -> object:
        image, mask = augmented[turn, turn % len(samples)]
        return normalise(image[None])[0], mask.long()

    return work


def same_pixels(samples: Sequence[FileSample]) -> str:
    """Our views against resizing, padding, cropping and flipping the whole image by torchvision."""
    levels, masks = [], []
    for index in range(VIEWS):
        image, mask = samples[index % len(samples)].image(), samples[index % len(samples)].mask()
        view = plan_view(mask.shape, AUGMENTATION, generator_for(0, 0, index))
        found = view.apply(image[view.window], mask[view.window])
        size = [view.rows.scaled, view.columns.scaled]
        whole = tvf.resize(torch.from_numpy(image).permute(2, 0, 1), size, InterpolationMode.BILINEAR, antialias=True)
        labels = tvf.resize(torch.from_numpy(mask)[None], size, InterpolationMode.NEAREST_EXACT)
        corner = view.rows.start - view.rows.place, view.columns.start - view.columns.place
        expected, expected_mask = (pad_and_crop(x, *corner, f) for x, f in ((whole, PADDING_COLOUR), (labels, 255)))
        if view.flipped:
            expected, expected_mask = tvf.hflip(expected), tvf.hflip(expected_mask)
        levels.append(np.abs(found[0].astype(int) - expected.permute(1, 2, 0).numpy()))
        masks.append(found[1] != expected_mask[0].numpy())
    largest, mean, wrong = np.max(levels), np.mean(levels), np.mean(masks)
    assert largest <= 2, largest
    assert mean < 0.1, mean
    assert wrong < 1e-4, wrong
    return (
        f"given the geometry of {VIEWS} views, images differ by {mean:.3f} grey levels on average and {largest} at "
        f"most, masks in {wrong:.5%} of the pixels"
    )


def pad_and_crop(picture: torch.Tensor, top: int, left: int, fill: int | tuple[int, ...]) -> torch.Tensor:
    """The crop whose corner is at (top, left), which may lie outside."""
    colour = list(fill) if isinstance(fill, tuple) else fill
    return tvf.crop(tvf.pad(picture, [CROP], fill=colour), CROP + top, CROP + left, CROP, CROP)


def same_distribution() -> str:
    """Both sides' scales, offsets and flips, drawn many times: two-sample Kolmogorov–Smirnov tests."""
    scale, crop = RandomScale(), v2.RandomCrop(CROP, pad_if_needed=True)
    theirs, own = [], []
    for index in range(DRAWS):
        size = scale.make_params([torch.empty(3, ROWS, COLUMNS)])["size"]
        params = crop.make_params([torch.empty(3, *size, device="meta")])
        left, top, *_ = params["padding"] if params["needs_pad"] else (0, 0)
        theirs.append((size[0], size[1], params["top"] - top, params["left"] - left))
        view = plan_view((ROWS, COLUMNS), AUGMENTATION, generator_for(1, 0, index))
        corner = view.rows.start - view.rows.place, view.columns.start - view.columns.place
        own.append((view.rows.scaled, view.columns.scaled, *corner))
    a, b = relative(np.array(theirs)), relative(np.array(own))
    smallest = min(ks_2samp(a[:, i], b[:, i]).pvalue for i in range(a.shape[1]))
    assert smallest > 0.01, smallest
    return (
        f"of {DRAWS} draws of scale and offsets, the smallest p-value of three Kolmogorov–Smirnov tests: {smallest:.2f}"
    )


def relative(draws: np.ndarray) -> np.ndarray:
    """(rows, columns, top, left) → scale, and the offsets as shares of their ranges."""
    slack = draws[:, :2] - CROP
    return np.column_stack([draws[:, 1] / COLUMNS, (draws[:, 2:] + 0.5) / (slack + np.where(slack < 0, -1, 1))])


def times(*works: Work) -> list[float]:
    """Seconds an image: the mean over views of the smallest time that each one took.

    The sides take turns with all views at once, because a loader too makes one image after the other.
    """
    best = np.full((len(works), VIEWS), np.inf)
    for _ in range(REPEATS):
        for side, work in enumerate(works):
            for turn in range(VIEWS):
                torch.manual_seed(turn)  # the peer's geometry
                start = time.perf_counter()
                work(turn)
                best[side, turn] = min(best[side, turn], time.perf_counter() - start)
    return best.mean(axis=1).tolist()


def page(folder: Path) -> str:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    samples = write_samples(folder)
    pixels, distribution = same_pixels(samples), same_distribution()
    works = Peer(samples, on_tensors=False), Peer(samples, on_tensors=True), ours(samples)
    as_usual = times(*works)
    keep_freed_memory()
    kept = times(*works)
    names = "torchvision v2 on Pillow's images", "torchvision v2 on tensors", "intarsia"
    lines = [
        "# Speed of augmentation",
        "",
        f"A JPEG and a PNG of {COLUMNS}×{ROWS} pixels, read, scaled by {SCALES[0]:g} … {SCALES[1]:g}, cropped to "
        f"{CROP}×{CROP}, flipped, normalised:",
        f"one core, the sides in turn in one process; {VIEWS} views, the smallest of {REPEATS} times of each.",
        "",
        "| side | ms / image | images / s | ratio | freed memory kept: ms / image | images / s | ratio |",
        "|---|---|---|---|---|---|---|",
        *(f"| {name} | {cells(as_usual, i)} | {cells(kept, i)} |" for i, name in enumerate(names)),
        "",
        "The peers resize whole images: with Pillow while their images are Pillow's, or, once they are tensors, with",
        "torch's own vector instructions. The library resizes what the crop shows, with Pillow's arithmetic bit for",
        "bit. Reading the two files takes most of the rest on all sides. Keeping freed memory is what a training on a",
        "CPU does, see [training speed](training_speed.md).",
        "",
        f"Agreement before timing: {pixels};",
        f"{distribution}.",
        "",
        f"Made by `python benchmarks/data.py --out docs/data_speed.md` (torchvision {torchvision.__version__}, torch "
        f"{torch.__version__}, Pillow {PIL.__version__}, {platform.machine()}).",
    ]
    return "\n".join(lines) + "\n"


def cells(seconds: Sequence[float], side: int) -> str:
    return f"{1e3 * seconds[side]:.2f} | {1 / seconds[side]:.0f} | {seconds[0] / seconds[side]:.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as temporary:
        text = page(Path(temporary))
    print(text)
    if out:
        write_text(out, text)
