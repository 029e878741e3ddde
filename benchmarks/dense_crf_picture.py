"""Draws docs/pictures/dense_crf.png: a photograph, what a coarse network may say of it, and what the CRF makes of that.

    python benchmarks/dense_crf_picture.py --out docs/pictures/dense_crf.png

The classes are drawn by hand as ellipses and polygons, blurred, sampled at every 16th pixel, made uncertain by noise,
and interpolated, as a network of output stride 16 does it.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage import data

from intarsia.data.classes import Classes
from intarsia.data.pictures import contact_sheet, overlay
from intarsia.energies import dense_crf

STRIDE = 16
CLASSES = Classes(
    ("table", "china", "rim", "coffee", "spoon", "dark"),
    ((70, 130, 180), (220, 40, 40), (250, 240, 120), (150, 90, 30), (60, 200, 120), (60, 60, 60)),
)
SHAPES = (  # in the order in which they cover each other: class, ellipse (left, top, right, bottom) or corners
    (1, (78, 70, 480, 387)),
    (2, (173, 18, 408, 208)),
    (3, (205, 95, 370, 193)),
    (4, (326, 240, 407, 325)),
    (4, ((397, 67), (424, 75), (395, 245), (372, 245))),
    (5, ((0, 0), (150, 0), (0, 105))),
)


def coarse_probabilities(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    canvas = Image.new("L", size[::-1], 0)
    draw = ImageDraw.Draw(canvas)
    for k, shape in SHAPES:
        (draw.ellipse if isinstance(shape[0], int) else draw.polygon)(shape, fill=k)
    shares = np.stack([np.array(canvas) == k for k in range(CLASSES.count)]).astype(np.float32)
    shares = ndimage.gaussian_filter(shares, (0, STRIDE / 2, STRIDE / 2), mode="nearest")[:, ::STRIDE, ::STRIDE]
    logits = np.log(shares + 0.05) + np.random.default_rng(seed).normal(0, 0.7, shares.shape)
    rows, columns = (np.arange(length) / STRIDE for length in size)
    places = np.meshgrid(rows, columns, indexing="ij")
    logits = np.stack([ndimage.map_coordinates(plane, places, order=1, mode="nearest") for plane in logits])
    shares = np.exp(logits - logits.max(axis=0))
    return shares / shares.sum(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    image = data.coffee()
    before = coarse_probabilities(image.shape[:2])
    after = dense_crf(before, image, appearance_sxy=50.0, appearance_srgb=8.0)
    masks = [probabilities.argmax(axis=0).astype(np.uint8) for probabilities in (before, after)]
    near = (slice(60, 160), slice(375, 475))  # where rim, spoon, saucer and table meet
    pictures = [image, *(overlay(image, mask, CLASSES, 0.45) for mask in masks)]
    enlarged = [np.kron(picture[near], np.ones((3, 3, 1), np.uint8)) for picture in pictures]
    titles = ("photograph", "probabilities at every 16th pixel", "after the dense CRF")
    sheet = contact_sheet([[picture[:, 80:480] for picture in pictures], enlarged], titles, cell=300)
    Image.fromarray(sheet).save(out, optimize=True)
    print(f"{(masks[0] != masks[1]).mean():.1%} of the pixels changed their class")


if __name__ == "__main__":
    main()
