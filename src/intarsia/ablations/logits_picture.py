"""What trained networks answer, magnified until single pixels show: patterns that a score hides."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from intarsia.ablations.trials import Trial
from intarsia.shapes import RGBImage

SHOWN, MAGNIFIED, GAP = 40, 6, 6  # pixels of the mosaic a side, how large each is drawn, and between tiles
WHITE = 255


def logits_picture(trials: Sequence[Trial]) -> RGBImage:
    """The middle of a validation mosaic, then each network's logit of the material that lies there mostly, in grey.

    Each tile goes from black at its first percentile to white at its last, so that networks of any confidence compare.
    """
    from intarsia.inference import load

    sample = trials[0].mosaics.dataset().split("val")[0]
    rows, columns = ((side - SHOWN) // 2 for side in sample.shape())
    window = slice(rows, rows + SHOWN), slice(columns, columns + SHOWN)
    material = np.bincount(sample.mask()[window].ravel()).argmax()
    tiles = [sample.image()[window]]
    for trial in trials:
        logits = load(trial.folder).predict(sample.image()).logits
        assert logits is not None, "a mosaic is small enough"
        tiles.append(np.repeat(grey(logits[material][window])[..., None], 3, axis=2))
    large = [np.kron(tile, np.ones((MAGNIFIED, MAGNIFIED, 1), np.uint8)) for tile in tiles]
    gap = np.full((large[0].shape[0], GAP, 3), WHITE, np.uint8)
    return np.concatenate([part for tile in large for part in (gap, tile)][1:], axis=1)


def grey(values: Float[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"]:
    """From the first to the 99th percentile, as 0 … 255.

    >>> grey(np.linspace(-1, 1, 100, dtype=np.float32).reshape(10, 10)).min()
    np.uint8(0)
    """
    low, high = np.percentile(values, (1, 99))
    return np.round(255 * np.clip((values - low) / max(high - low, 1e-12), 0, 1)).astype(np.uint8)
