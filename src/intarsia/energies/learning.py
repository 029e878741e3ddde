"""The iterations of GrabCut: colours from labels, labels from colours, in one size or from coarse to fine."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from intarsia.energies.beginning import begin
from intarsia.energies.levels import Levels
from intarsia.energies.mixtures import Mixtures, first_mixture
from intarsia.energies.scene import Scene
from intarsia.energies.settings import Settings
from intarsia.energies.trimap import Trimap, carried, halved_trimap, probably
from intarsia.errors import ArgumentError
from intarsia.kernels.contrast import halved

_COARSER, _LEAST_SIDE = 2, 64  # at most so many times halved, and no image below so many pixels a side


@dataclass(frozen=True)
class Turn:
    """What one iteration came to.

    Attributes:
        scene: what was cut; its levels may be those of a smaller image.
        foreground: the labels, at the scene's size.
        mixtures: what they were cut with.
        energy: what the labels cost under them.
    """

    scene: Scene
    foreground: Bool[np.ndarray, "H W"]
    mixtures: Mixtures
    energy: float


def cut_once(scene: Scene, mixtures: Mixtures, mixed: bool) -> tuple[Turn, Mixtures]:
    """Labels of least energy for given mixtures, and mixtures fitted to these labels."""
    foreground = scene.cut(mixtures, mixed)
    fitted, cost = mixtures.refitted(scene.levels, foreground)
    if mixed:
        sides = (side.costs(scene.levels, mixed) for side in (mixtures.foreground, mixtures.background))
        cost = float(np.where(foreground, *sides).sum(dtype=np.float64))
    return Turn(scene, foreground, mixtures, scene.boundary(foreground) + cost), fitted


def learn(
    levels: Levels, trimap: Trimap, settings: Settings, mixtures: Mixtures | None = None, pyramid: bool = False
) -> Iterator[Turn]:
    """Iteration after iteration, each done when it is asked for.

    A pyramid takes one iteration less than `settings` says in quarter size with γ / 4, one in half size with γ / 2 and
    two in full size; sizes that are too small to hold both sides are left out. Without a pyramid and without mixtures
    to begin with, images that have a quarter size begin there, and go on to two cuts in half size with γ / 2 and to the
    iterations in full size: a first cut in full size would by far be the longest.

    Raises:
        ArgumentError: no pixel is supposed to be foreground, or none background.
    """
    check_sides(trimap)
    sizes = list(_sizes(levels, trimap)) if pyramid or mixtures is None else [(levels, trimap)]
    sizes, smaller = (sizes, []) if pyramid else (sizes[:1], sizes[1:])
    foreground = probably(sizes[-1][1])
    if mixtures is None and len(smaller) == _COARSER:
        half, quarter = smaller
        foreground, mixtures = begin(half, quarter, settings)
    elif mixtures is None:
        generator = np.random.default_rng(settings.seed)
        sides = (
            first_mixture(sizes[-1][0], side, settings.components, generator) for side in (~foreground, foreground)
        )
        mixtures = Mixtures(*sides)
    for depth in reversed(range(len(sizes))):
        scene = Scene(*sizes[depth], settings.gamma / 2**depth, settings.connectivity)
        foreground = carried(foreground, scene.trimap)
        mixtures, _ = mixtures.refitted(scene.levels, foreground)
        for _ in range(_rounds(settings.iterations, depth, len(sizes))):
            turn, mixtures = cut_once(scene, mixtures, settings.mixed)
            foreground = turn.foreground
            yield turn


def check_sides(trimap: Trimap) -> None:
    """Both need a pixel to learn from."""
    supposed = probably(trimap)
    for name, empty, codes in (
        ("foreground", not supposed.any(), "1 or 3"),
        ("background", bool(supposed.all()), "0 or 2"),
    ):
        if empty:
            raise ArgumentError(f"`trimap` leaves the {name} no pixel to learn its colours from: mark some by {codes}.")


def _sizes(levels: Levels, trimap: Trimap) -> Iterator[tuple[Levels, Trimap]]:
    """Full, half and quarter size, as long as both sides are left."""
    yield levels, trimap
    for _ in range(_COARSER):
        rounding = np.float32(levels.values.dtype == np.uint8) / 2
        levels, trimap = Levels(halved(levels.values, rounding), levels.black, levels.step), halved_trimap(trimap)
        if min(trimap.shape) < _LEAST_SIDE or probably(trimap).all() or not probably(trimap).any():
            return
        yield levels, trimap


def _rounds(iterations: int, depth: int, depths: int) -> int:
    if depths == 1:
        return iterations
    if depth == depths - 1:
        return max(1, iterations - 1)
    return min(2, iterations) if depth == 0 else 1
