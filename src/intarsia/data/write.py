"""Any dataset as a plain folder: images/ + masks/ + classes.json."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from intarsia.data.dataset import Dataset, Sample
from intarsia.data.masks import write_mask
from intarsia.errors import DataError


def write_folder(dataset: Dataset, folder: Path | str, splits: Sequence[str] | None = None, flat: bool = False) -> None:
    """Write images/SPLIT/NAME.png, masks/SPLIT/NAME.png and classes.json; masks hold indices.

    The folder appears whole or not at all: it is written beside its place under a temporary name and renamed.

    Args:
        dataset: what to write.
        folder: where; missing or empty.
        splits: which splits; all of them by default.
        flat: leave out the split folders.

    Raises:
        DataError: the folder is a file or not empty, a split is unknown, or two samples share a name in a flat folder.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"`{folder}` exists and is not an empty folder: choose a new one.")
    placed = _placed(dataset, tuple(dataset.splits) if splits is None else splits, flat)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        for stem, sample in placed.items():
            _write_sample(dataset, sample, stem, temporary)
        text = replace(dataset.classes, encoding="index").to_json()
        (temporary / "classes.json").write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _placed(dataset: Dataset, splits: Sequence[str], flat: bool) -> dict[str, Sample]:
    """The samples by their path within images/ and masks/, without extension."""
    placed: dict[str, Sample] = {}
    for split in splits:
        for sample in dataset.split(split):
            stem = sample.name if flat else f"{split}/{sample.name}"
            if stem in placed:
                raise DataError(
                    f"Two samples of `{dataset.name}` are called `{stem}`: write it with split folders, not flat."
                )
            placed[stem] = sample
    return placed


def _write_sample(dataset: Dataset, sample: Sample, stem: str, folder: Path) -> None:
    image, mask = (folder / kind / f"{stem}.png" for kind in ("images", "masks"))
    image.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sample.image()).save(image, compress_level=1)  # a third of the time for a tenth more bytes
    write_mask(mask, sample.mask(), dataset.classes)
