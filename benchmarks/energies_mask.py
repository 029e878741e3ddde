"""A coarse mask of a photograph becomes an exact one: scores, time and a picture.

    python benchmarks/energies_mask.py --picture docs/pictures/mask_coffee.png

The truth was drawn by hand on the photograph alone, at five times its size, around the cup, the saucer and the spoon.
The coarse mask is the truth shifted, with an outline that wanders, in blocks of sixteen pixels, and with specks. Ten
are drawn; means are given, and in brackets the least. Boundary F is the harmonic mean of two shares: of the mask's
outline that lies at most two pixels off the true one, and the reverse.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt, gaussian_filter
from skimage import data
from skimage.draw import polygon2mask

from intarsia.energies import graph_cut, trimap_of_mask
from intarsia.files import atomic

# x, y of corners; a pixel spans from its whole number to the next
OUTLINE = """
182.7 70  188.6 59.5  199.9 48.1  215.7 36.8  232.9 27.3  254.5 20.6  276.8 17.9  299.3 18.5  322 21.4  341.8 27.6
362 38  377.4 49.8  389.4 63.4  397.2 76.8  398 72  403.4 68.2  412.8 66.8  420.6 70  424.2 76.8  423.2 85
419.2 104.6  428.6 112  439.4 123.2  450.6 137.6  460.6 154.6  468.4 172.4  474 189.8  478.2 209.8  479.6 230
478 250  474 268  467.2 286  457.2 303.8  445.6 320  432.6 334.2  416.8 348.2  398.8 360.2  378.2 370.6  355.8 379
333 385.2  308.4 389  283.6 390.4  258.9 389.5  234.4 385.9  209.8 379.8  187.3 370.8  165 358.8  144.7 344.5
126.4 328.2  110.6 309.9  98 290.3  88.2 268.5  81 245.8  77.2 223.3  76 201.1  76.4 198.5  78.9 184.9  81.6 172.3
85.6 159.7  91.5 147.1  98.9 134.5  107.3 122.9  116.7 111.3  127.6 100.4  138.8 91.4  149.3 84  160.8 77.3
173.4 72.5
"""
SHIFT, WANDERING, BLOCK, SPECK, SPECKS = (5, -4), 4, 16, 4, 0.005  # pixels; the share of specks
BANDS, SEEDS, TOLERANCE = (12, 16, 24), 10, 2
ROWS, COLUMNS = slice(0, 400), slice(40, 500)  # of the picture


def true_mask(size: tuple[int, int]) -> np.ndarray:
    corners = np.array(OUTLINE.split(), float).reshape(-1, 2)
    return polygon2mask(size, corners[:, ::-1] - 0.5)


def coarse_mask(truth: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    height, width = truth.shape
    inside = distance_transform_edt(truth) - distance_transform_edt(~truth)
    field = gaussian_filter(generator.normal(size=truth.shape), 12)
    rough = np.roll(inside, SHIFT, (0, 1)) + field * (WANDERING / field.std()) > 0
    blocks = np.pad(rough, BLOCK)[BLOCK * 3 // 2 :: BLOCK, BLOCK * 3 // 2 :: BLOCK]
    specks = generator.random((height // SPECK + 1, width // SPECK + 1)) < SPECKS
    return (
        np.kron(blocks, np.ones((BLOCK, BLOCK), bool))[:height, :width]
        ^ np.kron(specks, np.ones((SPECK, SPECK), bool))[:height, :width]
    )


def outline(mask: np.ndarray) -> np.ndarray:
    return mask & ~binary_erosion(mask)


def scores(mask: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """IoU and boundary F."""
    near = [
        (distance_transform_edt(~outline(other))[outline(one)] <= TOLERANCE).mean()
        for one, other in ((mask, truth), (truth, mask))
    ]
    return (mask & truth).sum() / (mask | truth).sum(), 2 * near[0] * near[1] / sum(near)


def table(image: np.ndarray, truth: np.ndarray) -> list[str]:
    masks = [coarse_mask(truth, seed) for seed in range(SEEDS)]
    lines = ["| | IoU | boundary F | milliseconds |", "|---|--:|--:|--:|", _row("the coarse mask", masks, truth, None)]
    for band in BANDS:
        cuts, spent = [], []
        for mask in masks:
            start = time.process_time()
            cuts.append(graph_cut(image, trimap_of_mask(mask, band)).foreground)
            spent.append(1e3 * (time.process_time() - start))
        lines.append(_row(f"cut, band of {band} pixels", cuts, truth, float(np.median(spent))))
    return lines


def _row(name: str, masks: list[np.ndarray], truth: np.ndarray, spent: float | None) -> str:
    found = np.array([scores(mask, truth) for mask in masks])
    cells = [f"{mean:.3f} ({least:.3f})" for mean, least in zip(found.mean(0), found.min(0), strict=True)]
    return "| " + " | ".join([name, *cells, "" if spent is None else f"{spent:.0f}"]) + " |"


def picture(image: np.ndarray, truth: np.ndarray) -> Image.Image:
    """The coarse mask, what it knows, and the cut: what is not object is paled, what is unknown is blue."""
    mask = coarse_mask(truth, 0)
    trimap = trimap_of_mask(mask, BANDS[0])
    panels = []
    for foreground, unknown in (
        (mask, None),
        (mask, trimap > 1),
        (graph_cut(image, trimap).foreground, None),
    ):
        panel = np.where(foreground[..., None], image, 255 - (255 - image) // 4).astype(np.uint8)
        panel[binary_dilation(outline(foreground)) & (unknown is None)] = (0, 160, 255)
        if unknown is not None:
            panel[unknown] = panel[unknown] // 2 + np.array([0, 80, 127], np.uint8)
        panels += [panel[ROWS, COLUMNS], np.full((400, 20, 3), 255, np.uint8)]
    sheet = Image.fromarray(np.hstack(panels[:-1]))
    return sheet.resize((900, 900 * sheet.height // sheet.width), Image.Resampling.LANCZOS).quantize(192)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    coffee = data.coffee()
    drawn = true_mask(coffee.shape[:2])
    graph_cut(coffee, trimap_of_mask(drawn, 3))  # compiles
    print("\n".join(table(coffee, drawn)))
    if arguments.picture:
        with atomic(arguments.picture) as temporary:
            picture(coffee, drawn).save(temporary, optimize=True)
