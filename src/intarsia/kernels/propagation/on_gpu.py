"""The linear recurrence of spatial propagation and its gradient, on a GPU (Triton); tensors in and out.

Lines follow one another, and one warp holds a line, or a few hold a long one: neighbours come from registers beside
and, once for each thread, from the thread beside. Some lines are brought in together, so that columns are read in whole
sectors of memory too, while those before them are worked on. The adjoint goes the same way back; what remains of the
gradient is made pixel by pixel.
"""

from typing import NamedTuple, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from intarsia.kernels.propagation.neighbours_on_gpu import from_left, from_right, line_of, places_of

_HELD = 1 << 14  # bytes of each map that are brought in together: with three gates' 80 KiB of shared memory at most


class _Launch(NamedTuple):
    """How a sweep is cut into programs."""

    size: int
    """Places in a line, rounded up."""
    together: int
    """Lines."""
    warps: int


def propagate(
    x: Float[Tensor, "B C H W"],
    gates: Float[Tensor, "B ways gate_channels H W"],
    across: bool,
    backwards: bool,
    threshold: float,
) -> Float[Tensor, "B C H W"]:
    """The recurrence; all arguments are as in :func:`intarsia.affinity.in_pytorch.propagate_lines`."""
    x, gates = x.contiguous(), gates.contiguous()
    return _swept(x, gates, across, backwards, threshold, adjoint=False)


def propagate_back(
    grad: Float[Tensor, "B C H W"],
    x: Float[Tensor, "B C H W"],
    gates: Float[Tensor, "B ways gate_channels H W"],
    h: Float[Tensor, "B C H W"],
    across: bool,
    backwards: bool,
    threshold: float,
) -> tuple[Float[Tensor, "B C H W"], Float[Tensor, "B ways gate_channels H W"]]:
    """Gradients of `x` and of `gates`."""
    grad, x, gates, h = (tensor.contiguous() for tensor in (grad, x, gates, h))
    adjoint = _swept(grad, gates, across, not backwards, threshold, adjoint=True)
    grad_gates = torch.empty_like(gates)
    batch, channels, height, width = x.shape
    ways, gate_channels = gates.shape[1:3]
    block = 256
    _gradients[(batch * gate_channels * -(-height * width // block),)](  # the other axes end at 65535
        adjoint, x, gates, h, grad_gates,
        channels, gate_channels, height, width, threshold,
        ACROSS=across, BACKWARDS=backwards, WAYS=ways, BLOCK=block,
    )  # fmt: skip
    return adjoint, grad_gates


def holds_lines(x: Float[Tensor, "B C H W"], across: bool) -> bool:
    """Whether a line of the map fits with those of three gates into shared memory, as Ampere and its heirs have it."""
    return _launch(x.shape[2 if across else 3], 1).size * x.itemsize <= _HELD


def _swept(maps: Tensor, gates: Tensor, across: bool, backwards: bool, threshold: float, *, adjoint: bool) -> Tensor:
    batch, channels, height, width = maps.shape
    count, n = (width, height) if across else (height, width)
    launch = _launch(n, maps.itemsize)
    result = torch.empty_like(maps)
    _sweep[(batch * channels,)](
        maps, gates, result,
        channels, gates.shape[2], count, n, 1 if across else width, width if across else 1, threshold,
        BACKWARDS=backwards, ADJOINT=adjoint, WAYS=gates.shape[1],
        SIZE=launch.size, TOGETHER=launch.together, SEAM=32 * launch.warps, WOVEN=across, num_warps=launch.warps,  # type: ignore[reportCallIssue]
    )  # fmt: skip
    return result


def _launch(n: int, itemsize: int) -> _Launch:
    size = max(32, 1 << (n - 1).bit_length())
    return _Launch(size, max(1, min(8, _HELD // (size * itemsize))), min(8, max(1, size // 128)))


@triton.jit
@no_type_check
def _sweep(
    maps, gates, result, channels, gate_channels, count, n, line_stride, place_stride, threshold,
    BACKWARDS: tl.constexpr, ADJOINT: tl.constexpr, WAYS: tl.constexpr,
    SIZE: tl.constexpr, TOGETHER: tl.constexpr, SEAM: tl.constexpr, WOVEN: tl.constexpr,
):  # fmt: skip
    """One map; with ADJOINT a gate carries from its own line to the next one instead of the other way."""
    pixels, number = count * n, tl.program_id(0).to(tl.int64)
    b, c = number // channels, number % channels
    own_map = number * pixels
    way_stride = tl.cast(gate_channels, tl.int64) * pixels
    own_gates = b * WAYS * way_stride + (c % gate_channels) * pixels
    places = places_of(SIZE, SEAM, WOVEN)
    place, beside = places[:, None], tl.arange(0, TOGETHER)[None, :]
    start = count - 1 if BACKWARDS != ADJOINT else 0  # the line that none comes before
    arriving = tl.full((SIZE,), 0.0, maps.dtype.element_ty)
    for first in tl.range(0, count, TOGETHER, num_stages=2):
        line = (count - TOGETHER - first if BACKWARDS else first) + beside
        inside = (place < n) & (line >= 0) & (line < count)
        gated = inside & (line != start)
        at = line * line_stride + place * place_stride
        own = tl.load(maps + own_map + at, inside, other=0.0)
        g1 = tl.load(gates + own_gates + (WAYS // 2) * way_stride + at, gated, other=0.0)
        if WAYS == 3:
            g0 = tl.load(gates + own_gates + at, gated, other=0.0)
            g2 = tl.load(gates + own_gates + 2 * way_stride + at, gated, other=0.0)
        for k in tl.static_range(TOGETHER):
            found, p1 = line_of(own, k, BACKWARDS), line_of(g1, k, BACKWARDS)
            total = tl.abs(p1)
            if WAYS == 3:
                p0, p2 = line_of(g0, k, BACKWARDS), line_of(g2, k, BACKWARDS)
                total += tl.abs(p0) + tl.abs(p2)
            scale = 1.0 / tl.where(total >= threshold, total, 1.0)
            p1 *= scale
            if WAYS == 3:
                p0, p2 = tl.where(places > 0, p0 * scale, 0.0), tl.where(places < n - 1, p2 * scale, 0.0)
            if ADJOINT:
                found += arriving
                arriving = found * p1
                if WAYS == 3:
                    arriving += from_right(found * p0, SEAM, WOVEN) + from_left(found * p2, SEAM, WOVEN)
            else:
                carried = p1
                if WAYS == 3:
                    carried += p0 + p2
                found = found * (1.0 - carried) + p1 * arriving
                if WAYS == 3:
                    found += p0 * from_left(arriving, SEAM, WOVEN) + p2 * from_right(arriving, SEAM, WOVEN)
                arriving = found
            own = tl.where(beside == (TOGETHER - 1 - k if BACKWARDS else k), found[:, None], own)
        tl.store(result + own_map + at, own, inside)


@triton.jit
@no_type_check
def _gradients(
    adjoint, x, gates, h, grad_gates, channels, gate_channels, height, width, threshold,
    ACROSS: tl.constexpr, BACKWARDS: tl.constexpr, WAYS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Of all pixels at once: adjoints become the gradient of x, and what they say of the gates is added up."""
    pixels = height * width
    blocks = (pixels + BLOCK - 1) // BLOCK  # no tl.cdiv: it is compiled, and unknown to the interpreter
    number = (tl.program_id(0) // blocks).to(tl.int64)
    b, gate = number // gate_channels, number % gate_channels
    at = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    inside = at < pixels
    row, column = at // width, at % width
    if ACROSS:
        line, place, last, n, back, side = column, row, width - 1, height, -1, width
    else:
        line, place, last, n, back, side = row, column, height - 1, width, -width, 1
    if BACKWARDS:
        line, back = last - line, -back
    gated = inside & (line > 0)
    way_stride = tl.cast(gate_channels, tl.int64) * pixels
    to_gates = b * WAYS * way_stride + gate * pixels + at
    g1 = tl.load(gates + to_gates + (WAYS // 2) * way_stride, gated, other=0.0)
    total = tl.abs(g1)
    if WAYS == 3:
        g0 = tl.load(gates + to_gates, gated, other=0.0)
        g2 = tl.load(gates + to_gates + 2 * way_stride, gated, other=0.0)
        total += tl.abs(g0) + tl.abs(g2)
    scale = 1.0 / tl.where(total >= threshold, total, 1.0)
    p1 = g1 * scale
    carried = p1
    d1 = tl.full((BLOCK,), 0.0, x.dtype.element_ty)
    if WAYS == 3:
        before, behind = gated & (place > 0), gated & (place < n - 1)
        p0, p2 = tl.where(before, g0 * scale, 0.0), tl.where(behind, g2 * scale, 0.0)
        carried += p0 + p2
        d0, d2 = d1, d1
    shared = channels // gate_channels
    for k in range(shared):
        here = (b * channels + gate + k) * pixels + at
        a, own = tl.load(adjoint + here, inside, other=0.0), tl.load(x + here, inside, other=0.0)
        d1 += tl.where(gated, a * (tl.load(h + here + back, gated, other=0.0) - own), 0.0)
        if WAYS == 3:
            d0 += tl.where(before, a * (tl.load(h + here + back - side, before, other=0.0) - own), 0.0)
            d2 += tl.where(behind, a * (tl.load(h + here + back + side, behind, other=0.0) - own), 0.0)
        tl.store(adjoint + here, a * (1.0 - carried), inside)
    common = d1 * p1
    if WAYS == 3:
        common += d0 * p0 + d2 * p2
        common = tl.where(total >= threshold, common, 0.0)  # through the sum of sizes
        tl.store(grad_gates + to_gates, scale * (d0 - _with_sign_of(common, g0)), inside)
        tl.store(grad_gates + to_gates + 2 * way_stride, scale * (d2 - _with_sign_of(common, g2)), inside)
    common = tl.where(total >= threshold, common, 0.0)
    tl.store(grad_gates + to_gates + (WAYS // 2) * way_stride, scale * (d1 - _with_sign_of(common, g1)), inside)


@triton.jit
@no_type_check
def _with_sign_of(value, gate):
    return tl.where(gate > 0, value, tl.where(gate < 0, -value, 0.0))
