"""The iterations of mean field as one PyTorch operator, and their gradient as another.

Compiling, exporting and autocast so see one step; inside, values are float32 or float64, whatever surrounds them.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.affinity.filters import Appearance, Smoothness


class Sigmas(NamedTuple):
    """Standard deviations of the kernels: in pixels, and in levels for ``appearance_srgb``."""

    smoothness_sxy: float
    appearance_sxy: float
    appearance_srgb: float


def mean_field(
    logits: Float[Tensor, "B K H W"],
    levels: Float[Tensor, "B C H W"],
    weights: Float[Tensor, "2 K"],
    compatibility: Float[Tensor, "K K"],
    sigmas: Sigmas,
    iterations: int,
) -> Float[Tensor, "B K H W"]:
    """Logits whose softmax is Q after so many, at least one, of the iterations Q ← softmax(U − μ Σₘ wₘ K̃ₘ Q).

    ``weights`` are those of smoothness and of appearance, ``compatibility`` is μ, ``levels`` are the images, from 0 to
    255, which get no gradient. Q of every iteration is kept for the backward pass, ``iterations`` times the memory of
    the logits; without gradients nothing is. The backward pass builds the lattice again and then filters once for each
    kernel and iteration: filtering mixes pixels, while weights and compatibility mix classes, so that all gradients
    follow from the filtered gradient of the scores. Second derivatives are not defined.

    >>> logits, levels = torch.randn(1, 3, 4, 5), torch.zeros(1, 3, 4, 5)
    >>> out = mean_field(logits, levels, torch.zeros(2, 3), 1 - torch.eye(3), Sigmas(1.0, 1.0, 1.0), 2)
    >>> torch.equal(out, logits)
    True
    """
    tensors = (logits, levels, weights, compatibility)
    keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return _mean_field(*tensors, [*sigmas], iterations, keep)[0]


@torch.library.custom_op("intarsia::mean_field", mutates_args=())
def _mean_field(
    logits: Tensor,
    levels: Tensor,
    weights: Tensor,
    compatibility: Tensor,
    sigmas: list[float],
    iterations: int,
    keep: bool,
) -> tuple[Tensor, Tensor]:
    """The refined logits, and if they are to be kept all Q (iterations, B, K, H, W)."""
    scores, kept = _empty(logits, levels, weights, compatibility, sigmas, iterations, keep)
    unary = logits.contiguous()
    scores.copy_(unary)
    with torch.autocast(logits.device.type, enabled=False):
        kernels = _kernels(unary, levels, sigmas)
        for step in range(iterations):
            q = torch.softmax(scores, 1)
            if keep:
                kept[step] = q
            messages = torch.zeros_like(q)
            for kernel, weight in zip(kernels, weights, strict=True):
                messages += weight[:, None, None] * kernel(q)
            torch.sub(unary, _mixed(compatibility, messages), out=scores)
    return scores, kept


@_mean_field.register_fake
def _empty(
    logits: Tensor,
    levels: Tensor,
    weights: Tensor,
    compatibility: Tensor,
    sigmas: list[float],
    iterations: int,
    keep: bool,
) -> tuple[Tensor, Tensor]:
    return logits.new_empty(logits.shape), logits.new_empty(iterations if keep else 0, *logits.shape)


@torch.library.custom_op("intarsia::mean_field_backward", mutates_args=())
def _mean_field_backward(
    grad: Tensor, levels: Tensor, weights: Tensor, compatibility: Tensor, kept: Tensor, sigmas: list[float]
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of logits, weights and compatibility.

    With g the gradient of an iteration's scores U − μ Σ w K̃ Q: that of Q is −Σ w · μᵀ K̃ᵀ g, that of w the sum over
    pixels of −Q · μᵀ K̃ᵀ g, and that of μ_kk' the sum of −w_k' (K̃ᵀ g)_k Q_k'. U takes g of every iteration.
    """
    scores = grad.contiguous()
    grads = torch.zeros_like(scores), torch.zeros_like(weights), torch.zeros_like(compatibility)
    grad_unary, grad_weights, grad_compatibility = grads
    with torch.autocast(grad.device.type, enabled=False):
        kernels = _kernels(scores, levels, sigmas)
        for q in reversed(kept.unbind()):
            grad_unary += scores
            grad_q = torch.zeros_like(q)
            for kernel, weight, grad_weight in zip(kernels, weights, grad_weights, strict=True):
                back = kernel(scores, transposed=True)
                sent = _mixed(compatibility.T, back)
                grad_q -= weight[:, None, None] * sent
                grad_weight -= (sent * q).sum((0, 2, 3))
                grad_compatibility -= torch.einsum("bkhw,blhw->kl", back, q) * weight
            scores = q * (grad_q - (q * grad_q).sum(1, keepdim=True))  # through the softmax
    grad_unary += scores  # of the first Q, the softmax of U itself
    return grads


@_mean_field_backward.register_fake
def _like(
    grad: Tensor, levels: Tensor, weights: Tensor, compatibility: Tensor, kept: Tensor, sigmas: list[float]
) -> tuple[Tensor, Tensor, Tensor]:
    first, second, third = (x.new_empty(x.shape) for x in (grad, weights, compatibility))
    return first, second, third


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    _, levels, weights, compatibility, ctx.sigmas, _, _ = inputs
    ctx.save_for_backward(levels, weights, compatibility, output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    logits, weights, compatibility = _mean_field_backward(grad, *ctx.saved_tensors, ctx.sigmas)
    return logits, None, weights, compatibility, None, None, None


_mean_field.register_autograd(_backward, setup_context=_keep)


def _kernels(like: Tensor, levels: Tensor, sigmas: list[float]) -> tuple[Smoothness, Appearance]:
    smoothness_sxy, appearance_sxy, appearance_srgb = sigmas
    return Smoothness(like, smoothness_sxy), Appearance(levels, appearance_sxy, appearance_srgb)


def _mixed(matrix: Float[Tensor, "K K"], maps: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
    """Each pixel's classes by the matrix."""
    return (matrix @ maps.flatten(2)).view(maps.shape)
