"""The files of a cut: trimaps by codes or by greys, masks, and objects on a transparent ground."""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from intarsia.data.masks import decode_mask
from intarsia.energies.grabcut import GrabCut
from intarsia.energies.matte import matte
from intarsia.energies.trimap import BACKGROUND, FOREGROUND, Trimap
from intarsia.errors import DataError
from intarsia.files import atomic

_GREYS = {0: 0, 85: 2, 128: 3, 170: 3, 255: 1}  # what stands for which code


def read_trimap(path: Path) -> Trimap:
    """The codes of a picture that holds 0, 1, 2 and 3, or greys.

    Raises:
        DataError: it holds something else, or cannot be read.
    """
    pixels = decode_mask(path)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():  # greys that a painting program saved as colours
        pixels = pixels[..., 0]
    values = set(np.unique(pixels).tolist())
    if pixels.ndim == 2 and values <= {0, 1, 2, 3}:
        return pixels.astype(np.uint8)
    if pixels.ndim == 2 and values <= _GREYS.keys():
        codes = np.zeros(256, np.uint8)
        codes[list(_GREYS)] = list(_GREYS.values())
        return codes[pixels]
    raise DataError(
        f"`{path}` holds {sorted(values)[:6]}; a trimap holds 0, 1, 2 and 3, or greys: 0 for background, 255 for "
        "foreground, 128 for unknown, 85 for probably background and 170 for probably foreground."
    )


def write_trimap(path: Path, trimap: Trimap) -> None:
    """As a picture that holds codes and shows greys, so that it can be painted on and read again."""
    picture = Image.fromarray(trimap)
    picture.putpalette([grey for grey in (0, 255, 85, 170) for _ in range(3)])
    with atomic(path) as temporary:
        picture.save(temporary, format="PNG")


def write_mask_and_cut_out(mask: Path, cut_out: Path, photograph: Shaped[np.ndarray, "H W C"], cut: GrabCut) -> None:
    """Black and white, and the photograph's colours with a matte; what is known is not softened."""
    alpha = np.rint(255 * matte(photograph, cut.foreground)).astype(np.uint8)
    alpha[cut.trimap == BACKGROUND], alpha[cut.trimap == FOREGROUND] = 0, 255
    colours = photograph[..., :3] if photograph.shape[2] >= 3 else photograph[..., [0, 0, 0]]
    for path, pixels in ((mask, np.uint8(255) * cut.foreground), (cut_out, np.dstack([colours, alpha]))):
        with atomic(path) as temporary:
            Image.fromarray(pixels).save(temporary)
