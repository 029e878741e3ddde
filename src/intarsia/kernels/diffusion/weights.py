"""From guidance to the weights of a diffusion's neighbours, and back: each is a share of their sizes' sum."""

import numpy as np
from jaxtyping import Float

from intarsia.kernels.compiled import in_place
from intarsia.kernels.diffusion.stencil import Stencil, weights_at
from intarsia.kernels.diffusion.steps import Map
from intarsia.kernels.vectors.lanes import Flat, copy_line, filled, load, store, where_at_least, with_sign_of
from intarsia.kernels.vectors.vector_type import LINE

_LEAST = 1e-20  # sums of sizes below it divide nothing: guidance of zero means weights of zero

Guidance = Float[np.ndarray, "G H W"]


@in_place
def lay_out_weights(
    stencil: Stencil, guidance: Guidance, absolute: bool, free: Map, with_free: bool, weights: Flat
) -> None:
    """Weights of all neighbours and, in the last line, of the pixel itself: what they leave of one.

    All are multiplied by `free` if it is there. What leads out of the image is zero before sizes are summed.
    """
    lanes, stride, taps = LINE // weights.itemsize, stencil.stride, stencil.lines - 1
    one, least = filled(weights, 1.0), filled(weights, _LEAST)
    block = stencil.lines * stride
    for row in range(-stencil.radius, stencil.height + stencil.radius):
        line = weights_at(stencil, row)
        if not 0 <= row < stencil.height:
            for k in range(0, block, lanes):
                store(weights, line + k, filled(weights, 0.0))
            continue
        for tap in range(stencil.lines):
            store(weights, line + tap * stride, filled(weights, 0.0))
        for k in range(line + taps * stride, line + block, lanes):
            store(weights, k, filled(weights, 0.0))
        _read(stencil, guidance, row, line, weights)
        own = line + taps * stride
        for k in range(stencil.width):
            weights[own + lanes + k] = free[row, k] if with_free else 1
        for k in range(lanes, stride, lanes):
            scale = _scale(weights, line + k, stride, taps, one, least)
            left, share = one, load(weights, own + k)
            for tap in range(taps):
                place = line + tap * stride + k
                g = load(weights, place)
                weight = (abs(g) if absolute else g) * scale
                left = left - weight
                store(weights, place, weight * share)
            store(weights, own + k, left * share)
    store(weights, len(weights) - lanes, filled(weights, 0.0))


@in_place
def guidance_gradient(
    stencil: Stencil, guidance: Guidance, absolute: bool, free: Map, with_free: bool,
    grad_weights: Flat, room: Flat, grad_guidance: Guidance,
) -> None:  # fmt: skip
    """Writes the gradient where guidance was read, and leaves the rest; `room` holds the weights of one row."""
    lanes, stride, taps = LINE // room.itemsize, stencil.stride, stencil.lines - 1
    one, zero, least = filled(room, 1.0), filled(room, 0.0), filled(room, _LEAST)
    for k in range(0, len(room), lanes):
        store(room, k, zero)
    for row in range(stencil.height):
        line = weights_at(stencil, row)
        _read(stencil, guidance, row, 0, room)
        for k in range(stencil.width):
            room[taps * stride + lanes + k] = free[row, k] if with_free else 1
        for k in range(lanes, stride, lanes):
            scale = _scale(room, k, stride, taps, one, least)
            total, own = zero, load(grad_weights, line + taps * stride + k)
            share, common = load(room, taps * stride + k), zero
            for tap in range(taps):
                g = load(room, tap * stride + k)
                weight = (abs(g) if absolute else g) * scale
                total = total + abs(g)
                common = common + share * (load(grad_weights, line + tap * stride + k) - own) * weight
            common = where_at_least(total, least, common, zero)  # through the sum of sizes
            for tap in range(taps):
                g = load(room, tap * stride + k)
                arriving = share * (load(grad_weights, line + tap * stride + k) - own)
                if absolute:
                    arriving = with_sign_of(arriving, g)
                store(room, tap * stride + k, scale * (arriving - with_sign_of(common, g)))
        _write(stencil, room, row, grad_guidance)


@in_place
def _scale(weights: Flat, place: int, stride: int, taps: int, one, least):  # noqa: ANN001, ANN202 - vectors
    total = filled(weights, 0.0)
    for tap in range(taps):
        total = total + abs(load(weights, place + tap * stride))
    return where_at_least(total, least, one / total, one)


@in_place
def _read(stencil: Stencil, guidance: Guidance, row: int, line: int, weights: Flat) -> None:
    """A row of each channel: at the pixel, or shifted, at the neighbour; what leads out of the image is zero."""
    lanes = LINE // weights.itemsize
    for tap in range(stencil.lines - 1):
        down, right = _neighbour(stencil, tap)
        place = line + tap * stencil.stride
        for k in range(lanes, stencil.stride, lanes):
            store(weights, place + k, filled(weights, 0.0))
        first, count = max(0, -right), stencil.width - abs(right)
        if 0 <= row + down < stencil.height and count > 0:
            source = guidance[tap, row + down if stencil.shifted else row]
            copy_line(source, first + (right if stencil.shifted else 0), count, weights, place + lanes + first)


@in_place
def _write(stencil: Stencil, room: Flat, row: int, grad_guidance: Guidance) -> None:
    lanes = LINE // room.itemsize
    for tap in range(stencil.lines - 1):
        down, right = _neighbour(stencil, tap)
        first, count = max(0, -right), stencil.width - abs(right)
        if 0 <= row + down < stencil.height and count > 0:
            target = grad_guidance[tap, row + down if stencil.shifted else row]
            place = tap * stencil.stride + lanes + first
            copy_line(room, place, count, target, first + (right if stencil.shifted else 0))


@in_place
def _neighbour(stencil: Stencil, tap: int) -> tuple[int, int]:
    """How far it is down and to the right."""
    number, size = stencil.lines - 2 - tap if stencil.shifted else tap, 2 * stencil.radius + 1
    if number >= stencil.lines // 2:
        number += 1  # the pixel itself
    return number // size - stencil.radius, number % size - stencil.radius
