"""GrabCut: an object cut out of a box, by colours that are learned from the cut itself.

Rother, Kolmogorov, Blake, "GrabCut": Interactive Foreground Extraction using Iterated Graph Cuts, SIGGRAPH 2004.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Shaped

from intarsia.energies.learning import cut_once, learn
from intarsia.energies.levels import Levels, levels_of
from intarsia.energies.mixtures import Mixtures
from intarsia.energies.scene import Scene
from intarsia.energies.settings import Settings
from intarsia.energies.trimap import Trimap, checked_trimap, trimap_of_box, with_labels
from intarsia.errors import ArgumentError

LARGE = 1_000_000  # pixels from which on coarse images come first


@dataclass(frozen=True)
class GrabCut:
    """An object and what was learned about it.

    Attributes:
        foreground: the object.
        trimap: what was known, and the cut where nothing was: the start of another call.
        energy: after each iteration at full size: what the labels cost under the mixtures that they were cut with.
        mixtures: those of the last cut, for `mixtures=` of another call.
    """

    foreground: Bool[np.ndarray, "H W"]
    trimap: Trimap
    energy: tuple[float, ...]
    mixtures: Mixtures


def grabcut(
    image: Shaped[np.ndarray, "H W *C"],
    box: tuple[int, int, int, int] | None = None,
    trimap: Shaped[np.ndarray, "H W"] | None = None,
    *,
    iterations: int = 5,
    components: int = 5,
    gamma: float = 50.0,
    connectivity: Literal[4, 8] = 8,
    data_term: Literal["component", "mixture"] = "component",
    seed: int = 0,
    mixtures: Mixtures | None = None,
    mode: Literal["learn", "frozen"] = "learn",
    pyramid: bool | None = None,
) -> GrabCut:
    """Cut an object out of an image.

    Each iteration gives every pixel to a component of its side's mixture, fits the mixtures, and takes the labels of
    least energy, the minimum cut of a graph. The energy is U + V of the paper: U sums -log π - log N(z; μ, Σ) (without
    C/2 · log 2π, in levels of 1/255 of the image's range) over all pixels, V sums γ / distance · exp(-β |z_p - z_q|²)
    over the neighbours that the outline parts. With the paper's data term, that of the assigned component, it never
    rises. The same arguments give the same answer.

    Where this differs from the paper and from OpenCV: variances are never below 1/12 of a squared level, what rounding
    leaves unknown (OpenCV adds 0.01 to singular matrices only); components are assigned with their weights, as in the
    paper (OpenCV leaves them out); k-means++ starts from a sample, and the first colours are learned in quarter size,
    from the best of four beginnings that set the sides apart, and in half size. With ``pyramid`` another course leads
    to another minimum: the image in quarter, half and full size with γ / 4, γ / 2 and γ. Each cut is exact for its
    size.

    Args:
        image: Any number of channels, 8 or 16 bits or floating point.
        box: ``(left, top, right, bottom)`` around the object; what is outside is background.
        trimap: Or what is known of each pixel: 0 background, 1 foreground, 2 and 3 probably so.
        iterations: At full size; with the pyramid one less in quarter size, one in half size, two at full size.
        components: Of each mixture.
        gamma: The weight of the outline, γ.
        connectivity: 4 or 8 neighbours.
        data_term: "component" as in the paper, or "mixture" as OpenCV has it: the energy may then rise.
        seed: Of the sample and of k-means++.
        mixtures: Those of an earlier cut, to begin with.
        mode: "frozen" keeps the given mixtures: one exact cut and no iterations.
        pyramid: Coarse images first; by default for those of more than a megapixel.

    Raises:
        ArgumentError: an argument breaks a rule, or no pixel is left for one of the sides.

    >>> image = np.zeros((20, 30, 3), np.uint8)
    >>> image[5:15, 10:20] = (200, 30, 30)
    >>> cut = grabcut(image, box=(8, 3, 22, 17))
    >>> cut.foreground.sum(), cut.foreground[5:15, 10:20].all()
    (np.int64(100), np.True_)
    """
    settings = Settings(iterations, components, gamma, connectivity, data_term, seed)
    levels = levels_of(image)
    size = levels.values.shape[:2]
    known = known_trimap(box, trimap, size)
    check_mixtures(mixtures, mode, levels)
    if mode == "frozen" and mixtures is not None:
        turns = [cut_once(Scene(levels, known, gamma, connectivity), mixtures, settings.mixed)[0]]
    else:
        coarse_first = size[0] * size[1] > LARGE if pyramid is None else pyramid
        turns = list(learn(levels, known, settings, mixtures, coarse_first))
    last = turns[-1]
    energy = tuple(turn.energy for turn in turns if turn.scene is last.scene)
    return GrabCut(last.foreground, with_labels(known, last.foreground), energy, last.mixtures)


def known_trimap(
    box: tuple[int, int, int, int] | None, trimap: Shaped[np.ndarray, "..."] | None, size: tuple[int, int]
) -> Trimap:
    """What either says, and exactly one of them is given."""
    if box is not None and trimap is None:
        return trimap_of_box(box, size)
    if trimap is not None and box is None:
        return checked_trimap(trimap, size)
    raise ArgumentError("Say where the object is, either by `box` or by `trimap`.")


def check_mixtures(mixtures: Mixtures | None, mode: str, levels: Levels) -> None:
    """They fit the mode and the image."""
    if mode not in ("learn", "frozen"):
        raise ArgumentError(f"`mode` (={mode!r}) must be 'learn' or 'frozen'.")
    if mode == "frozen" and mixtures is None:
        raise ArgumentError(
            "`mode` (='frozen') keeps given mixtures: give `mixtures`, such as those of an earlier cut."
        )
    channels = levels.values.shape[2]
    if mixtures is not None and mixtures.channels != channels:
        raise ArgumentError(
            f"`mixtures` are of {mixtures.channels} channels and the image has {channels}; learn them from such images."
        )
