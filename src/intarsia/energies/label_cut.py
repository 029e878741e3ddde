"""Labels from probabilities by minimum cuts: the fewest doubts, the shortest borders, along edges."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from intarsia.energies.alpha_expansion import alpha_expansion
from intarsia.energies.crf_inputs import checked_planes
from intarsia.energies.levels import levels_of
from intarsia.energies.max_flow import GridCut
from intarsia.energies.scene import contrast
from intarsia.errors import ArgumentError
from intarsia.kernels.contrast import contrast_links

_LEAST = 1e-5  # as in the dense CRF: a network's 0 is no proof


def label_cut(
    probabilities: Float[np.ndarray, "K H W"],
    image: Shaped[np.ndarray, "H W *C"],
    *,
    gamma: float = 10.0,
    connectivity: int = 8,
) -> Int[np.ndarray, "H W"]:
    """The labels f of least Σ_p -ln P(f_p) + Σ_pq γ / distance · exp(-β |I_p - I_q|²) · [f_p ≠ f_q].

    The data term is the probability's, the border's cost that of Boykov and Jolly (eq. 3 and 9) with GrabCut's β. Of
    two classes it is the exact minimum, one cut; of more that of expansion moves, which no move improves. Unlike the
    dense CRF it links neighbours only, and gives labels without probabilities.

    Args:
        probabilities: Of K ≥ 2 classes, finite, not negative, sums within 0.01 of one; below 1e-5 they count as that.
        image: Any number of channels, 8 or 16 bits or floating point.
        gamma: γ; a border through an even region costs as much a pixel as a doubt of exp(-γ).
        connectivity: 4 or 8 neighbours.

    Raises:
        ArgumentError: An argument breaks a rule.

    References:
        Boykov, Jolly: Interactive graph cuts, ICCV 2001. Boykov, Veksler, Zabih: Fast approximate energy minimization
        via graph cuts, PAMI 2001.

    >>> probabilities = np.full((2, 3, 4), 0.5)
    >>> probabilities[:, :, :2] = np.array([0.9, 0.1])[:, None, None]
    >>> probabilities[:, 1, 0] = 0.4, 0.6
    >>> label_cut(probabilities, np.zeros((3, 4), np.uint8)).sum()
    np.int64(0)
    """
    if probabilities.ndim != 3 or len(probabilities) < 2 or probabilities.shape[1:] != image.shape[:2]:
        raise ArgumentError(
            f"`probabilities` (of shape {probabilities.shape}) must be (K, H, W) with K from 2 on, for an image of "
            f"shape {image.shape}; of one class stack 1 - p and p."
        )
    if not 0 < gamma <= 1000:
        raise ArgumentError(f"`gamma` (={gamma}) must be above 0 and at most 1000; 10 is usual for probabilities.")
    if connectivity not in (4, 8):
        raise ArgumentError(f"`connectivity` (={connectivity}) must be 4 or 8 neighbours.")
    planes = checked_planes(probabilities)
    levels = levels_of(image)
    beta = contrast(levels, connectivity)
    links = contrast_links(levels.values, connectivity // 2, np.float32(beta), np.float32(gamma))
    costs = -np.log(np.clip(planes, _LEAST, 1))
    if len(costs) == 2:
        return GridCut(links).solve(costs[0] - costs[1]).foreground.astype(np.int64)
    return alpha_expansion(costs, 1.0 - np.eye(len(costs)), links).labels
