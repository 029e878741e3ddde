"""Affinities of propagations: which share each pixel's value has in another pixel's result."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from intarsia.affinity import convolutional_propagation, spatial_propagation
from intarsia.affinity.spatial_propagation import DIRECTIONS, DIVIDED_FROM, Normalisation
from intarsia.errors import ArgumentError


@dataclass(frozen=True, eq=False)
class SpatialShares:
    """Of a spatial propagation's gates, before they are normalised; see :meth:`AffinityField.of_spn`.

    ``remark`` is a sentence on what the network that has these gates does otherwise.
    """

    gates: Float[Tensor, "directions ways C H W"]
    normalisation: Normalisation | None
    remark: str = ""
    name: str = field(default="Spatial propagation", init=False)
    kind: Literal["share"] = field(default="share", init=False)
    weakness: str = field(
        default="How much of its own value a pixel keeps in a step, from 0 to 1: one minus the sum of its gates, the "
        "mean of the directions.",
        init=False,
    )

    def __post_init__(self) -> None:
        if len(self.gates) != len(DIRECTIONS) or self.gates.shape[1] not in (1, 3):
            raise ArgumentError(
                f"`gates` {tuple(self.gates.shape)} must be (4, 3 or 1, C, H, W), four directions of three ways or "
                "one; `guidance.unflatten(0, layer.shape)` splits the guidance of a `SpatialPropagation`."
            )

    @property
    def meaning(self) -> str:
        """Of the numbers."""
        return (
            "The share that a pixel's value has in the chosen pixel's result, the mean of the four directions; all "
            f"shares together are 1, and below 0 where gates are negative.{self.remark and ' '}{self.remark}"
        )

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.gates.shape[3], self.gates.shape[4]

    def row(self, y: int, x: int) -> Float64[np.ndarray, "H W"]:
        """By one pass backward in each direction: the operator is linear in its map, and this is its gradient."""
        total = torch.zeros(self.size, dtype=torch.float64)
        for direction, gates in zip(DIRECTIONS, self.gates, strict=True):
            values = torch.zeros(1, *gates.shape[1:], dtype=torch.float64, requires_grad=True)
            with torch.enable_grad():
                result = spatial_propagation(values, gates[None].double(), direction, self.normalisation)
            (shares,) = torch.autograd.grad(result[..., y, x].sum(), values)
            total += shares[0].mean(0) / len(DIRECTIONS)
        return total.numpy()

    def edges(self) -> Float64[np.ndarray, "H W"]:
        """A gate that leads out of the image counts as if it did not; the first line of a direction is left out."""
        total, count = torch.zeros(2, *self.size, dtype=torch.float64)
        for direction, gates in zip(DIRECTIONS, self.gates.double(), strict=True):
            sizes = gates.abs().sum(0)
            divided = gates.sum(0) / torch.where(sizes >= DIVIDED_FROM[self.normalisation], sizes, 1)
            axis, first = (1 if direction in DIRECTIONS[:2] else 0), (0 if direction in DIRECTIONS[::2] else -1)
            there = torch.ones(self.size, dtype=torch.float64)
            there.select(axis, first).zero_()
            total += there * (1 - divided).clamp(0, 1).mean(0)
            count += there
        return (total / count.clamp(min=1)).numpy()


@dataclass(frozen=True, eq=False)
class ConvolutionalShares:
    """Of a convolutional propagation's guidance; see :meth:`AffinityField.of_cspn`."""

    guidance: Float[Tensor, "neighbours H W"]
    steps: int
    norm: Literal["8sum", "8sum_abs"]
    centre: Literal["initial", "current"]
    layout: Literal["shifted", "centred"]
    strength: Float[Tensor, "H W"] | None
    name: str = field(default="Convolutional propagation", init=False)
    kind: Literal["share"] = field(default="share", init=False)
    weakness: str = field(
        default="How unevenly, or how little, a pixel takes from its neighbours in a step, from 0 to 1: what it takes "
        "from each counts up to an even share, and the edge is what is missing from all of these.",
        init=False,
    )

    def __post_init__(self) -> None:
        self._propagated(torch.zeros(1, 1, *self.size, dtype=torch.float64), self.steps)  # refuses what does not fit

    @property
    def meaning(self) -> str:
        """Of the numbers."""
        return (
            f"The share that a pixel's value has in the chosen pixel's result after {self.steps} steps; all shares "
            "together are 1, and single ones can be below 0."
        )

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.guidance.shape[1], self.guidance.shape[2]

    def row(self, y: int, x: int) -> Float64[np.ndarray, "H W"]:
        """By one pass backward: the operator is linear in its map, and this is its gradient."""
        values = torch.zeros(1, 1, *self.size, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            result = self._propagated(values, self.steps)
        (shares,) = torch.autograd.grad(result[0, 0, y, x], values)
        if self.strength is not None:
            shares *= self.strength[y, x]
            shares[0, 0, y, x] += 1 - self.strength[y, x]
        return shares[0, 0].numpy()

    def edges(self) -> Float64[np.ndarray, "H W"]:
        """From one step on combs: of each set of impulses as far apart as the kernel is wide, a pixel sees one."""
        kernel = round((len(self.guidance) + 1) ** 0.5)
        rows, columns = (torch.arange(extent) for extent in self.size)
        colour = (rows % kernel)[:, None] * kernel + columns % kernel
        combs = (torch.arange(kernel**2)[:, None, None] == colour).double()
        taken = self._propagated(combs[None], 1)[0].clamp(min=0) * (1 - combs)
        count = _neighbours(self.size[0], kernel)[:, None] * _neighbours(self.size[1], kernel) - 1
        even = 1 / count.clamp(min=1)
        held = torch.minimum(taken, even).sum(0) * (1 if self.strength is None else self.strength)
        return torch.where(count > 0, (1 - held).clamp(0, 1), 0.0).numpy()

    def _propagated(self, maps: Tensor, steps: int) -> Tensor:
        kernel: Literal[3, 5, 7] = {8: 3, 24: 5, 48: 7}.get(len(self.guidance), 3)  # type: ignore[assignment]
        guidance = self.guidance[None].to(maps.dtype)
        return convolutional_propagation(
            maps, guidance, steps, kernel, norm=self.norm, centre=self.centre, layout=self.layout
        )


def _neighbours(extent: int, kernel: int) -> Float64[Tensor, "n"]:
    """How many positions along an axis a kernel finds around each, itself included."""
    places = torch.arange(extent)
    radius = kernel // 2
    return ((places + radius).clamp(max=extent - 1) - (places - radius).clamp(min=0) + 1).double()
