"""The affinity field loss in plain PyTorch, loss and gradients at once, for tensors that are not in the CPU's memory.

What :mod:`intarsia.kernels.affinity_field` compiles, as operations on whole maps: one for each of the eight neighbours
at each distance, of which nothing is kept.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from types import EllipsisType

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from intarsia.kernels.affinity_field.layout import LEAST

Maps = Float[Tensor, "B K H W"]
Table = Float[Tensor, "K S"]
Place = tuple[EllipsisType, slice, slice]


def affinity_field_by_slices(
    logits: Maps,
    labels: Int[Tensor, "B H W"],
    edge: Table,
    not_edge: Table,
    offsets: Sequence[int],
    margin: float,
    ignore: int,
) -> tuple[Float[Tensor, ""], Maps, Table, Table]:
    """The loss, and its gradients by logits and by both tables."""
    classes = logits.shape[1]
    p, logarithm = logits.softmax(1), logits.log_softmax(1)
    a, b = p.clamp_min(LEAST), (1 - p).clamp_min(LEAST)
    log_a, log_b = logarithm.clamp_min(math.log(LEAST)), b.log()
    inner = a * log_a + b * log_b
    grad_a, grad_b, grad_log_a, grad_log_b = (torch.zeros_like(p) for _ in range(4))
    edge_means, other_means = torch.zeros_like(edge), torch.zeros_like(not_edge)
    index = torch.arange(classes, device=labels.device).view(-1, 1, 1)
    for size, offset in enumerate(offsets):
        pairs = list(_pairs(labels, offset, ignore))
        edges, others = _counts(labels, pairs, classes)
        for centre, neighbour, valid in pairs:
            own = torch.where(valid, labels[centre], 0)
            kl = inner[neighbour] - a[neighbour] * log_a[centre] - b[neighbour] * log_b[centre]
            is_edge = (own[:, None] == index) != (labels[neighbour][:, None] == index)
            here = valid[:, None]
            hinge = (margin - kl).clamp_min(0)
            edge_means[:, size] += _by_class(own, torch.where(here & is_edge, hinge, 0).sum(1), classes) / edges
            other_means[:, size] += _by_class(own, torch.where(here & ~is_edge, kl, 0).sum(1), classes) / others
            pulls = (not_edge[:, size] / others)[own][:, None]
            pushes = (edge[:, size] / edges)[own][:, None] * (kl < margin)
            slope = torch.where(here, torch.where(is_edge, -pushes, pulls), 0)
            grad_log_a[centre] -= slope * a[neighbour]
            grad_log_b[centre] -= slope * b[neighbour]
            grad_a[neighbour] += slope * (log_a[neighbour] + 1 - log_a[centre])
            grad_b[neighbour] += slope * (log_b[neighbour] + 1 - log_b[centre])
    by_p = torch.where(p >= LEAST, p * grad_a + grad_log_a, 0)
    by_p = by_p - torch.where(1 - p >= LEAST, p * (grad_b + grad_log_b / b), 0)
    grad = by_p - p * by_p.sum(1, keepdim=True)
    return (edge * edge_means + not_edge * other_means).sum(), grad, edge_means, other_means


def _pairs(
    labels: Int[Tensor, "B H W"], offset: int, ignore: int
) -> Iterator[tuple[Place, Place, Bool[Tensor, "B h w"]]]:
    """Centres whose neighbour on one side and whose mirrored neighbour lie inside, the neighbours, and who is valid."""
    height, width = labels.shape[1:]
    known = labels != ignore
    for i, j in product((-offset, 0, offset), repeat=2):
        if i == j == 0 or height <= 2 * abs(i) or width <= 2 * abs(j):
            continue
        centre, neighbour, mirrored = (
            (..., _span(i, height, step * i), _span(j, width, step * j)) for step in (0, 1, -1)
        )
        yield centre, neighbour, known[centre] & known[neighbour] & known[mirrored]


def _span(margin: int, length: int, shift: int) -> slice:
    return slice(abs(margin) + shift, length - abs(margin) + shift)


def _counts(labels: Tensor, pairs: Sequence[tuple[Place, Place, Tensor]], classes: int) -> tuple[Tensor, Tensor]:
    """Entries on edges, two for each pair of two classes, and all others; at least one, to divide by."""
    total, edges = labels.new_zeros(()), labels.new_zeros(())
    for centre, neighbour, valid in pairs:
        total = total + classes * valid.sum()
        edges = edges + 2 * (valid & (labels[centre] != labels[neighbour])).sum()
    return edges.clamp_min(1), (total - edges).clamp_min(1)


def _by_class(own: Int[Tensor, "B h w"], values: Float[Tensor, "B h w"], classes: int) -> Float[Tensor, " K"]:
    return values.new_zeros(classes).index_add_(0, own.flatten(), values.flatten())
