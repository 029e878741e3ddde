"""`intarsia cut`."""

import sys
import time
from pathlib import Path

from intarsia.errors import ArgumentError

_PICTURES = (".png", ".webp", ".tif", ".tiff")  # with transparency


def cut(
    image: Path,
    /,
    *,
    box: str | None = None,
    trimap: Path | None = None,
    out: Path | None = None,
    mixtures: Path | None = None,
    iterations: int = 5,
    gamma: float = 50.0,
    pyramid: bool | None = None,
) -> int:
    """Cut an object out of a photograph by GrabCut: a mask, and the object on a transparent ground.

    Args:
        image: The photograph.
        box: left,top,right,bottom around the object, in pixels; what is outside is background.
        trimap: Or a picture of what is known: 0 background, 1 foreground, 2 and 3 probably so; or 0, 128 and 255.
        out: Where the cut-out goes, photo_cut.png by default; the mask is photo_cut_mask.png beside it.
        mixtures: Colours to begin with if the file exists; those that were learned are written there.
        iterations: How often colours are learned from the cut.
        gamma: The weight of the outline: larger is smoother.
        pyramid: Cut coarse images first; by default those of more than a megapixel.
    """
    place = out or Path(f"{image.stem}_cut.png")
    if place.suffix.lower() not in _PICTURES or place.is_dir():
        raise ArgumentError(f"`--out` (={place}) must be a picture with transparency, such as cut.png.")
    edges = _edges(box) if box is not None else None
    if (box is None) == (trimap is None):
        said = "not by both" if box is not None else "such as --box 50,40,400,380"
        raise ArgumentError(f"Say where the object is by --box left,top,right,bottom or by --trimap, {said}.")
    mask = place.with_name(f"{place.stem}_mask.png")
    for given in (image, trimap):
        if given is not None and given.resolve() in (place.resolve(), mask.resolve()):
            raise ArgumentError(f"`{given}` is what is read, and would be overwritten; choose another --out.")

    import numpy as np
    from PIL import Image

    from intarsia.data.images import read_image
    from intarsia.energies.grabcut import grabcut
    from intarsia.energies.matte import matte
    from intarsia.energies.mixtures import Mixtures
    from intarsia.files import atomic
    from intarsia.kernels.compiled import is_kept
    from intarsia.kernels.mixtures import moments

    photograph = read_image(image)
    known = _codes(trimap) if trimap is not None else None
    begun = Mixtures.load(mixtures) if mixtures is not None and mixtures.exists() else None
    if not is_kept(moments):
        print("The first cut compiles its kernels, which takes a minute; later ones do not.", file=sys.stderr)
    start = time.perf_counter()
    found = grabcut(photograph, edges, known, iterations=iterations, gamma=gamma, mixtures=begun, pyramid=pyramid)
    seconds = time.perf_counter() - start
    alpha = np.rint(255 * matte(photograph, found.foreground)).astype(np.uint8)
    alpha[found.trimap == 0], alpha[found.trimap == 1] = 0, 255  # what is known is not softened
    colours = photograph[..., :3] if photograph.shape[2] >= 3 else photograph[..., [0, 0, 0]]
    for path, pixels in ((mask, np.uint8(255) * found.foreground), (place, np.dstack([colours, alpha]))):
        with atomic(path) as temporary:
            Image.fromarray(pixels).save(temporary)
    if mixtures is not None:
        found.mixtures.save(mixtures)
    height, width = found.foreground.shape
    print(
        f"{found.foreground.mean():.1%} of {width}×{height} pixels are foreground; energy {found.energy[-1]:.0f}; "
        f"{seconds:.2f} s. The cut-out is `{place}`, the mask `{mask}`."
    )
    return 0


def _edges(box: str) -> tuple[int, int, int, int]:
    try:
        left, top, right, bottom = (int(edge) for edge in box.split(","))
    except ValueError as error:
        raise ArgumentError(
            f"`--box` (={box}) must be left,top,right,bottom in whole pixels, as 50,40,400,380."
        ) from error
    return left, top, right, bottom


def _codes(path: Path):  # noqa: ANN202 - NumPy is not imported yet
    """A trimap in a file, spelled by codes or by black, grey and white."""
    import numpy as np

    from intarsia.data.masks import decode_mask
    from intarsia.errors import DataError

    pixels = decode_mask(path)
    values = set(np.unique(pixels).tolist())
    if pixels.ndim != 2 or not (values <= {0, 1, 2, 3} or values <= {0, 128, 255}):
        raise DataError(
            f"`{path}` holds {sorted(values)[:6]}; a trimap holds 0, 1, 2 and 3, or 0 for background, 128 for unknown "
            "and 255 for foreground."
        )
    if values <= {0, 1, 2, 3}:
        return pixels.astype(np.uint8)
    return np.select([pixels == 255, pixels == 128], [1, 3], 0).astype(np.uint8)
