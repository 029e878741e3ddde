"""Both propagations in plain PyTorch, for tensors that are not in the CPU's memory; PyTorch derives the gradients.

What :mod:`intarsia.kernels.propagation` and :mod:`intarsia.kernels.diffusion` compute, as operations on whole lines and
whole maps. Each step is kept for the backward pass.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Maps = Float[Tensor, "B C H W"]

_LEAST = 1e-20  # sums of sizes below it divide nothing: guidance of zero means weights of zero


def propagate_lines(
    x: Maps, gates: Float[Tensor, "B ways gate_channels H W"], across: bool, backwards: bool, threshold: float
) -> Maps:
    """The recurrence, with lines first in memory: each step reads and writes whole lines.

    Args:
        x: any map.
        gates: three ways or one, for each channel or for all.
        across: steps go from column to column, not from row to row.
        backwards: from the last line to the first.
        threshold: gates are divided by the sum of their sizes where it is at least this.
    """
    axis = 3 if across else 2
    x_LBCN, gates_LBPCN = x.movedim(axis, 0), gates.movedim(axis + 1, 0)
    if backwards:
        x_LBCN, gates_LBPCN = x_LBCN.flip(0), gates_LBPCN.flip(0)
    sizes = gates_LBPCN.abs().sum(2, keepdim=True)
    ways = _within(gates_LBPCN / torch.where(sizes >= threshold, sizes, 1))
    own = (1 - sum(ways[1:], ways[0])) * x_LBCN
    lines = [x_LBCN[0]]
    for t in range(1, len(own)):
        line = own[t]
        for way, before in zip(ways, _neighbours(lines[-1], len(ways)), strict=True):
            line = torch.addcmul(line, way[t], before)
        lines.append(line)
    h_LBCN = torch.stack(lines)
    return (h_LBCN.flip(0) if backwards else h_LBCN).movedim(0, axis).contiguous()


def propagate_lines_back(
    grad: Maps,
    x: Maps,
    gates: Float[Tensor, "B ways gate_channels H W"],
    across: bool,
    backwards: bool,
    threshold: float,
) -> tuple[Maps, Float[Tensor, "B ways gate_channels H W"]]:
    """Gradients of `x` and of `gates`, for operators within which PyTorch keeps nothing: lines run forwards again."""
    leaves = x.detach().requires_grad_(), gates.detach().requires_grad_()
    with torch.enable_grad():
        h = propagate_lines(*leaves, across, backwards, threshold)
    first, second = torch.autograd.grad(h, leaves, grad)
    return first.contiguous(), second.contiguous()


def _within(gates_LBPCN: Tensor) -> list[Float[Tensor, "L B C N"]]:
    """One way after another; a gate that leads out of the image is zero."""
    ways = [way.contiguous() for way in gates_LBPCN.unbind(2)]
    return ways if len(ways) == 1 else [F.pad(ways[0][..., 1:], (1, 0)), ways[1], F.pad(ways[2][..., :-1], (0, 1))]


def _neighbours(line_BCN: Tensor, ways: int) -> list[Float[Tensor, "B C N"]]:
    if ways == 1:
        return [line_BCN]
    padded = F.pad(line_BCN, (1, 1))
    return [padded[..., :-2], line_BCN, padded[..., 2:]]


def diffuse_maps(
    h0: Maps,
    guidance: Float[Tensor, "B neighbours H W"],
    added: Maps | None,
    free: Float[Tensor, "B 1 H W"] | None,
    steps: int,
    kernel_size: int,
    shifted: bool,
    absolute: bool,
    own: bool,
) -> Maps:
    """All steps, each a sum of weighted slices of one padded map.

    Args:
        h0: the first map.
        guidance: one channel for each neighbour.
        added: what each step adds.
        free: a share that all weights are multiplied by.
        steps: how many.
        kernel_size: 3, 5 or 7.
        shifted: guidance is read at the neighbour, from the last neighbour in reading order to the first.
        absolute: weights are sizes.
        own: a step multiplies the pixel's own weight with the current map instead of the first one.
    """
    radius = kernel_size // 2
    weights, own_weight = _weights(guidance, radius, shifted, absolute)
    if free is not None:
        weights, own_weight = weights * free, own_weight * free
    constant = torch.zeros_like(h0) if own else own_weight * h0
    if added is not None:
        constant = constant + added
    h = h0
    for _ in range(steps):
        neighbours = _slices(h, radius, shifted)
        h = torch.addcmul(constant, own_weight, h) if own else constant
        for k, neighbour in enumerate(neighbours):
            h = torch.addcmul(h, weights[:, k, None], neighbour)
    return h


def _weights(
    guidance: Float[Tensor, "B neighbours H W"], radius: int, shifted: bool, absolute: bool
) -> tuple[Float[Tensor, "B neighbours H W"], Float[Tensor, "B 1 H W"]]:
    """Of the neighbours, as shares of their sizes' sum, and of the pixel itself, what they leave of one."""
    if shifted:
        channels = [maps[:, k] for k, maps in enumerate(_slices(guidance, radius, shifted))]
        gates = torch.stack(channels, 1)
    else:
        there = torch.cat(_slices(torch.ones_like(guidance[:1, :1]), radius, shifted), 1)
        gates = guidance * there  # what leads out of the image is zero
    sizes = gates.abs()
    total = sizes.sum(1, keepdim=True)
    weights = (sizes if absolute else gates) / torch.where(total >= _LEAST, total, 1)
    return weights, 1 - weights.sum(1, keepdim=True)


def _slices(maps: Tensor, radius: int, shifted: bool) -> list[Tensor]:
    """The maps as each neighbour has them, in the order of guidance; zero beyond the border."""
    height, width = maps.shape[2:]
    padded, size = F.pad(maps, (radius,) * 4), 2 * radius + 1
    corners = [(i, j) for i in range(size) for j in range(size) if (i, j) != (radius, radius)]
    return [padded[..., i : i + height, j : j + width] for i, j in (reversed(corners) if shifted else corners)]
