"""The linear recurrence of spatial propagation networks, one channel's map after another.

A strip of lines is brought into a buffer that stays in the core's cache, worked through there, and brought back, so
that main memory sees each number once. Everything between is one loop of vectors.
"""

from intarsia.kernels.compiled import in_place
from intarsia.kernels.propagation.strips import Gates, Maps, Sweep, bring_in, bring_out
from intarsia.kernels.vectors.lanes import filled, load, store, where_at_least
from intarsia.kernels.vectors.vector_type import LINE


@in_place
def propagate(x: Maps, gates: Gates, sweep: Sweep, first: int, last: int, h: Maps) -> bool:
    """Writes maps `first` to `last` - 1, counted through batch and channels, into `h`.

    Returns whether their last lines are finite.
    """
    channels, count = x.shape[1], x.shape[3] if sweep.across else x.shape[2]
    ways, lines, stride, buffer = gates.shape[1], sweep.lines, sweep.stride, sweep.buffer
    before, finite = (3 + ways) * lines * stride, True
    for place in range(first, last):
        b, c = place // channels, place % channels
        gate = c if gates.shape[2] > 1 else 0
        for start in range(0, count, lines):
            held = min(lines, count - start)
            left = count - start - held if sweep.backwards else start
            bring_in(x[b, c], left, held, sweep, 0)
            for way in range(ways):
                bring_in(gates[b, way, gate], left, held, sweep, (3 + way) * lines * stride)
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
            bring_out(sweep, 0, left, held, False, h[b, c])
        for k in range(before, before + stride):
            finite &= buffer[k] - buffer[k] == 0
    return finite


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
