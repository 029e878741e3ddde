"""The scene and how it is split, and what fills and networks answer, with their errors."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy import ndimage

from intarsia.ablations.depth_trials import DRAWS
from intarsia.data import contact_sheet, generator_for
from intarsia.data.depth import Depth, Measuring, measure, open_depth
from intarsia.data.depth.motorcycle import COLUMNS, SIZE, Cutting, motorcycle, scene
from intarsia.data.depth.pictures import coloured_depth, coloured_error, depth_range, with_scale_bar
from intarsia.shapes import RGBImage

CELL = 228  # pixels across which a picture of 152 is drawn
MAGNIFIED = 2
DOT = 3  # pixels as which a measured one is shown
LIMIT = 0.5  # metres of error that have the strongest colour
PAPER = 250  # grey, where there is nothing to show
TRAIN, VAL = (38, 139, 210), (20, 170, 70)  # blue, green


def split_picture() -> RGBImage:
    """The scene and its depths; what is trained on lies in the blue frame, what is judged in the two green ones."""
    picture, depth = scene()
    near, far = depth_range(depth)
    halves = [
        np.kron(half, np.ones((MAGNIFIED, MAGNIFIED, 1), np.uint8))
        for half in (picture, coloured_depth(depth, near, far))
    ]
    frames = [((0, picture.shape[0]), COLUMNS["train"], TRAIN)]
    for sample in motorcycle(1).split("val"):
        assert isinstance(sample, Cutting)
        frames.append(((sample.top, sample.top + SIZE[0]), (sample.left, sample.left + SIZE[1]), VAL))
    for half in halves:
        for (top, bottom), (left, right), colour in frames:
            _frame(half[MAGNIFIED * top : MAGNIFIED * bottom, MAGNIFIED * left : MAGNIFIED * right], colour)
    return with_scale_bar(np.concatenate(halves, axis=1), near, far)


def _frame(part: RGBImage, colour: tuple[int, int, int], width: int = 3) -> None:
    part[:width] = part[-width:] = colour
    part[:, :width] = part[:, -width:] = colour


def answers_picture(runs: Mapping[str, Path], count: int) -> RGBImage:
    """Both judged pictures: image and measurements, truth, then each fill and each run, its depths over its errors."""
    from intarsia.inference.depth import load_depth
    from intarsia.inference.depth.evaluate import filled

    estimators = {title: load_depth(run) for title, run in runs.items()}
    rows: list[list[RGBImage]] = []
    titles: list[str] = []
    for index, sample in enumerate(open_depth("sample:motorcycle").split("val")):
        image, truth = sample.image(), sample.depth()
        measured = measure(truth, image, Measuring("count", count), generator_for(DRAWS[0], index))
        answers: dict[str, Depth] = {f"{name} fill": depth for name, depth in filled(measured, image).items()}
        answers |= {title: estimator.predict(image, measured).depth for title, estimator in estimators.items()}
        near, far = depth_range(truth)
        dots = ndimage.maximum_filter(measured, DOT)
        maps = [coloured_depth(depth, near, far) for depth in (truth, *answers.values())]
        errors = [coloured_error(truth, depth, LIMIT) for depth in answers.values()]
        rows += [[image, *maps], [coloured_depth(dots, near, far), np.full_like(image, PAPER), *errors]]
        titles = ["image, measured", "truth", *answers]
    sheet = contact_sheet(rows, titles, CELL)
    return with_scale_bar(sheet, -LIMIT, LIMIT, "error")
