"""The linear recurrence of spatial propagation networks, and its gradient, one channel's map after another.

A strip of lines is brought into a buffer that stays in the core's cache, worked through there, and brought back, so
that main memory sees each number once. Lines are rows where steps go along columns of the image, or columns, which the
buffer holds turned: what is added up side by side lies side by side. Everything between is one loop of vectors.

A line in the buffer has room for a vector before it and after it, which stays zero: a neighbour beyond the border may
be read, and the gate that leads there is masked.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from intarsia.kernels.compiled import in_place
from intarsia.kernels.lanes import (
    Flat,
    copy_line,
    filled,
    load,
    store,
    turn,
    where_at_least,
    with_sign_of,
)
from intarsia.kernels.vector_type import LINE, aligned

_CACHE = 1 << 19  # bytes that a strip's maps may take: half of a core's second cache

Maps = Float[np.ndarray, "B C H W"]
Gates = Float[np.ndarray, "B ways C H W"]


class Sweep(NamedTuple):
    """How a map is gone through, and the buffer for it."""

    across: bool
    """Steps go from column to column, not from row to row."""
    backwards: bool
    """From the last line to the first."""
    lines: int
    """In a strip."""
    stride: int
    """From line to line of the buffer."""
    threshold: float
    """Gates are divided by the sum of their sizes where it is at least this."""
    buffer: Float[np.ndarray, " size"]
    """The maps of a strip, one after another; then five lines, and two that mask gates across the border."""


def sweep_of(x: Maps, ways: int, across: bool, backwards: bool, threshold: float) -> Sweep:
    """A buffer for x, h or its gradient, the output before each line, and gates or their gradients."""
    lanes = LINE // x.itemsize
    count, n = (x.shape[3], x.shape[2]) if across else (x.shape[2], x.shape[3])
    stride = (n + lanes - 1) // lanes * lanes + 2 * lanes
    lines = min(count, max(lanes, _CACHE // ((3 + ways) * stride * x.itemsize) // lanes * lanes))
    buffer = aligned((3 + ways) * lines * stride + 9 * stride, dtype=x.dtype)
    masks = buffer[-2 * stride :].reshape(2, stride)
    masks[0, lanes + 1 : lanes + n] = 1
    masks[1, lanes : lanes + n - 1] = 1
    return Sweep(across, backwards, lines, stride, threshold, buffer)


@in_place
def propagate(x: Maps, gates: Gates, sweep: Sweep, first: int, last: int, h: Maps) -> None:
    """Writes maps `first` to `last` - 1, counted through batch and channels, into `h`."""
    channels, count = x.shape[1], x.shape[3] if sweep.across else x.shape[2]
    ways, lines, stride, buffer = gates.shape[1], sweep.lines, sweep.stride, sweep.buffer
    before = (3 + ways) * lines * stride
    for place in range(first, last):
        b, c = place // channels, place % channels
        gate = c if gates.shape[2] > 1 else 0
        for start in range(0, count, lines):
            held = min(lines, count - start)
            left = count - start - held if sweep.backwards else start
            _bring_in(x[b, c], left, held, sweep, 0)
            for way in range(ways):
                _bring_in(gates[b, way, gate], left, held, sweep, (3 + way) * lines * stride)
            previous = before
            for i in range(held):
                line = (held - 1 - i if sweep.backwards else i) * stride
                if i > 0 or start > 0:
                    if ways == 3:
                        _step_three(sweep, line, previous)
                    else:
                        _step_one(sweep, line, previous)
                previous = line
            for k in range(stride):
                buffer[before + k] = buffer[previous + k]
            _bring_out(sweep, 0, left, held, False, h[b, c])


@in_place
def _step_three(sweep: Sweep, line: int, previous: int) -> None:
    """A line of x becomes one of h."""
    buffer, stride, size = sweep.buffer, sweep.stride, sweep.lines * sweep.stride
    least, one = filled(buffer, sweep.threshold), filled(buffer, 1.0)
    lanes, mask = LINE // buffer.itemsize, len(buffer) - 2 * stride
    for k in range(lanes, stride - lanes, lanes):
        here, there = line + k, previous + k
        g0, g1, g2 = (
            load(buffer, here + 3 * size),
            load(buffer, here + 4 * size),
            load(buffer, here + 5 * size),
        )
        total = abs(g0) + abs(g1) + abs(g2)
        scale = where_at_least(total, least, one / total, one)
        x = load(buffer, here)
        change = g0 * load(buffer, mask + k) * (load(buffer, there - 1) - x)
        change = change + g1 * (load(buffer, there) - x)
        change = change + g2 * load(buffer, mask + stride + k) * (load(buffer, there + 1) - x)
        store(buffer, here, x + scale * change)


@in_place
def _step_one(sweep: Sweep, line: int, previous: int) -> None:
    buffer, stride, size = sweep.buffer, sweep.stride, sweep.lines * sweep.stride
    least, one = filled(buffer, sweep.threshold), filled(buffer, 1.0)
    lanes = LINE // buffer.itemsize
    for k in range(lanes, stride - lanes, lanes):
        here = line + k
        g = load(buffer, here + 3 * size)
        scale = where_at_least(abs(g), least, one / abs(g), one)
        x = load(buffer, here)
        store(buffer, here, x + scale * g * (load(buffer, previous + k) - x))


@in_place
def propagate_back(
    grad: Maps, x: Maps, gates: Gates, h: Maps, sweep: Sweep, first: int, last: int, grad_x: Maps, grad_gates: Gates
) -> None:
    """Writes both gradients of maps `first` to `last` - 1; to those of gates that channels share it adds."""
    channels, count = x.shape[1], x.shape[3] if sweep.across else x.shape[2]
    ways, lines, stride, buffer = gates.shape[1], sweep.lines, sweep.stride, sweep.buffer
    size, shared = lines * stride, gates.shape[2] == 1 and channels > 1
    arriving = (3 + ways) * size
    for place in range(first, last):
        b, c = place // channels, place % channels
        gate = 0 if shared else c
        for k in range(arriving, arriving + 6 * stride):
            buffer[k] = 0
        for start in range((count - 1) // lines * lines, -1, -lines):
            held = min(lines, count - start)
            left = count - start - held if sweep.backwards else start
            _bring_in(x[b, c], left, held, sweep, 0)
            _bring_in(grad[b, c], left, held, sweep, size)
            for way in range(ways):
                _bring_in(gates[b, way, gate], left, held, sweep, (3 + way) * size)
            without = 1 if start == 0 else 0  # the first line of all has none before it
            if sweep.backwards:
                _bring_in(h[b, c], left + 1, held - without, sweep, 2 * size)
            else:
                _bring_in(h[b, c], left - 1 + without, held - without, sweep, 2 * size + without * stride)
            for i in range(held - 1, -1, -1):
                line = (held - 1 - i if sweep.backwards else i) * stride
                half = (start + i) % 2 * 3 * stride
                if start + i == 0:
                    _end(sweep, ways, line, arriving + half)
                elif ways == 3:
                    _step_back_three(sweep, line, arriving + half, arriving + 3 * stride - half)
                else:
                    _step_back_one(sweep, line, arriving + half, arriving + 3 * stride - half)
            _bring_out(sweep, size, left, held, False, grad_x[b, c])
            for way in range(ways):
                _bring_out(sweep, (3 + way) * size, left, held, shared, grad_gates[b, way, gate])


@in_place
def _step_back_three(sweep: Sweep, line: int, arriving: int, leaving: int) -> None:
    """Gradients of a line replace the arriving one and the gates; what goes on to the line before leaves."""
    buffer, stride, size = sweep.buffer, sweep.stride, sweep.lines * sweep.stride
    least, one, zero = filled(buffer, sweep.threshold), filled(buffer, 1.0), filled(buffer, 0.0)
    lanes, mask = LINE // buffer.itemsize, len(buffer) - 2 * stride
    for k in range(lanes, stride - lanes, lanes):
        here = line + k
        before = here + 2 * size
        g0, g1, g2 = (
            load(buffer, here + 3 * size),
            load(buffer, here + 4 * size),
            load(buffer, here + 5 * size),
        )
        total = abs(g0) + abs(g1) + abs(g2)
        scale = where_at_least(total, least, one / total, one)
        mask0, mask2 = load(buffer, mask + k), load(buffer, mask + stride + k)
        p0, p1, p2 = g0 * scale * mask0, g1 * scale, g2 * scale * mask2
        x = load(buffer, here)
        a = load(buffer, here + size) + load(buffer, arriving + k + 1)
        a = a + load(buffer, arriving + stride + k) + load(buffer, arriving + 2 * stride + k - 1)
        store(buffer, leaving + k, a * p0)
        store(buffer, leaving + stride + k, a * p1)
        store(buffer, leaving + 2 * stride + k, a * p2)
        store(buffer, here + size, a * (one - (p0 + p1 + p2)))
        d0 = a * mask0 * (load(buffer, before - 1) - x)
        d1 = a * (load(buffer, before) - x)
        d2 = a * mask2 * (load(buffer, before + 1) - x)
        common = where_at_least(total, least, d0 * p0 + d1 * p1 + d2 * p2, zero)  # through the sum of sizes
        store(buffer, here + 3 * size, scale * (d0 - with_sign_of(common, g0)))
        store(buffer, here + 4 * size, scale * (d1 - with_sign_of(common, g1)))
        store(buffer, here + 5 * size, scale * (d2 - with_sign_of(common, g2)))


@in_place
def _step_back_one(sweep: Sweep, line: int, arriving: int, leaving: int) -> None:
    buffer, stride, size = sweep.buffer, sweep.stride, sweep.lines * sweep.stride
    least, one, zero = filled(buffer, sweep.threshold), filled(buffer, 1.0), filled(buffer, 0.0)
    lanes = LINE // buffer.itemsize
    for k in range(lanes, stride - lanes, lanes):
        here = line + k
        g, x = load(buffer, here + 3 * size), load(buffer, here)
        scale = where_at_least(abs(g), least, one / abs(g), one)
        p = g * scale
        a = load(buffer, here + size) + load(buffer, arriving + stride + k)
        store(buffer, leaving + stride + k, a * p)
        store(buffer, here + size, a * (one - p))
        d = a * (load(buffer, here + 2 * size) - x)
        store(buffer, here + 3 * size, where_at_least(abs(g), least, zero, d))  # a divided gate is only a sign


@in_place
def _end(sweep: Sweep, ways: int, line: int, arriving: int) -> None:
    """The first line has no gates."""
    buffer, stride, size = sweep.buffer, sweep.stride, sweep.lines * sweep.stride
    for k in range(1, stride - 1):
        more = buffer[arriving + k + 1] + buffer[arriving + stride + k] + buffer[arriving + 2 * stride + k - 1]
        buffer[size + line + k] += more
        for way in range(ways):
            buffer[(3 + way) * size + line + k] = 0


@in_place
def _bring_in(plane: Float[np.ndarray, "H W"], left: int, held: int, sweep: Sweep, place: int) -> None:
    """Lines of a map from `left` on go to a place of the buffer."""
    height, width = plane.shape
    flat, buffer, first = plane.reshape(plane.size), sweep.buffer, place + LINE // sweep.buffer.itemsize
    if sweep.across:
        _turned(flat, left, width, height, held, buffer, first, sweep.stride)
    else:
        _copied(flat, left * width, width, held, width, buffer, first, sweep.stride)


@in_place
def _bring_out(sweep: Sweep, place: int, left: int, held: int, add: bool, plane: Float[np.ndarray, "H W"]) -> None:
    """A place of the buffer goes to the lines of a map from `left` on, or is added to them."""
    height, width = plane.shape
    flat, buffer, first = plane.reshape(plane.size), sweep.buffer, place + LINE // sweep.buffer.itemsize
    if add:
        for t in range(held):
            for k in range(height if sweep.across else width):
                row, column = (k, left + t) if sweep.across else (left + t, k)
                plane[row, column] += buffer[first + t * sweep.stride + k]
    elif sweep.across:
        _turned(buffer, first, sweep.stride, held, height, flat, left, width)
    else:
        _copied(buffer, first, sweep.stride, held, width, flat, left * width, width)


@in_place
def _copied(
    source: Flat, place: int, stride: int, rows: int, columns: int, target: Flat, to: int, target_stride: int
) -> None:
    for row in range(rows):
        copy_line(source, place + row * stride, columns, target, to + row * target_stride)


@in_place
def _turned(
    source: Flat, place: int, stride: int, rows: int, columns: int, target: Flat, to: int, target_stride: int
) -> None:
    """Rows of the source are columns of the target."""
    lanes = LINE // source.itemsize
    whole_rows, whole_columns = rows // lanes * lanes, columns // lanes * lanes
    for row in range(0, whole_rows, lanes):
        for k in range(0, whole_columns, lanes):
            turn(source, place + row * stride + k, stride, target, to + k * target_stride + row, target_stride)
    for row in range(rows):
        for k in range(whole_columns if row < whole_rows else 0, columns):
            target[to + k * target_stride + row] = source[place + row * stride + k]
