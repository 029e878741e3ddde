"""From guidance to the weights of a diffusion's neighbours, and back: each is a share of their sizes' sum."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from intarsia.kernels.compiled import in_place
from intarsia.kernels.diffusion.stencil import Map, Stencil, gradients_at, weights_at
from intarsia.kernels.vectors.lanes import Flat, copy_line, filled, load, store, where_at_least, with_sign_of
from intarsia.kernels.vectors.vector_type import LINE

_LEAST = 1e-20  # sums of sizes below it divide nothing: guidance of zero means weights of zero

Guidance = Float[np.ndarray, "G H W"]


class Source(NamedTuple):
    """What weights are made of."""

    guidance: Guidance
    absolute: bool
    """Of sizes instead of numbers with their signs."""
    free: Map
    """A share that all weights of a pixel are multiplied by."""
    with_free: bool


@in_place
def lay_out_weights(stencil: Stencil, source: Source, row: int, weights: Flat) -> None:
    """Weights of a row's neighbours and, in the last line, of the pixel itself: what they leave of one.

    What leads out of the image is zero before sizes are summed. Beside the image all weights are zero.
    """
    lanes, stride, taps = LINE // weights.itemsize, stencil.stride, stencil.lines - 1
    one, least = filled(weights, 1.0), filled(weights, _LEAST)
    line = weights_at(stencil, row)
    own, beyond = line + taps * stride, line + stencil.lines * stride
    if not 0 <= row < stencil.height:
        for k in range(line, beyond + lanes, lanes):
            store(weights, k, filled(weights, 0.0))
        return
    _read(stencil, source.guidance, row, line, weights)
    _read_free(stencil, source, row, own, weights)
    store(weights, beyond, filled(weights, 0.0))
    for k in range(lanes, stride, lanes):
        scale = _scale(weights, line + k, stride, taps, one, least)
        left, share = one, load(weights, own + k)
        for tap in range(taps):
            place = line + tap * stride + k
            g = load(weights, place)
            weight = (abs(g) if source.absolute else g) * scale
            left = left - weight
            store(weights, place, weight * share)
        store(weights, own + k, left * share)


@in_place
def guidance_gradient(
    stencil: Stencil, source: Source, row: int, grad_weights: Flat, room: Flat, grad_guidance: Guidance
) -> None:
    """Writes the gradient where a row's guidance was read; `room` holds the weights of one row."""
    lanes, stride, taps = LINE // room.itemsize, stencil.stride, stencil.lines - 1
    one, zero, least = filled(room, 1.0), filled(room, 0.0), filled(room, _LEAST)
    line, own = gradients_at(stencil, row), taps * stride
    _read(stencil, source.guidance, row, 0, room)
    _read_free(stencil, source, row, own, room)
    for k in range(lanes, stride, lanes):
        scale = _scale(room, k, stride, taps, one, least)
        total, left = zero, load(grad_weights, line + own + k)
        share, common = load(room, own + k), zero
        for tap in range(taps):
            g = load(room, tap * stride + k)
            weight = (abs(g) if source.absolute else g) * scale
            total = total + abs(g)
            common = common + share * (load(grad_weights, line + tap * stride + k) - left) * weight
        common = where_at_least(total, least, common, zero)  # through the sum of sizes
        for tap in range(taps):
            g = load(room, tap * stride + k)
            arriving = share * (load(grad_weights, line + tap * stride + k) - left)
            if source.absolute:
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
def _read_free(stencil: Stencil, source: Source, row: int, line: int, weights: Flat) -> None:
    """The share of all weights, or one; zero beside the map."""
    lanes = LINE // weights.itemsize
    for k in range(line, line + stencil.stride, lanes):
        store(weights, k, filled(weights, 0.0))
    if source.with_free:
        copy_line(source.free[row], 0, stencil.width, weights, line + lanes)
        return
    for k in range(line + lanes, line + stencil.width + 1, lanes):
        store(weights, k, filled(weights, 1.0))
    for k in range(line + lanes + stencil.width // lanes * lanes, line + lanes + stencil.width):
        weights[k] = 1


@in_place
def _read(stencil: Stencil, guidance: Guidance, row: int, line: int, weights: Flat) -> None:
    """A row of each channel: at the pixel, or shifted, at the neighbour; what leads out of the image is zero."""
    lanes = LINE // weights.itemsize
    for tap in range(stencil.lines - 1):
        down, right = _neighbour(stencil, tap)
        place = line + tap * stencil.stride
        for k in range(place, place + stencil.stride, lanes):
            store(weights, k, filled(weights, 0.0))
        first, count = max(0, -right), stencil.width - abs(right)
        if 0 <= row + down < stencil.height and count > 0:
            source = guidance[tap, row + down if stencil.shifted else row]
            copy_line(source, first + (right if stencil.shifted else 0), count, weights, place + lanes + first)


@in_place
def _write(stencil: Stencil, room: Flat, row: int, grad_guidance: Guidance) -> None:
    """The other way; what no pixel has read becomes zero, in the row itself."""
    lanes = LINE // room.itemsize
    for tap in range(stencil.lines - 1):
        down, right = _neighbour(stencil, tap)
        first, count = max(0, -right), stencil.width - abs(right)
        if 0 <= row + down < stencil.height and count > 0:
            target = grad_guidance[tap, row + down if stencil.shifted else row]
            to = first + (right if stencil.shifted else 0)
            target[:to] = 0
            copy_line(room, tap * stencil.stride + lanes + first, count, target, to)
            target[to + count :] = 0
        if count <= 0 or not 0 <= row + (-down if stencil.shifted else down) < stencil.height:
            grad_guidance[tap, row] = 0


@in_place
def _neighbour(stencil: Stencil, tap: int) -> tuple[int, int]:
    """How far it is down and to the right."""
    number, size = stencil.lines - 2 - tap if stencil.shifted else tap, 2 * stencil.radius + 1
    if number >= stencil.lines // 2:
        number += 1  # the pixel itself
    return number // size - stencil.radius, number % size - stencil.radius
