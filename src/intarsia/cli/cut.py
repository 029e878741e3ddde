"""`intarsia cut`."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intarsia.errors import ArgumentError

_PICTURES = (".png", ".webp", ".tif", ".tiff")  # with transparency


def cut(
    image: Path,
    /,
    *,
    box: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    trimap: Path | None = None,
    out: Path | None = None,
    save_trimap: Path | None = None,
    mixtures: Path | None = None,
    iterations: int = 5,
    gamma: float = 50.0,
    pyramid: bool | None = None,
    overwrite: bool = False,
) -> int:
    """Cut an object out of a photograph by GrabCut: a mask, and the object on a transparent ground.

    Args:
        image: The photograph.
        box: left,top,right,bottom around the object, in pixels; what is outside is background.
        trimap: Or a picture of what is known: 0 background, 1 foreground, 2 and 3 probably so; or 0, 128 and 255.
        out: Where the cut-out goes, photo_cut.png by default; the mask is photo_cut_mask.png beside it.
        save_trimap: Where a PNG goes of what was known and how the rest was cut, to paint on for the next --trimap.
        mixtures: Colours to begin with if the file exists; those that were learned are written there.
        iterations: How often colours are learned from the cut.
        gamma: The weight of the outline: larger is smoother.
        pyramid: Cut coarse images first; by default those of more than a megapixel.
        overwrite: Replace files that are there already.
    """
    place = out or Path(f"{image.stem}_cut.png")
    if place.suffix.lower() not in _PICTURES or place.is_dir():
        raise ArgumentError(f"`--out` (={place}) must be a picture with transparency, such as cut.png.")
    edges = _edges(box) if box is not None else None
    if (box is None) == (trimap is None):
        said = "not by both" if box is not None else "such as --box 50,40,400,380"
        raise ArgumentError(f"Say where the object is by --box left,top,right,bottom or by --trimap, {said}.")
    if save_trimap is not None and save_trimap.suffix.lower() != ".png":
        raise ArgumentError(f"`--save-trimap` (={save_trimap}) must be a PNG, such as trimap.png.")
    mask = place.with_name(f"{place.stem}_mask.png")
    _check_outputs((place, mask, save_trimap), (image, trimap), overwrite)

    from intarsia.cli.cut_files import read_trimap, write_mask_and_cut_out, write_trimap
    from intarsia.data.images import read_image
    from intarsia.energies.grabcut import grabcut
    from intarsia.energies.mixtures import Mixtures

    photograph = read_image(image)
    known = read_trimap(trimap) if trimap is not None else None
    begun = Mixtures.load(mixtures) if mixtures is not None and mixtures.exists() else None
    start = time.perf_counter()
    found = grabcut(photograph, edges, known, iterations=iterations, gamma=gamma, mixtures=begun, pyramid=pyramid)
    seconds = time.perf_counter() - start
    height, width = found.foreground.shape
    if edges is not None and (min(edges) < 0 or edges[2] > width or edges[3] > height):
        print(f"The box {box} reaches beyond the {width}×{height} pixels and was cut off there.", file=sys.stderr)
    write_mask_and_cut_out(mask, place, photograph, found)
    if mixtures is not None:
        found.mixtures.save(mixtures)
    if save_trimap is not None:
        write_trimap(save_trimap, found.trimap)
    goes_on = "" if save_trimap is None else f" Go on with --trimap {save_trimap}."
    print(
        f"{found.foreground.mean():.1%} of {width}×{height} pixels are foreground; energy {found.energy[-1]:.0f}; "
        f"{seconds:.2f} s. The cut-out is `{place}`, the mask `{mask}`.{goes_on}"
    )
    return 0


def _check_outputs(outputs: Sequence[Path | None], inputs: Sequence[Path | None], overwrite: bool) -> None:
    """Nothing that is read is written, two things never to one place, and nothing is replaced unasked."""
    places = [path.resolve() for path in outputs if path is not None]
    for given in inputs:
        if given is not None and given.resolve() in places:
            raise ArgumentError(f"`{given}` is what is read, and would be overwritten; choose another place.")
    for number, place in enumerate(places):
        if place in places[:number]:
            raise ArgumentError(f"`{place}` would hold two of the results; choose another --save-trimap.")
        if place.exists() and not overwrite:
            raise ArgumentError(f"`{place}` exists; choose another place, or say --overwrite to replace it.")


def _edges(box: str) -> tuple[int, int, int, int]:
    try:
        left, top, right, bottom = (int(edge) for edge in box.split(","))
    except ValueError as error:
        raise ArgumentError(
            f"`--box` (={box}) must be left,top,right,bottom in whole pixels, as 50,40,400,380."
        ) from error
    return left, top, right, bottom
