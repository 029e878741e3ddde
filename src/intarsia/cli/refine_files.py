"""`intarsia refine --method`, for files of other tools."""

import sys
from pathlib import Path
from typing import Any, Literal

from intarsia.errors import ArgumentError

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".npy")  # names that no folder should have


def refine_folder(
    probabilities: Path,
    images: Path,
    out: Path,
    method: Literal["crf", "graphcut"],
    settings: dict[str, Any],
    keep: bool,
    overwrite: bool,
    max_pixels: int,
) -> int:
    """Masks of all pairs of probabilities and images; the status is 1 if one could not be made."""
    file = next((place for place in (out, *out.parents) if place.is_file()), None)
    if file is not None:
        raise ArgumentError(f"`--out` (={out}) must be a folder, and `{file}` is a file; choose another place.")
    if out.suffix.lower() in _PICTURES and not out.is_dir():
        raise ArgumentError(f"`--out` (={out}) must be a folder, where masks are called as their images: name one.")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise ArgumentError(f"`{out}` is not empty; choose another --out, or say --overwrite to replace masks in it.")
    if keep and method == "graphcut":
        raise ArgumentError("A graph cut gives labels without probabilities; leave out --probabilities, or use crf.")

    from intarsia.cli.progress import progress
    from intarsia.inference.refining_files import find_pairs, make_refiner, refine_files

    refiner = make_refiner(method, settings)
    pairs, alone = find_pairs(probabilities, images, out)
    if alone:
        others = f" and {len(alone) - 1} more have" if len(alone) > 1 else " has"
        print(f"intarsia: note: `{alone[0]}`{others} no probabilities, and no mask is made.", file=sys.stderr)
    bad = 0
    with progress("refining") as watch:
        for done, outcome in enumerate(refine_files(pairs, out, refiner, probabilities=keep, max_pixels=max_pixels), 1):
            watch(done, len(pairs))
            if outcome.complaint:
                bad += 1
                print(f"intarsia: {outcome.complaint}", file=sys.stderr)
    print(f"{len(pairs) - bad} of {len(pairs)} masks are in `{out}`.")
    return 1 if bad else 0
