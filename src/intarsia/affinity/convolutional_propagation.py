"""Convolutional spatial propagation: a map diffuses step by step, with weights of its own at every pixel (CSPN).

Cheng et al., "Depth Estimation via Affinity Learned with Convolutional Spatial Propagation Network", ECCV 2018,
arXiv:1808.00150, and its journal form, "Learning Depth with Convolutional Spatial Propagation Network",
arXiv:1810.02695. The published code differs from the first paper in three places, each of which is an option here.
"""

from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.affinity.refusals import check_finite, check_floating, exact_dtype
from intarsia.errors import ArgumentError
from intarsia.kernels.diffusion import begin, diffuse, gather_gradients, take
from intarsia.kernels.diffusion_weights import guidance_gradient, lay_out_weights
from intarsia.kernels.parts import in_parts
from intarsia.kernels.stencil import sizes_of, slots_of, stencil_of

KERNEL_SIZES = (3, 5, 7)


def convolutional_propagation(
    h0: Float[Tensor, "B C H W"],
    guidance: Float[Tensor, "B neighbours H W"],
    steps: int = 24,
    kernel_size: Literal[3, 5, 7] = 3,
    *,
    norm: Literal["8sum", "8sum_abs"] = "8sum",
    centre: Literal["initial", "current"] = "initial",
    layout: Literal["shifted", "centred"] = "shifted",
    sparse: Float[Tensor, "B C H W"] | None = None,
    measured: Literal["kept", "replaced", "blended"] = "kept",
) -> Float[Tensor, "B C H W"]:
    """Diffuse a map: in each step a pixel becomes ``(1 - Σ w) · centre + Σ w · neighbour`` (ECCV paper, section 3.1).

    Weights are the guidance, divided by the sum of the sizes of all neighbours'; what leads out of the image counts as
    zero, so that a constant map stays. Guidance of zero everywhere leaves the centre alone.

    Args:
        h0: any map, such as depth or logits; its channels diffuse alike.
        guidance: one channel for each neighbour, kernel_size² - 1.
        steps: how often.
        kernel_size: 3, 5 or 7.
        norm: "8sum" keeps signs, and results can leave the range of h0; "8sum_abs" takes sizes, and they cannot.
        centre: what the pixel's own weight multiplies: the "initial" map, as in the published code and the journal, or
            the "current" one, as the ECCV paper writes (equation 1).
        layout: in the published code a channel of guidance is read at the neighbour, like the map, and channel 0 belongs
            to the neighbour below right: "shifted", which fits published weights. The paper reads it at the
            pixel itself: "centred", with neighbours in reading order from above left.
        sparse: measurements, zero in all channels where there are none.
        measured: what a measured pixel is after each step: "kept" is h0, as in the published code, "replaced" the
            measurement, as the paper writes (section 3.3), "blended" the mean of the measurement and the step's result.

    For a backward pass the map after each step is kept, `steps` maps of the size of h0, and weights once; nothing is
    computed twice. Half precision is computed in float32. Second derivatives are not defined.

    Raises:
        ArgumentError: shapes do not fit, a tensor holds whole numbers, or guidance is not finite.

    >>> h0 = torch.zeros(1, 1, 5, 5)
    >>> h0[0, 0, 2, 2] = 1
    >>> convolutional_propagation(h0, torch.ones(1, 8, 5, 5), steps=1)[0, 0, 1:4, 1:4]
    tensor([[0.1250, 0.1250, 0.1250],
            [0.1250, 0.0000, 0.1250],
            [0.1250, 0.1250, 0.1250]])
    """
    _check(h0, guidance, steps, kernel_size, sparse)
    for name, value, words in (
        ("norm", norm, ("8sum", "8sum_abs")),
        ("centre", centre, ("initial", "current")),
        ("layout", layout, ("shifted", "centred")),
        ("measured", measured, ("kept", "replaced", "blended")),
    ):
        if value not in words:
            raise ArgumentError(f"`{name}` (={value!r}) must be one of {', '.join(words)}.")
    exact = exact_dtype(h0, guidance)
    kept = torch.is_grad_enabled() and any(t.requires_grad for t in (h0, guidance, sparse) if t is not None)
    start, added, free = h0.to(exact), None, None
    if sparse is not None:
        part = (sparse != 0).any(1, keepdim=True).to(exact) * (0.5 if measured == "blended" else 1.0)
        added, free = part * (start if measured == "kept" else sparse.to(exact)), 1 - part
    options = (kernel_size, layout == "shifted", norm == "8sum_abs", centre == "current", kept)
    return _diffuse(start, guidance.to(exact), added, free, steps, *options)[0].to(h0.dtype)


def _check(h0: Tensor, guidance: Tensor, steps: int, kernel_size: int, sparse: Tensor | None) -> None:
    check_floating(h0=h0, guidance=guidance, **({} if sparse is None else {"sparse": sparse}))
    if kernel_size not in KERNEL_SIZES:
        raise ArgumentError(f"`kernel_size` (={kernel_size}) must be 3, 5 or 7.")
    if steps < 1:
        raise ArgumentError(f"`steps` (={steps}) must be 1 or more; without a step the map is `h0`.")
    if h0.ndim != 4 or guidance.ndim != 4:
        raise ArgumentError(f"`h0` {tuple(h0.shape)} and `guidance` {tuple(guidance.shape)} must be (B, channels, H, W).")
    if guidance.shape[1] != kernel_size**2 - 1:
        raise ArgumentError(
            f"`guidance` has {guidance.shape[1]} channels and must have {kernel_size**2 - 1}, one for each neighbour of a "
            f"{kernel_size}×{kernel_size} kernel; its last convolution needs as many outputs."
        )
    if h0.shape[0] != guidance.shape[0] or h0.shape[2:] != guidance.shape[2:]:
        raise ArgumentError(
            f"`h0` {tuple(h0.shape)} and `guidance` {tuple(guidance.shape)} must agree in batch, height and width; resize "
            "one of them."
        )
    if sparse is not None and sparse.shape != h0.shape:
        raise ArgumentError(f"`sparse` {tuple(sparse.shape)} must have the shape of `h0`, {tuple(h0.shape)}.")


@torch.library.custom_op("intarsia::convolutional_propagation", mutates_args=())
def _diffuse(
    h0: Tensor,
    guidance: Tensor,
    added: Tensor | None,
    free: Tensor | None,
    steps: int,
    kernel_size: int,
    shifted: bool,
    absolute: bool,
    own: bool,
    kept: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The last map; and if they are kept the weights and the maps after all steps, as the kernels lay them out."""
    stencil = stencil_of(*h0.shape[2:], kernel_size, steps, h0.itemsize, shifted=shifted, own=own, kept=kept)
    result, weights, states = _allocate(h0, steps, kernel_size, kept=True, stored=kept)
    firsts, adds, results = _array(h0), _array(h0 if added is None else added), result.numpy()
    weights_, states_, (batch, channels) = weights.numpy(), states.numpy(), h0.shape[:2]
    guides, frees = _array(guidance), _array(h0 if free is None else free)
    for b in range(batch):
        lay_out_weights(stencil, guides[b], shifted, absolute, frees[b, 0], free is not None, weights_[b])

    def work(first: int, last: int) -> None:
        size = 0 if kept else sizes_of(*h0.shape[2:], kernel_size, slots_of(steps, kept=False), h0.itemsize)[1]
        room = h0.new_empty(size).numpy()
        for b, c in (divmod(place, channels) for place in range(first, last)):
            maps = states_[b, c] if kept else room
            begin(stencil, weights_[b], own, firsts[b, c], adds[b, c], added is not None, maps)
            diffuse(stencil, weights_[b], False, maps)
            take(stencil, maps, steps if kept else steps % 2, results[b, c])

    in_parts(work, batch * channels, torch.get_num_threads())
    check_finite(result, guidance=guidance)
    return result, weights if kept else weights.new_empty(0), states


@_diffuse.register_fake
def _like(
    h0: Tensor,
    guidance: Tensor,
    added: Tensor | None,
    free: Tensor | None,
    steps: int,
    kernel_size: int,
    shifted: bool,
    absolute: bool,
    own: bool,
    kept: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return _allocate(h0, steps, kernel_size, kept=kept, stored=kept)


def _allocate(h0: Tensor, steps: int, kernel_size: int, *, kept: bool, stored: bool) -> tuple[Tensor, Tensor, Tensor]:
    """A result, weights if they are kept, and states if they are stored."""
    batch, channels, height, width = h0.shape
    sizes = sizes_of(height, width, kernel_size, slots_of(steps, kept=True), h0.itemsize)
    weights = h0.new_empty(batch, sizes[0]) if kept else h0.new_empty(0)
    return h0.new_empty(h0.shape), weights, h0.new_empty(batch, channels, sizes[1]) if stored else h0.new_empty(0)


@torch.library.custom_op("intarsia::convolutional_propagation_backward", mutates_args=())
def _diffuse_back(
    grad: Tensor,
    guidance: Tensor,
    free: Tensor | None,
    weights: Tensor,
    states: Tensor,
    steps: int,
    kernel_size: int,
    shifted: bool,
    absolute: bool,
    own: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the first map, of the guidance, and of what is added in each step."""
    stencil = stencil_of(*grad.shape[2:], kernel_size, steps, grad.itemsize, shifted=shifted, own=own, kept=True)
    batch, channels = grad.shape[:2]
    grad_first, grad_added = (grad.new_empty(grad.shape) for _ in range(2))
    grad_guidance = guidance.new_zeros(guidance.shape)
    grads, guides, frees = _array(grad), _array(guidance), _array(grad if free is None else free)
    firsts, adds, weights_, states_ = grad_first.numpy(), grad_added.numpy(), weights.numpy(), states.numpy()
    found: list[Tensor] = []

    def work(first: int, last: int) -> None:
        total, adjoints = torch.zeros_like(weights), torch.empty_like(states[0, 0]).numpy()
        grad_weights = total.numpy()
        for b, c in (divmod(place, channels) for place in range(first, last)):
            begin(stencil, weights_[b], True, grads[b, c], grads[b, c], False, adjoints)
            diffuse(stencil, weights_[b], True, adjoints)
            gather_gradients(
                stencil, weights_[b], own, states_[b, c], adjoints, grad_weights[b], firsts[b, c], adds[b, c]
            )
        found.append(total)

    in_parts(work, batch * channels, torch.get_num_threads())
    grad_weights = (found[0] if len(found) == 1 else torch.stack(found).sum(0)).numpy()
    room = weights.new_empty(stencil.lines * stencil.stride).numpy()
    for b in range(batch):
        guidance_gradient(
            stencil, guides[b], shifted, absolute, frees[b, 0], free is not None, grad_weights[b], room,
            grad_guidance.numpy()[b],
        )  # fmt: skip
    return grad_first, grad_guidance, grad_added


@_diffuse_back.register_fake
def _like_all(
    grad: Tensor,
    guidance: Tensor,
    free: Tensor | None,
    weights: Tensor,
    states: Tensor,
    steps: int,
    kernel_size: int,
    shifted: bool,
    absolute: bool,
    own: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return grad.new_empty(grad.shape), guidance.new_empty(guidance.shape), grad.new_empty(grad.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _, guidance, added, free, *ctx.options, _ = inputs
    ctx.has_added = added is not None
    ctx.save_for_backward(guidance, free, *output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    first, guidance, added = _diffuse_back(grad, *ctx.saved_tensors, *ctx.options)
    return first, guidance, added if ctx.has_added else None, *[None] * 7


_diffuse.register_autograd(_backward, setup_context=_keep)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()
