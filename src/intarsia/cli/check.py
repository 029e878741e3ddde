"""`intarsia check`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from intarsia.data.decoding import MAX_PIXELS
from intarsia.errors import ArgumentError

if TYPE_CHECKING:
    from intarsia.data import Dataset

VIEWS = 4  # of each image on the sheet


def check(
    data: str,
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    fix_list: Path | None = None,
    skip: Path | None = None,
    max_pixels: int = MAX_PIXELS,
    show_augmented: int | None = None,
    recipe: Path | None = None,
    sheet: Path = Path("augmented.png"),
) -> int:
    """Look at every image, mask or depth of a dataset once, and say all that is wrong or strange.

    For masks the class weights are told, for depths how far they reach and how much of them is known. The exit status
    is 1 if a file cannot be used. What was measured is kept by content: a second check is quick.

    Args:
        data: The dataset, as for train.
        as_json: Print JSON instead of a table.
        fix_list: Write a list of the files to leave out: those with errors, and training images that are in another
            split too. `intarsia train --skip` reads it.
        skip: A list of files to leave out.
        max_pixels: The largest image that is read.
        show_augmented: Draw so many training images above random views of them, as a training would see them.
        recipe: The recipe.json of that training; the settings are the usual ones otherwise.
        sheet: Where they are drawn.
    """
    if sheet.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp") or sheet.is_dir():
        raise ArgumentError(f"`--sheet` (={sheet}) must be a file such as augmented.png.")
    for name, value in (("max-pixels", max_pixels), ("show-augmented", show_augmented)):
        if value is not None and value < 1:
            raise ArgumentError(f"`--{name}` (={value}) must be at least 1.")

    from intarsia.cli.progress import progress
    from intarsia.data.checking import DepthReport, check_depth, depth_table, table
    from intarsia.data.checking import check as check_masks
    from intarsia.data.depth.open import is_depth_source
    from intarsia.data.skipping import read_skip_list, write_skip_list

    of_depths = is_depth_source(data)
    if of_depths and show_augmented is not None:
        raise ArgumentError(f"`--show-augmented` draws masks, and `{data}` holds depths: leave the option out.")
    left_out = read_skip_list(skip, data) if skip else ()
    with progress("checking") as watch:
        report = (check_depth if of_depths else check_masks)(data, skip=left_out, max_pixels=max_pixels, watch=watch)
    text = depth_table(report) if isinstance(report, DepthReport) else table(report)
    print(json.dumps(report.to_json(), allow_nan=False) if as_json else text)
    if fix_list is not None:
        files = [*((path, "left out before") for path in left_out), *report.to_skip()]
        write_skip_list(fix_list, data, files)
        if not as_json:
            print(f"{len(files)} files to leave out are listed in `{fix_list}`.")
    if show_augmented is not None and not isinstance(report, DepthReport) and report.dataset is not None:
        drawn = _draw(report.dataset, show_augmented, recipe, sheet)
        if drawn and not as_json:
            print(f"{drawn} images and {VIEWS} views of each are drawn in `{sheet}`.")
    return 1 if report.errors else 0


def _draw(dataset: "Dataset", count: int, recipe: Path | None, sheet: Path) -> int:
    """Training images above random views of them; how many there are."""
    from PIL import Image

    from intarsia.data.augmentation import augmented_sheet
    from intarsia.files import atomic
    from intarsia.runs import Recipe
    from intarsia.runs.recipe import Settings

    samples = dataset.splits.get("train", ())[:count]
    if samples:
        settings = Recipe.read(recipe) if recipe else Settings()
        picture = augmented_sheet(samples, settings.augmentation(), dataset.classes, VIEWS, settings.seed)
        with atomic(sheet) as temporary:
            Image.fromarray(picture).save(temporary)
    return len(samples)
