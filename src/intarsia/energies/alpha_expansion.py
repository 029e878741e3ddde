"""Labels of many classes by expansion moves: each is one minimum cut."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from intarsia.energies.max_flow import GridCut
from intarsia.errors import ArgumentError
from intarsia.kernels.max_flow.grid import NEIGHBOURS


@dataclass(frozen=True)
class Expansion:
    """Labels that no expansion move improves.

    Attributes:
        labels: class of each pixel.
        energies: at the start and after each sweep over the classes; never rising.
    """

    labels: Int[np.ndarray, "H W"]
    energies: tuple[float, ...]


def alpha_expansion(
    unary: Float[np.ndarray, "K H W"],
    pairwise: Float[np.ndarray, "K K"],
    edges: Float[np.ndarray, "H W D"] | None = None,
    *,
    sweeps: int = 10,
) -> Expansion:
    """Approximately minimise E(f) = Σ_p unary[f_p, p] + Σ_pq edges_pq · pairwise[f_p, f_q] over all labelings f.

    A move lets any set of pixels take one class α and all others keep theirs; the best move is a minimum cut. Starting
    from the cheapest class of each pixel, classes are swept until a whole sweep improves nothing. The result costs at
    most 2 · max / min of the pairwise costs between classes, times the minimum.

    Where this differs from the paper: no auxiliary nodes. The term of a pair is written as a symmetric edge and linear
    terms, (1 - x)·y = ½·[x ≠ y] + ½·(y - x), so that each move is a cut of the pixel grid.

    Args:
        unary: Cost of each class at each pixel.
        pairwise: A metric: symmetric, 0 on the diagonal and positive elsewhere, no way round being shorter.
        edges: Weights of neighbours as ``GridCut`` takes them; by default 1 between each of four neighbours.
        sweeps: At most so many.

    Raises:
        ArgumentError: If ``pairwise`` is no metric, a unary cost is not finite, or the shapes disagree.

    References:
        Boykov, Veksler, Zabih: Fast approximate energy minimization via graph cuts, PAMI 2001, section 5.

    >>> unary = np.array([[[0.0, 2.0, 0.0]], [[3.0, 1.0, 3.0]]])
    >>> alpha_expansion(unary, np.array([[0.0, 1.0], [1.0, 0.0]])).labels
    array([[0, 0, 0]])
    """
    K, height, width = unary.shape
    links = np.ones((height, width, 2)) if edges is None else np.asarray(edges, np.float64)
    _check(unary, pairwise, links)
    labels = unary.argmin(axis=0)
    energies = [_energy(labels, unary, pairwise, links)]
    for _ in range(sweeps):
        best = energies[-1]
        for alpha in range(K):
            moved = np.where(_move(alpha, labels, unary, pairwise, links), alpha, labels)
            energy = _energy(moved, unary, pairwise, links)
            if energy < best:
                labels, best = moved, energy
        energies.append(best)
        if best == energies[-2]:
            break
    return Expansion(labels, tuple(energies))


def _check(unary: np.ndarray, pairwise: np.ndarray, edges: np.ndarray) -> None:
    K, *size = unary.shape
    if not np.isfinite(unary).all():
        raise ArgumentError("`unary` holds a cost that is not finite; give forbidden classes a large one.")
    if edges.shape[:2] != tuple(size) or pairwise.shape != (K, K):
        raise ArgumentError(
            f"`unary` {unary.shape}, `pairwise` {pairwise.shape} and `edges` {edges.shape} must be (K, H, W), (K, K) "
            "and (H, W, 2 or 4); pass them for the same classes and pixels."
        )
    around = (pairwise[:, :, None] + pairwise[None]).min(axis=1)
    apart = pairwise[~np.eye(K, dtype=bool)]
    if (
        np.diagonal(pairwise).any()
        or (pairwise != pairwise.T).any()
        or not (apart > 0).all()
        or (pairwise > around * (1 + 1e-9)).any()
    ):
        raise ArgumentError(
            "`pairwise` must be a metric (symmetric, 0 only on the diagonal, no way round being shorter); truncate or "
            "symmetrise it, for otherwise a move is no cut."
        )


def _pairs(edges: np.ndarray) -> list[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
    """For each direction the pixels that have a neighbour there, and these neighbours."""
    height, width, kinds = edges.shape
    found = []
    for kind, (down, right) in enumerate(NEIGHBOURS[:kinds]):
        here, there = slice(max(0, -right), width - max(0, right)), slice(max(0, right), width + min(0, right))
        found.append((kind, (slice(0, height - down), here), (slice(down, height), there)))
    return found


def _energy(labels: np.ndarray, unary: np.ndarray, pairwise: np.ndarray, edges: np.ndarray) -> float:
    total = np.take_along_axis(unary, labels[None], axis=0).sum(dtype=np.float64)
    for kind, here, there in _pairs(edges):
        total += (edges[..., kind][here] * pairwise[labels[here], labels[there]]).sum()
    return float(total)


def _move(alpha: int, labels: np.ndarray, unary: np.ndarray, pairwise: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The pixels that take α in the best move.

    With x = 1 for those, a pair costs stay · (1-x)(1-y) + second_moves · (1-x) y + first_moves · x (1-y).
    """
    terminals = np.take_along_axis(unary, labels[None], axis=0)[0] - unary[alpha].astype(np.float64)
    links = np.zeros_like(edges)
    for kind, here, there in _pairs(edges):
        weight, first, second = edges[..., kind][here], labels[here], labels[there]
        stay, second_moves, first_moves = (
            weight * pairwise[first, second],
            weight * pairwise[first, alpha],
            weight * pairwise[alpha, second],
        )
        half = np.maximum(second_moves + first_moves - stay, 0) / 2
        links[..., kind][here] = half
        terminals[here] -= first_moves - stay - half
        terminals[there] -= half - first_moves
    return GridCut(links).solve(terminals).foreground
