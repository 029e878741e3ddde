"""Where GrabCut begins: colours that set both sides apart, learned on a small image, where tries cost little."""

import numpy as np
from jaxtyping import Bool, UInt8

from intarsia.energies.levels import Levels
from intarsia.energies.mixtures import Mixtures, first_mixture
from intarsia.energies.scene import Scene
from intarsia.energies.settings import Settings
from intarsia.energies.trimap import FOREGROUND, Trimap, carried, probably

_Size = tuple[Levels, UInt8[np.ndarray, "_ _"]]  # an image and its trimap

_BEGINNINGS, _CUTS, _FITS = 4, 2, 3  # cuts of each, and fits to the labels of each cut
_SAMPLE = 1 << 12  # pixels of k-means
_HALF = 2  # cuts in half size


def begin(half: _Size, quarter: _Size, settings: Settings) -> tuple[Bool[np.ndarray, "h w"], Mixtures]:
    """The best beginning in quarter size, with γ / 4, and what two cuts in half size make of it, with γ / 2."""
    foreground, mixtures = best_beginning(Scene(*quarter, settings.gamma / 4, settings.connectivity), settings)
    scene = Scene(*half, settings.gamma / 2, settings.connectivity)
    foreground = carried(foreground, scene.trimap)
    mixtures, _ = mixtures.refitted(scene.levels, foreground)
    for _ in range(_HALF):
        foreground = scene.cut(mixtures, settings.mixed)
        mixtures, _ = mixtures.refitted(scene.levels, foreground)
    return foreground, mixtures


def best_beginning(scene: Scene, settings: Settings) -> tuple[Bool[np.ndarray, "H W"], Mixtures]:
    """Several first mixtures, each with a few cuts: the labels of least energy, and the mixtures fitted to them.

    Between cuts the mixtures are fitted several times, not once: energies of labels whose mixtures are not yet fitted
    well say more about the fit than about the labels.
    """
    generator, found = np.random.default_rng(settings.seed), []
    for _ in range(_BEGINNINGS):
        mixtures = contrasting_mixtures(scene.levels, scene.trimap, settings.components, generator)
        foreground, cost = probably(scene.trimap), 0.0
        for _ in range(_CUTS):
            foreground = scene.cut(mixtures, settings.mixed)
            for _ in range(_FITS):
                mixtures, cost = mixtures.refitted(scene.levels, foreground)
        found.append((cost + scene.boundary(foreground), foreground, mixtures))
    _, foreground, mixtures = min(found, key=lambda each: each[0])
    return foreground, mixtures


def contrasting_mixtures(levels: Levels, trimap: Trimap, components: int, generator: np.random.Generator) -> Mixtures:
    """That of the supposed background, and that of the supposed foreground's half which is least like it.

    A box holds much background around its object: a mixture of all of it would claim the background's colours, too.
    Known foreground always counts.
    """
    supposed = probably(trimap)
    background = first_mixture(levels, ~supposed, components, generator, _SAMPLE)
    costs = background.costs(levels)
    unlike = supposed & ((costs > np.median(costs[supposed])) | (trimap == FOREGROUND))
    chosen = unlike if unlike.any() else supposed
    return Mixtures(background, first_mixture(levels, chosen, components, generator, _SAMPLE))
