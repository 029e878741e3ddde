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

from intarsia.affinity.devices import has_kernels
from intarsia.affinity.in_pytorch import diffuse_maps
from intarsia.affinity.refusals import check_finite, check_floating, check_one_device, check_one_grid, exact_dtype
from intarsia.errors import ArgumentError
from intarsia.kernels.diffusion.back import diffuse_back
from intarsia.kernels.diffusion.shares import shares_of
from intarsia.kernels.diffusion.stencil import sizes_of, stencil_of
from intarsia.kernels.diffusion.steps import diffuse
from intarsia.kernels.diffusion.weights import Source
from intarsia.kernels.parts import in_parts
from intarsia.kernels.scratch import rooms

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
        layout: in the published code a channel of guidance is read at the neighbour, like the map, and channel 0
            belongs to the neighbour below right: "shifted", which fits published weights. The paper reads it at the
            pixel itself: "centred", with neighbours in reading order from above left.
        sparse: measurements, zero in all channels where there are none.
        measured: what a measured pixel is after each step: "kept" is h0, as in the published code, "replaced" the
            measurement, as the paper writes (section 3.3), "blended" the mean of the measurement and the step's result.

    Half precision is computed in float32. On the CPU a compiled kernel computes it, and second derivatives are not
    defined. It keeps no step for the backward pass: steps are computed again, a few rows at a time. Maps of the batch's
    channels, and where they are too few bands of their rows, are shared out between as many threads as PyTorch has. On
    a GPU Triton does the same, a few steps at a time on tiles that overlap. Elsewhere, and without Triton, PyTorch adds
    up slices and keeps every step. Only the CPU's kernel looks at the numbers.

    Raises:
        ArgumentError: shapes do not fit, tensors lie on two devices or hold whole numbers, or (on the CPU) guidance is
            not finite.

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
    exact = exact_dtype(h0, guidance, *([] if sparse is None else [sparse]))
    start, added, free = h0.to(exact), None, None
    if sparse is not None:
        part = (sparse != 0).any(1, keepdim=True).to(exact) * (0.5 if measured == "blended" else 1.0)
        added, free = part * (start if measured == "kept" else sparse.to(exact)), 1 - part
    options = (kernel_size, layout == "shifted", norm == "8sum_abs", centre == "current")
    form = _diffuse if has_kernels(h0) and h0.numel() else diffuse_maps  # empty maps stay empty
    return form(start, guidance.to(exact), added, free, steps, *options).to(h0.dtype)


def _check(h0: Tensor, guidance: Tensor, steps: int, kernel_size: int, sparse: Tensor | None) -> None:
    tensors = {"h0": h0, "guidance": guidance, **({} if sparse is None else {"sparse": sparse})}
    check_floating(**tensors)
    check_one_device(**tensors)
    if kernel_size not in KERNEL_SIZES:
        raise ArgumentError(f"`kernel_size` (={kernel_size}) must be 3, 5 or 7.")
    if steps < 1:
        raise ArgumentError(f"`steps` (={steps}) must be 1 or more; without a step the map is `h0`.")
    if h0.ndim != 4 or guidance.ndim != 4:
        raise ArgumentError(
            f"`h0` {tuple(h0.shape)} and `guidance` {tuple(guidance.shape)} must be (B, channels, H, W)."
        )
    if guidance.shape[1] != kernel_size**2 - 1:
        raise ArgumentError(
            f"`guidance` has {guidance.shape[1]} channels and must have {kernel_size**2 - 1}, one for each neighbour "
            f"of a {kernel_size}×{kernel_size} kernel; its last convolution needs as many outputs."
        )
    check_one_grid(h0=h0, guidance=guidance)
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
) -> Tensor:
    result = h0.new_empty(h0.shape)
    firsts, adds, results = _array(h0), _array(h0 if added is None else added), result.numpy()
    sources, with_added, finite = _sources(guidance, free, absolute), added is not None, list[bool]()
    shares = shares_of(h0.shape[:3], steps * (kernel_size // 2), torch.get_num_threads())

    def work(first: int, last: int) -> None:
        for share in shares[first:last]:
            stencil = stencil_of(firsts, share, kernel_size, steps, shifted=shifted, own=own, kept=False)
            weights, states = rooms(firsts.dtype, *sizes_of(stencil, h0.itemsize)[:2])
            for c in range(share.first, share.last):
                maps = firsts[share.b, c], adds[share.b, c], with_added, states, results[share.b, c]
                finite.append(diffuse(stencil, sources[share.b], c == share.first, weights, *maps))

    in_parts(work, len(shares), torch.get_num_threads())
    if not all(finite):
        check_finite(result, guidance=guidance)
    return result


def _sources(guidance: Tensor, free: Tensor | None, absolute: bool) -> list[Source]:
    """Of each map of the batch."""
    guides, frees = _array(guidance), _array(guidance if free is None else free)
    return [Source(guide, absolute, share[0], free is not None) for guide, share in zip(guides, frees, strict=True)]


@_diffuse.register_kernel("cuda")
def _diffuse_on_gpu(*arguments: Any) -> Tensor:
    from intarsia.kernels.diffusion import on_gpu  # Triton is not on every machine

    with torch.cuda.device(arguments[0].device):
        return on_gpu.diffuse(*arguments)


@_diffuse.register_fake
def _like(h0: Tensor, *_: Any) -> Tensor:
    return h0.new_empty(h0.shape)


@torch.library.custom_op("intarsia::convolutional_propagation_backward", mutates_args=())
def _diffuse_back(
    grad: Tensor,
    h0: Tensor,
    guidance: Tensor,
    added: Tensor | None,
    free: Tensor | None,
    steps: int,
    kernel_size: int,
    shifted: bool,
    absolute: bool,
    own: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the first map, of the guidance, and of what is added in each step."""
    shares = shares_of(h0.shape[:3], steps * (kernel_size // 2), torch.get_num_threads())
    grad_first, grad_added = h0.new_empty(h0.shape), h0.new_empty(h0.shape)
    firsts, adds, grads = _array(h0), _array(h0 if added is None else added), _array(grad)
    sources, with_added = _sources(guidance, free, absolute), added is not None
    grad_guidance = guidance.new_empty(1 + shares[-1].group, *guidance.shape)
    first_, added_, guided = (tensor.numpy() for tensor in (grad_first, grad_added, grad_guidance))

    def work(first: int, last: int) -> None:
        for share in shares[first:last]:
            stencil, b = stencil_of(firsts, share, kernel_size, steps, shifted=shifted, own=own, kept=True), share.b
            of_weights, of_states, of_gradients = sizes_of(stencil, h0.itemsize)
            sizes = of_weights, of_states, of_states, of_gradients, stencil.lines * stencil.stride
            weights, *others = rooms(firsts.dtype, *sizes)
            for c in range(share.first, share.last):
                diffuse_back(
                    stencil, sources[b], c == share.first, c == share.last - 1, weights, grads[b, c], firsts[b, c],
                    adds[b, c], with_added, *others, first_[b, c], added_[b, c], guided[share.group, b],
                )  # fmt: skip

    in_parts(work, len(shares), torch.get_num_threads())
    return grad_first, grad_guidance[0] if len(grad_guidance) == 1 else grad_guidance.sum(0), grad_added


@_diffuse_back.register_kernel("cuda")
def _diffuse_back_on_gpu(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    from intarsia.kernels.diffusion import on_gpu

    with torch.cuda.device(arguments[0].device):
        return on_gpu.diffuse_back(*arguments)


@_diffuse_back.register_fake
def _like_all(grad: Tensor, h0: Tensor, guidance: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return h0.new_empty(h0.shape), guidance.new_empty(guidance.shape), h0.new_empty(h0.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    h0, guidance, added, free, *ctx.options = inputs
    ctx.save_for_backward(h0, guidance, added, free)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    first, guidance, added = _diffuse_back(grad, *ctx.saved_tensors, *ctx.options)
    return first, guidance, None if ctx.saved_tensors[2] is None else added, *[None] * 6


_diffuse.register_autograd(_backward, setup_context=_keep)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()
