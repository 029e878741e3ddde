"""Affinity fields: neighbours of one class shall be predicted alike, neighbours of two classes unlike (AAF).

Ke et al., "Adaptive Affinity Fields for Semantic Segmentation", ECCV 2018, arXiv:1803.10335.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from intarsia.affinity.devices import has_kernels
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
    edge_weights: Float[Tensor, "classes S"] | None = None,
    not_edge_weights: Float[Tensor, "classes S"] | None = None,
    ignore: int = IGNORE,
) -> Float[Tensor, ""]:
    """How unlike neighbours of one class are predicted, and how alike neighbours of two (sections 3.2 and 3.3).

    Each pixel i is compared with its eight neighbours j at a distance. For class c, with probabilities p and q of i and
    j, clipped from 1e-4 on, the divergence is ``D = q log q/p + (1-q) log (1-q)/(1-p)``. Where only one of both pixels
    is of class c, there is an edge, which costs ``max(0, margin - D)``; any other entry costs D. Entries on edges and
    all others are averaged apart, for each distance, over pixels, neighbours and classes; the means are added up. A
    mean over nothing is zero.

    Args:
        logits: from K = 2 on softmax; K = 1 is a sigmoid, that is, two classes with logits 0 and this one.
        labels: from 0 to K - 1, or `ignore`.
        sizes: odd, of the windows on whose border the eight neighbours lie: 3 means a distance of 1 pixel. ``(3,)`` is
            the paper's affinity field of fixed size.
        margin: the divergence from which neighbours of two classes are unlike enough, nats.
        edge_weights: of sizes, for the class of each centre (two classes where K = 1), before a softmax over sizes.
            Without it each size counts 1.
        not_edge_weights: the same for entries that are no edges.
        ignore: the label of pixels without a class.

    As in the authors' code, a pair counts only if the neighbour on the other side, i - (j - i), lies inside and has a
    class as well, which the paper does not say; and the gradient goes through both pixels.

    Half precision is computed in float32, and the loss stays in it. On the CPU a compiled kernel finds loss and
    gradient together, in the memory of a few rows (each image of the batch on a thread); elsewhere PyTorch goes through
    neighbours one by one and looks at no numbers. Second derivatives are not defined.

    Raises:
        ArgumentError: logits are no floating point numbers, shapes or sizes do not fit, tensors lie on two devices, or
            (on the CPU) logits are not finite where there is a class, or a label is no class.

    >>> labels = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
    >>> alike, sure = torch.zeros(1, 2, 1, 6), 20 * torch.nn.functional.one_hot(labels).movedim(3, 1).float()
    >>> [round(affinity_field_loss(logits, labels, sizes=[3]).item(), 6) for logits in (alike, sure)]
    [3.0, 0.0]
    """
    tables = {"edge_weights": edge_weights, "not_edge_weights": not_edge_weights}
    given = {name: weights for name, weights in tables.items() if weights is not None}
    check_floating(logits=logits, **given)
    check_one_device(logits=logits, labels=labels, **given)
    check_pairs(sizes, margin)
    _check_shapes(logits, labels, len(sizes), given)
    exact = logits.to(exact_dtype(logits))
    if exact.shape[1] == 1:
        exact = torch.cat([torch.zeros_like(exact), exact], 1)
    counted = [
        exact.new_ones(exact.shape[1], len(sizes)) if weights is None else weights.to(exact.dtype).softmax(1)
        for weights in tables.values()
    ]
    if not exact.numel():
        return sum((part.sum() for part in counted), exact.sum()) * 0
    offsets = [size // 2 for size in sizes]
    return affinity_field(exact, labels.long(), *counted, offsets, margin, ignore)[0]


def check_pairs(sizes: Sequence[int], margin: float) -> None:
    """Refuse sizes without a middle, and a margin that no divergence could keep."""
    if not sizes or any(not isinstance(size, Integral) or size < 3 or size % 2 == 0 for size in sizes):
        raise ArgumentError(f"`sizes` (={tuple(sizes)}) must be odd numbers from 3 on, such as (3, 5, 7).")
    if not 0 < margin < float("inf"):
        raise ArgumentError(f"`margin` (={margin}) must be a positive number of nats; the paper's is 3.")


def _check_shapes(logits: Tensor, labels: Tensor, sizes: int, tables: dict[str, Tensor]) -> None:
    if labels.is_floating_point():
        raise ArgumentError(f"`labels` hold {labels.dtype} and must hold whole numbers; `labels.long()` does.")
    if logits.ndim != 4 or labels.shape != (logits.shape[0], *logits.shape[2:]):
        raise ArgumentError(
            f"`logits` {tuple(logits.shape)} must be (B, K, H, W), and `labels` {tuple(labels.shape)} (B, H, W) of the "
            "same batch, height and width; resize one of them."
        )
    if logits.shape[1] == 0:
        raise ArgumentError(f"`logits` {tuple(logits.shape)} must have a class or more; their second axis counts them.")
    for name, weights in tables.items():
        expected = (max(logits.shape[1], 2), sizes)
        if weights.shape != expected:
            raise ArgumentError(
                f"`{name}` {tuple(weights.shape)} must be {expected}: a row for each class, a column for each size."
            )


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
    _check_labels(labels, classes, ignore)
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


def _check_labels(labels: Tensor, classes: int, ignore: int) -> None:
    wrong = ((labels < 0) | (labels >= classes)) & (labels != ignore)
    if bool(wrong.any()):
        place = wrong.nonzero()[0].tolist()
        raise ArgumentError(
            f"`labels` hold {int(labels[tuple(place)])} at {place} and must be from 0 to {classes - 1}, the classes of "
            f"`logits`, or `ignore` (={ignore}); give that to pixels without a class."
        )


@affinity_field.register_kernel("cuda")
def _on_gpu(logits: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if not has_kernels(logits):
        return affinity_field_by_slices(logits, *arguments)
    from intarsia.kernels.affinity_field import on_gpu  # Triton is not on every machine

    with torch.cuda.device(logits.device):
        return on_gpu.affinity_field(logits, *arguments)


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
