"""One image and what is known of it, ready to be cut for any mixtures."""

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from intarsia.energies.levels import Levels
from intarsia.energies.max_flow import GridCut
from intarsia.energies.mixtures import Mixtures
from intarsia.energies.trimap import BACKGROUND, FOREGROUND, Trimap, window_of
from intarsia.kernels.contrast import broken_links, contrast_links, squared_differences

_BEYOND = 9  # times γ: all links of a pixel together are below (4 + 4 / √2) γ


class Scene:
    """The graph of Rother et al. (2004) over the part of an image that is not certain background, or `everywhere`.

    Attributes:
        levels: the whole image.
        trimap: the whole trimap; whoever changes it calls `tie`.
        window: rows and columns of that part; the solver knows no other pixels.
    """

    def __init__(
        self, levels: Levels, trimap: Trimap, gamma: float, connectivity: int, everywhere: bool = False
    ) -> None:
        self.levels, self.trimap = levels, trimap
        self.window = (slice(0, trimap.shape[0]), slice(0, trimap.shape[1])) if everywhere else window_of(trimap)
        self._gamma = gamma
        inside = np.ascontiguousarray(levels.values[self.window])
        self._inside = Levels(inside, levels.black, levels.step)
        beta = contrast(levels, connectivity)
        self._links = contrast_links(inside, connectivity // 2, np.float32(beta), np.float32(gamma))
        self.solver = GridCut(self._links)

    def terminals(self, mixtures: Mixtures, mixed: bool) -> Float32[np.ndarray, "h w"]:
        """What each pixel of the window costs more on the background's side; infinite where its side is known.

        Costs are clipped where no links could hold them, which changes no cut.
        """
        return self._terminals(self._inside, self.trimap[self.window], mixtures, mixed)

    def tie(
        self, places: Int[np.ndarray, " n"], mixtures: Mixtures, mixed: bool, budget_seconds: float | None = None
    ) -> bool:
        """After the trimap has changed at some places (row · W + column): cut again, as far as the time allows.

        Returns false, and does nothing, if the window is too small for them.
        """
        known = self.trimap.reshape(-1)[places]
        rows, columns = np.divmod(places, self.trimap.shape[1])
        (top, bottom), (left, right) = ((part.start, part.stop) for part in self.window)
        inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        if known[~inside].any():
            return False
        rows, columns, known = rows[inside], columns[inside], known[inside]
        samples = Levels(self.levels.values[rows, columns][:, None], self.levels.black, self.levels.step)
        terminals = self._terminals(samples, known[:, None], mixtures, mixed)[:, 0]
        self.solver.change(rows - top, columns - left, terminals, budget_seconds)
        return True

    def _terminals(
        self, levels: Levels, known: UInt8[np.ndarray, "h w"], mixtures: Mixtures, mixed: bool
    ) -> Float32[np.ndarray, "h w"]:
        differences = mixtures.background.costs(levels, mixed)
        differences -= mixtures.foreground.costs(levels, mixed)
        limit = np.float32(_BEYOND * self._gamma)
        np.clip(differences, -limit, limit, out=differences)
        differences[known == BACKGROUND] = -np.inf
        differences[known == FOREGROUND] = np.inf
        return differences

    def cut(self, mixtures: Mixtures, mixed: bool) -> Bool[np.ndarray, "H W"]:
        """The labels of least energy for these mixtures, and among them those with the least foreground."""
        self.solver.solve(self.terminals(mixtures, mixed))
        return self.labels()

    def labels(self) -> Bool[np.ndarray, "H W"]:
        """Those that the solver has come to, among the background around the window."""
        foreground = np.zeros(self.trimap.shape, np.bool_)
        foreground[self.window] = self.solver.foreground
        return foreground

    def boundary(self, foreground: Bool[np.ndarray, "H W"]) -> float:
        """What the outline costs: V of Rother et al., eq. 11."""
        return float(broken_links(self._links, foreground[self.window]))


def contrast(levels: Levels, connectivity: int) -> float:
    """β = 1 / (2 · the mean of |z_p - z_q|² over all neighbours), Rother et al., eq. 5; 0 if no colours differ."""
    height, width = levels.values.shape[:2]
    pairs = height * (width - 1) + (height - 1) * width + (connectivity == 8) * 2 * (height - 1) * (width - 1)
    squares = squared_differences(levels.values, connectivity // 2)
    return pairs / (2 * squares) if squares > 0 else 0.0
