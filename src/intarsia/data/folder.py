"""The plain layout: `images/` and `masks/`, with or without train/, val/, test/ above or below them."""

from collections.abc import Iterable
from pathlib import Path

from intarsia.data.listing import Found, Ledger, Pair, child, paired, split_folders
from intarsia.data.split import completed, split_by_hash
from intarsia.errors import DataError


def find_folder(root: Path, ledger: Ledger) -> Found | None:
    """The pairs of a folder in the plain layout, or None if it has neither `images/` nor `masks/`.

    Images below test/ may lack a mask; they are left out. Without a split, or without val/, the names' hash decides.

    Raises:
        DataError: one of the two folders is missing or empty, or splits stand both above and below.
    """
    above = {
        split: path for split, path in split_folders(root).items() if child(path, "images") or child(path, "masks")
    }
    images, masks = child(root, "images"), child(root, "masks")
    if above and (images or masks):
        first = next(iter(above.values()))
        raise DataError(
            f"`{root}` holds `{(images or masks or root).name}/` beside `{first.name}/`, which has its own: move the "
            f"pictures of one of them into the other."
        )
    if above:
        unmasked = {split for split, path in above.items() if split == "test" and child(path, "masks") is None}
        places = {split: _both(path) for split, path in above.items() if split not in unmasked}
        return _found(
            root, places, ledger, f"images/ + masks/ within {_listed(places)}{_beside(next(iter(above.values())))}"
        )
    if images is None and masks is None:
        return None
    images, masks = _both(root)
    inner = _inner_splits(images, masks)
    if inner:
        return _found(root, inner, ledger, f"images/ + masks/ with {_listed(inner)} below{_beside(root)}")
    splits, words = split_by_hash(paired(images, masks, ledger))
    return Found(root, f"images/ + masks/ without a split; {words}{_beside(root)}", splits)


def _found(root: Path, places: dict[str, tuple[Path, Path]], ledger: Ledger, layout: str) -> Found:
    splits: dict[str, tuple[Pair, ...]] = {}
    for split, (images, masks) in places.items():
        pairs = paired(images, masks, ledger, skip_unmasked=split == "test")
        if pairs:
            splits[split] = pairs
    if not splits and not ledger.problems:
        raise DataError(
            f"`{root}` has a test split only, and none of its images has a mask: add masks, or train/ and val/."
        )
    splits, layout = completed(splits, layout)
    return Found(root, layout, splits)


def _both(folder: Path) -> tuple[Path, Path]:
    """The folder's `images/` and `masks/`."""
    images, masks = child(folder, "images"), child(folder, "masks")
    if images is None:
        raise DataError(f"`{folder}` has masks/ but no images/: put the photographs into `{folder / 'images'}`.")
    if masks is None:
        raise DataError(
            f"`{folder}` has images/ but no masks/: put a mask for each image into `{folder / 'masks'}`, or a depth "
            f"into `{folder / 'depth'}`."
        )
    return images, masks


def _beside(root: Path) -> str:
    """That depths lie there, too."""
    return "; depth/ beside them is left aside, `--task depth` takes it" if child(root, "depth") else ""


def _inner_splits(images: Path, masks: Path) -> dict[str, tuple[Path, Path]]:
    """The split folders within images/ and masks/, if images/ has any."""
    of_images, of_masks = split_folders(images), split_folders(masks)
    if not of_images:
        return {}
    stray = [path for path in sorted(images.iterdir()) if path not in of_images.values() and not _is_ignored(path)]
    if stray:
        raise DataError(
            f"`{stray[0]}` stands beside `{next(iter(of_images.values()))}`, so its split is not known: move it into "
            f"one of {_listed(of_images)}."
        )
    for split, path in of_images.items():
        if split not in of_masks and split != "test":
            raise DataError(f"`{path}` has no counterpart in `{masks}`: put its masks into `{masks / path.name}`.")
    for split, path in of_masks.items():
        if split not in of_images:
            raise DataError(f"`{path}` has no counterpart in `{images}`: put its images into `{images / path.name}`.")
    return {split: (path, of_masks[split]) for split, path in of_images.items() if split in of_masks}


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name == "Thumbs.db"


def _listed(splits: Iterable[str]) -> str:
    return " and ".join(f"{split}/" for split in splits)
