"""The permutohedral lattice in plain PyTorch: Gaussian filtering in d dimensions on any device, in any precision.

Adams, Baek & Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice", Eurographics 2010. It computes
what :class:`intarsia.kernels.permutohedral.general.Permutohedral` does, as operations on whole tensors: vertices are
found by sorting their keys where that one hashes them. The images of a batch share one lattice and no vertex.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

KEYS = 2**62  # so many different keys are told apart in one number

Vertices = Int64[Tensor, "V D"]


class Lattice:
    """Filters values by exp(−½ |f_i − f_j|²) over the features of one image at a time, unnormalised, self included.

    Sums come out too small by a few parts in a hundred; quotients of two of them are right.

    >>> lattice = Lattice(torch.tensor([[[0.0], [0.1], [9.0]]]))
    >>> sums = lattice.filter(torch.ones(1, 3, 1))
    >>> (lattice.filter(torch.tensor([[[1.0], [3.0], [5.0]]])) / sums).flatten().round(decimals=1)
    tensor([2., 2., 5.])
    """

    def __init__(self, features: Float[Tensor, "B N d"]) -> None:
        batch, positions, dimensions = features.shape
        corners, weights = _simplices(features.flatten(0, 1))
        images = torch.arange(batch, device=features.device).repeat_interleave(positions * (dimensions + 1))
        keys = torch.cat([images[:, None], corners.flatten(0, 1)], dim=1)
        numbering = Numbering(keys, margin=dimensions)
        self.weights = weights
        self.vertices = numbering.numbers.view(-1, dimensions + 1)
        self.count = int(numbering.numbers.max()) + 1
        self.alpha = 1 / (1 + 2.0**-dimensions)  # what the blurs make of one vertex's value, pydensecrf's choice
        own = keys.new_empty(self.count, dimensions + 1)
        own[numbering.numbers] = keys
        steps = _steps(dimensions, features.device)
        self.neighbours = [(self._find(numbering, own + s), self._find(numbering, own - s)) for s in steps]

    def filter(self, values: Float[Tensor, "B N C"], transposed: bool = False) -> Float[Tensor, "B N C"]:
        """Splat, blur along each axis, slice; ``transposed`` is the adjoint: the axes in the opposite order."""
        rows = values.flatten(0, 1)
        total = rows.new_zeros(self.count + 1, rows.shape[1])  # the last one is for neighbours that there are not
        for vertex, weight in self._corners():
            total.index_add_(0, vertex, rows * weight)
        for before, behind in reversed(self.neighbours) if transposed else self.neighbours:
            blurred = (total[before] + total[behind]).mul_(0.5)
            total[:-1] += blurred
        result = torch.zeros_like(rows)
        for vertex, weight in self._corners():
            result.addcmul_(total[vertex], weight, value=self.alpha)
        return result.view(values.shape)

    def _corners(self) -> Iterator[tuple[Tensor, Tensor]]:
        for corner in range(self.vertices.shape[1]):
            yield self.vertices[:, corner], self.weights[:, corner, None]

    def _find(self, numbering: "Numbering", keys: Vertices) -> Int64[Tensor, " V"]:
        numbers, there = numbering.find(keys)
        return torch.where(there, numbers, self.count)


class Numbering:
    """Gives each different row of whole numbers a number, and finds the number of a row.

    Columns are joined to one number as long as its range allows, which is then replaced by its place among those that
    occur: nothing overflows, however many columns there are. Rows to be found may lie ``margin`` outside.

    >>> numbering = Numbering(torch.tensor([[5, 1], [4, 2], [5, 1]]), margin=1)
    >>> numbering.numbers.tolist()
    [1, 0, 1]
    >>> [x.tolist() for x in numbering.find(torch.tensor([[4, 2], [4, 3]]))]
    [[0, 0], [True, False]]
    """

    def __init__(self, rows: Int64[Tensor, "V D"], margin: int) -> None:
        lowest, highest = rows.amin(0) - margin, rows.amax(0) + margin
        self.lowest, self.ranges = lowest, (highest - lowest + 1).tolist()
        self.tables: list[tuple[int, Tensor]] = []  # before which column the numbers so far are replaced, and by what
        self.numbers = torch.zeros_like(rows[:, 0])
        size = 1
        for column, span in enumerate(self.ranges):
            if size * span > KEYS:
                size = self._replace(column)
            self.numbers = self.numbers * span + (rows[:, column] - lowest[column])
            size *= span
        self._replace(len(self.ranges))

    def _replace(self, column: int) -> int:
        table, self.numbers = torch.unique(self.numbers, return_inverse=True)
        self.tables.append((column, table))
        return len(table)

    def find(self, rows: Int64[Tensor, "V D"]) -> tuple[Int64[Tensor, " V"], Bool[Tensor, " V"]]:
        """The number of each row, and whether it has one."""
        numbers, there, first = torch.zeros_like(rows[:, 0]), torch.ones_like(rows[:, 0], dtype=torch.bool), 0
        for last, table in self.tables:
            for column in range(first, last):
                numbers = numbers * self.ranges[column] + (rows[:, column] - self.lowest[column])
            wanted, numbers = numbers, torch.searchsorted(table, numbers).clamp_max(len(table) - 1)
            there &= table[numbers] == wanted
            first = last
        return torch.where(there, numbers, 0), there


def _simplices(points: Float[Tensor, "N d"]) -> tuple[Int64[Tensor, "N d1 d"], Float[Tensor, "N d1"]]:
    """The corners of the simplex around each point, all but their last coordinate, and the barycentric weights."""
    dimensions = points.shape[1]
    elevated = _elevated(points)
    rounded = (elevated / (dimensions + 1)).round()
    excess = rounded.sum(1, keepdim=True)  # by how many steps the nearest remainder-0 point leaves the hyperplane
    order = (elevated - rounded * (dimensions + 1)).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1) + excess.long()
    outside = (rank < 0).long() - (rank > dimensions).long()
    rank, rounded = rank + outside * (dimensions + 1), rounded + outside
    offsets = (elevated / (dimensions + 1) - rounded).gather(1, rank.argsort(dim=1))  # largest first
    differences = torch.cat([offsets, offsets[:, :1] - 1], dim=1)  # the next one after the smallest is a turn away
    weights = (differences[:, :-1] - differences[:, 1:]).flip(1)
    corner = torch.arange(dimensions + 1, device=points.device)[:, None]
    wrapped = torch.where(rank[:, None] > dimensions - corner, corner - (dimensions + 1), corner)
    keys = (rounded * (dimensions + 1)).long()[:, None] + wrapped
    return keys[..., :-1], weights


def _elevated(points: Float[Tensor, "N d"]) -> Float[Tensor, "N d1"]:
    """Onto the hyperplane Σ x = 0 of d + 1 coordinates, scaled so that all blurs together have variance 1."""
    dimensions = points.shape[1]
    scale = [(dimensions + 1) * math.sqrt(2 / 3 / (i * (i + 1))) for i in range(1, dimensions + 1)]
    scaled = points * points.new_tensor(scale)
    behind = scaled.flip(1).cumsum(1).flip(1)  # Σ over this and all later coordinates
    first = behind[:, :1]
    numbers = torch.arange(1, dimensions + 1, device=points.device)
    rest = torch.cat([behind[:, 1:], torch.zeros_like(first)], dim=1) - numbers * scaled
    return torch.cat([first, rest], dim=1)


def _steps(dimensions: int, device: torch.device) -> list[Int64[Tensor, " D"]]:
    """The way to the next vertex along each axis; the image's number, which comes first, stays."""
    steps = torch.ones(dimensions + 1, dimensions + 1, dtype=torch.int64, device=device)
    steps[:, 0] = 0
    for axis in range(dimensions):
        steps[axis, axis + 1] = -dimensions
    return list(steps.neg())
