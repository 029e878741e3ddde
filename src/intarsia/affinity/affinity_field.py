"""Affinity fields: neighbours of one class shall be predicted alike, neighbours of two classes unlike (AAF).

Ke et al., "Adaptive Affinity Fields for Semantic Segmentation", ECCV 2018, arXiv:1803.10335.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from intarsia.affinity.field_in_pytorch import affinity_field_by_slices
from intarsia.affinity.refusals import check_finite, check_floating, check_one_device, exact_dtype
from intarsia.errors import ArgumentError
from intarsia.kernels.affinity_field.gather import gather
from intarsia.kernels.affinity_field.layout import count_pairs, field_of, padded_codes
from intarsia.kernels.parts import in_parts
from intarsia.shapes import IGNORE


def affinity_field_loss(
    logits: Float[Tensor, "B K H W"],
    labels: Int[Tensor, "B H W"],
    *,
    sizes: Sequence[int] = (3, 5, 7),
    margin: float = 3.0,
    edge_weights: Float[Tensor, "K S"] | None = None,
    not_edge_weights: Float[Tensor, "K S"] | None = None,
    ignore: int = IGNORE,
) -> Float[Tensor, ""]:
    """The affinity field loss."""
    exact = exact_dtype(logits)
    offsets = [size // 2 for size in sizes]
    tables = [
        torch.ones(logits.shape[1], len(offsets), dtype=exact, device=logits.device)
        if weights is None
        else weights.to(exact).softmax(1)
        for weights in (edge_weights, not_edge_weights)
    ]
    return affinity_field(logits.to(exact), labels.long(), *tables, offsets, margin, ignore)[0].to(logits.dtype)


@torch.library.custom_op("intarsia::affinity_field", mutates_args=())
def affinity_field(
    logits: Tensor,
    labels: Tensor,
    edge: Tensor,
    not_edge: Tensor,
    offsets: list[int],
    margin: float,
    ignore: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The loss, a scalar, and its gradients by logits, `edge` and `not_edge`; it is linear in both tables.

    Args:
        logits: (B, K, H, W) of float32 or float64, K of at least 2.
        labels: (B, H, W) of int64, `ignore` or from 0 to K - 1.
        edge: (K, S), what an entry on an edge counts, by the class of the centre and by distance; of logits' type.
        not_edge: (K, S), the same for all other entries.
        offsets: S distances to the eight neighbours, pixels.
        margin: up to which neighbours of two classes are pushed apart.
        ignore: the label of pixels that belong to no pair.
    """
    return affinity_field_by_slices(logits, labels, edge, not_edge, offsets, margin, ignore)


@affinity_field.register_kernel("cpu")
def _compiled(
    logits: Tensor, labels: Tensor, edge: Tensor, not_edge: Tensor, offsets: list[int], margin: float, ignore: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, classes, _, width = logits.shape
    codes = padded_codes(labels.numpy(), max(offsets), logits.itemsize, ignore)
    counts = np.zeros((len(offsets), 2), np.int64)
    for image in codes:
        count_pairs(image, max(offsets), np.array(offsets), counts)
    edges, others = 2 * counts[:, 0], classes * counts[:, 1] + (classes - 2) * counts[:, 0]
    shares = 1 / np.maximum(np.stack([others, edges]), 1)
    tables = np.stack([not_edge.detach().numpy(), edge.detach().numpy()])
    weights = (tables * shares[:, None]).astype(tables.dtype)
    images, gradient = logits.detach().contiguous().numpy(), logits.new_empty(logits.shape)
    sums, finite = np.zeros((batch, *tables.shape)), np.zeros(batch, bool)

    def work(first: int, last: int) -> None:
        for b in range(first, last):
            field = field_of(codes[b], width, offsets, margin, weights)
            finite[b] = gather(field, codes[b], images[b].reshape(-1), gradient.numpy()[b].reshape(-1), sums[b])

    in_parts(work, batch, torch.get_num_threads())
    means = sums.sum(0) * shares[:, None]
    loss = logits.new_tensor((means * tables).sum() if finite.all() else float("nan"))
    check_finite(loss, logits=logits)
    others_mean, edge_mean = (torch.from_numpy(mean).to(logits.dtype) for mean in means)
    return loss, gradient, edge_mean, others_mean


@affinity_field.register_fake
def _like(
    logits: Tensor, labels: Tensor, edge: Tensor, not_edge: Tensor, offsets: list[int], margin: float, ignore: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return logits.new_empty(()), logits.new_empty(logits.shape), edge.new_empty(edge.shape), edge.new_empty(edge.shape)


@torch.library.custom_op("intarsia::affinity_field_backward", mutates_args=())
def _scaled(grad: Tensor, by_logits: Tensor, by_edge: Tensor, by_not_edge: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """An operator of its own, so that a second derivative is refused and not zero."""
    return grad * by_logits, grad * by_edge, grad * by_not_edge


@_scaled.register_fake
def _like_all(grad: Tensor, by_logits: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
    return tuple(part.new_empty(part.shape) for part in (by_logits, *tables))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*output[1:])


def _backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    by_logits, by_edge, by_not_edge = _scaled(grad, *ctx.saved_tensors)
    return by_logits, None, by_edge, by_not_edge, None, None, None


affinity_field.register_autograd(_backward, setup_context=_keep)
