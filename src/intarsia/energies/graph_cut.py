"""Interactive graph cut: an object and its background are marked, and the best outline between the marks is found.

Boykov, Jolly: Interactive graph cuts for optimal boundary & region segmentation of objects in N-D images, ICCV 2001.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped

from intarsia.energies.levels import LEVELS, Levels, levels_of
from intarsia.energies.mixtures import first_mixture
from intarsia.energies.scene import Scene
from intarsia.energies.trimap import BACKGROUND, FOREGROUND, Trimap, checked_trimap, with_labels
from intarsia.errors import ArgumentError


@dataclass(frozen=True)
class GraphCut:
    """An object.

    Attributes:
        foreground: the object.
        trimap: what was known, and the cut where nothing was.
        energy: of the cut, up to a constant that all labelings share.
        flow: the maximum flow, equal to the energy.
    """

    foreground: Bool[np.ndarray, "H W"]
    trimap: Trimap
    energy: float
    flow: float


def graph_cut(
    image: Shaped[np.ndarray, "H W *C"],
    trimap: Shaped[np.ndarray, "H W"],
    *,
    data_term: Literal["mixture", "histogram"] | Float[np.ndarray, "H W"] = "mixture",
    data_weight: float = 1.0,
    gamma: float = 50.0,
    connectivity: Literal[4, 8] = 8,
    bins: int = 32,
    components: int = 5,
    seed: int = 0,
) -> GraphCut:
    """Cut an object out of an image by what is known of some pixels.

    The labels are the minimum of λ Σ_p R_p + Σ_pq B_pq, where R is -ln of the likelihood of a pixel's colour among the
    seeds of its side (eq. 2 and 8) and B = γ / distance · exp(-β |I_p - I_q|²) between neighbours on different sides
    (eq. 3 and 9), β = 1 / (2 · the mean of |I_p - I_q|²). Seeds never change sides. The same arguments give the same
    answer; between equal cuts it is the one with the least foreground.

    Seeds are the pixels with 0 and 1; a side without any takes the colours of those that are probably its own, which
    still may change sides.

    Where this differs from the paper: β is taken from the image, as in GrabCut, instead of a σ of the camera's noise;
    colour is a mixture of Gaussians or a product of histograms of the channels, not one histogram of grey.

    Args:
        image: Any number of channels, 8 or 16 bits or floating point.
        trimap: 0 background, 1 foreground, 2 and 3 unknown, probably background and foreground.
        data_term: "mixture" or "histogram", or R_p of the background minus R_p of the foreground for each pixel, such
            as a network's logit.
        data_weight: λ.
        gamma: γ, the weight of the outline.
        connectivity: 4 or 8 neighbours.
        bins: Of a channel's histogram.
        components: Of a side's mixture.
        seed: Of the mixtures' first guess.

    Raises:
        ArgumentError: An argument breaks a rule, or no pixel tells what a side looks like.

    >>> image = np.zeros((20, 30), np.uint8)
    >>> image[5:15, 10:20] = 200
    >>> trimap = np.full((20, 30), 2, np.uint8)
    >>> trimap[0], trimap[10, 15] = 0, 1
    >>> graph_cut(image, trimap, data_term="histogram").foreground.sum()
    np.int64(100)
    """
    levels = levels_of(image)
    known = checked_trimap(trimap, levels.values.shape[:2])
    _check(data_term, data_weight, gamma, connectivity, bins, components, known)
    scene = Scene(levels, known, gamma, connectivity)
    if isinstance(data_term, str):
        background, foreground = (_seeds(known, side) for side in (BACKGROUND, FOREGROUND))
        if data_term == "mixture":
            generator = np.random.default_rng(seed)
            sides = [first_mixture(levels, seeds, components, generator) for seeds in (background, foreground)]
            inside = Levels(np.ascontiguousarray(levels.values[scene.window]), levels.black, levels.step)
            costs = [side.costs(inside, mixed=True) for side in sides]
        else:
            costs = [_histogram_costs(levels, seeds, bins)[scene.window] for seeds in (background, foreground)]
        ratio = costs[0] - costs[1]
    else:
        ratio = data_term[scene.window]
    terminals = ratio * float(data_weight)
    part = known[scene.window]
    terminals[part == BACKGROUND], terminals[part == FOREGROUND] = -np.inf, np.inf
    solver = scene.solver.solve(terminals)
    labels = scene.labels()
    return GraphCut(labels, with_labels(known, labels), solver.energy, solver.flow)


def _seeds(trimap: Trimap, side: int) -> Bool[np.ndarray, "H W"]:
    seeds = trimap == side
    seeds = seeds if seeds.any() else trimap == side + 2
    if not seeds.any():
        name = ("background", "foreground")[side]
        raise ArgumentError(
            f"`trimap` holds no {name} ({side}, or at least {side + 2}), so that its colours are unknown: mark some, "
            "or give a `data_term` for each pixel."
        )
    return seeds


def _histogram_costs(levels: Levels, seeds: Bool[np.ndarray, "H W"], bins: int) -> Float32[np.ndarray, "H W"]:
    """-ln of the product of the channels' histograms; one pixel more in every bin leaves no colour impossible."""
    places = (levels.values * (bins / (LEVELS + 1))).astype(np.int64)
    total = np.zeros(seeds.shape, np.float32)
    for channel in range(places.shape[2]):
        counts = np.bincount(places[..., channel][seeds], minlength=bins) + 1.0
        total -= np.log(counts / counts.sum()).astype(np.float32)[places[..., channel]]
    return total


def _check(
    data_term: str | np.ndarray,
    data_weight: float,
    gamma: float,
    connectivity: int,
    bins: int,
    components: int,
    trimap: Trimap,
) -> None:
    if isinstance(data_term, str):
        if data_term not in ("mixture", "histogram"):
            raise ArgumentError(
                f"`data_term` (={data_term!r}) must be 'mixture', 'histogram' or an array with a number for each pixel."
            )
    elif data_term.shape != trimap.shape or np.isnan(data_term).any():
        raise ArgumentError(
            f"`data_term` (of shape {data_term.shape}) must hold a number, not NaN, for each pixel of the image "
            f"{trimap.shape}; pass 0 where nothing is known."
        )
    for name, value in (("data_weight", data_weight), ("gamma", gamma)):
        if not 0 < value <= 1000:
            raise ArgumentError(
                f"`{name}` (={value}) must be above 0 and at most 1000; 50 for γ and 1 for λ are usual."
            )
    if connectivity not in (4, 8):
        raise ArgumentError(f"`connectivity` (={connectivity}) must be 4 or 8 neighbours.")
    if not 2 <= bins <= 256:
        raise ArgumentError(f"`bins` (={bins}) must be from 2 to 256; 32 are usual.")
    if components < 1:
        raise ArgumentError(f"`components` (={components}) must be at least 1; 5 are usual.")
