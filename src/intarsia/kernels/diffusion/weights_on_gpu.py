"""From guidance to the weights of a diffusion and back, on a GPU: each pixel's are its own thread's.

Weights lie in reading order of the neighbours they lead to, with the pixel's own in the middle.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

BLOCK = 256
_LEAST = 1e-20  # sums of sizes below it divide nothing: guidance of zero means weights of zero


def lay_out_weights(
    guidance: Float[Tensor, "B neighbours H W"],
    free: Float[Tensor, "B 1 H W"] | None,
    kernel_size: int,
    shifted: bool,
    absolute: bool,
) -> Float[Tensor, "B taps H W"]:
    """Weights of all neighbours and the pixel's own, which is what they leave of one; `free` multiplies all."""
    batch, _, height, width = guidance.shape
    weights = guidance.new_empty(batch, kernel_size**2, height, width)
    _weigh[(-(-height * width // BLOCK), batch)](
        guidance, guidance if free is None else free, weights, height, width,
        SIZE=kernel_size, SHIFTED=shifted, ABSOLUTE=absolute, FREE=free is not None, LEAST=_LEAST, BLOCK=BLOCK,
    )  # fmt: skip
    return weights


def guidance_gradient(
    guidance: Float[Tensor, "B neighbours H W"],
    free: Float[Tensor, "B 1 H W"] | None,
    kernel_size: int,
    shifted: bool,
    absolute: bool,
    grad_weights: Float[Tensor, "B taps H W"],
) -> Float[Tensor, "B neighbours H W"]:
    """The gradient, zero where guidance leads out of the image."""
    batch, _, height, width = guidance.shape
    result = torch.zeros_like(guidance)
    _weigh_back[(-(-height * width // BLOCK), batch)](
        guidance, guidance if free is None else free, grad_weights, result, height, width,
        SIZE=kernel_size, SHIFTED=shifted, ABSOLUTE=absolute, FREE=free is not None, LEAST=_LEAST, BLOCK=BLOCK,
    )  # fmt: skip
    return result


@triton.jit
@no_type_check
def _weigh(
    guidance, free, weights, height, width,
    SIZE: tl.constexpr, SHIFTED: tl.constexpr, ABSOLUTE: tl.constexpr, FREE: tl.constexpr, LEAST: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    pixels, b = height * width, tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    target, plane = weights + b * SIZE * SIZE * pixels + at, tl.cast(pixels, tl.int64)
    total = tl.full((BLOCK,), 0.0, guidance.dtype.element_ty)
    for tap in tl.static_range(SIZE * SIZE):
        if tap != SIZE * SIZE // 2:
            place, there = _read_at(at, b, tap, height, width, SIZE, SHIFTED)
            total += tl.abs(tl.load(guidance + place, there, other=0.0))
    scale = 1.0 / tl.where(total >= LEAST, total, 1.0)
    share = tl.full((BLOCK,), 1.0, guidance.dtype.element_ty)
    if FREE:
        share = tl.load(free + b * pixels + at, at < pixels, other=0.0)
    left = 1.0
    for tap in tl.static_range(SIZE * SIZE):
        if tap != SIZE * SIZE // 2:
            place, there = _read_at(at, b, tap, height, width, SIZE, SHIFTED)
            weight = scale * tl.load(guidance + place, there, other=0.0)
            if ABSOLUTE:
                weight = tl.abs(weight)
            left -= weight
            tl.store(target + tap * plane, weight * share, at < pixels)
    tl.store(target + (SIZE * SIZE // 2) * plane, left * share, at < pixels)


@triton.jit
@no_type_check
def _weigh_back(
    guidance, free, grad_weights, grad_guidance, height, width,
    SIZE: tl.constexpr, SHIFTED: tl.constexpr, ABSOLUTE: tl.constexpr, FREE: tl.constexpr, LEAST: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    pixels, b = height * width, tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < pixels
    source, plane = grad_weights + b * SIZE * SIZE * pixels + at, tl.cast(pixels, tl.int64)
    own = tl.load(source + (SIZE * SIZE // 2) * plane, inside, other=0.0)
    share = tl.full((BLOCK,), 1.0, guidance.dtype.element_ty)
    if FREE:
        share = tl.load(free + b * pixels + at, inside, other=0.0)
    total, common = tl.full((BLOCK,), 0.0, own.dtype), tl.full((BLOCK,), 0.0, own.dtype)
    for tap in tl.static_range(SIZE * SIZE):
        if tap != SIZE * SIZE // 2:
            place, there = _read_at(at, b, tap, height, width, SIZE, SHIFTED)
            g = tl.load(guidance + place, there, other=0.0)
            total += tl.abs(g)
            arriving = tl.load(source + tap * plane, inside, other=0.0) - own
            common += arriving * (tl.abs(g) if ABSOLUTE else g)
    large = total >= LEAST
    scale = 1.0 / tl.where(large, total, 1.0)
    common = tl.where(large, common * scale, 0.0)  # through the sum of sizes
    for tap in tl.static_range(SIZE * SIZE):
        if tap != SIZE * SIZE // 2:
            place, there = _read_at(at, b, tap, height, width, SIZE, SHIFTED)
            g = tl.load(guidance + place, there, other=0.0)
            arriving = tl.load(source + tap * plane, inside, other=0.0) - own
            sign = tl.where(g > 0, 1.0, tl.where(g < 0, -1.0, 0.0))
            grad = (arriving - common) * sign if ABSOLUTE else arriving - common * sign
            tl.store(grad_guidance + place, scale * share * grad, there)


@triton.jit
@no_type_check
def _read_at(at, b, tap: tl.constexpr, height, width, SIZE: tl.constexpr, SHIFTED: tl.constexpr):
    """Where guidance for a neighbour is read, and whether the pixel and that neighbour are in the image."""
    down, right = tap // SIZE - SIZE // 2, tap % SIZE - SIZE // 2
    row, column = at // width + down, at % width + right
    there = (at < height * width) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    channel = SIZE * SIZE - 1 - tap if SHIFTED else tap
    if channel > SIZE * SIZE // 2:
        channel -= 1
    place = (b * (SIZE * SIZE - 1) + channel) * height * width
    if SHIFTED:
        place += row * width + column
    else:
        place += at
    return place, there
