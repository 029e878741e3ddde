"""The gradient of spatial propagation: from the last line to the first, strip after strip as the result was made.

What arrives at a line from the one behind it comes in three parts, one for each way, each already multiplied by its
gate; two sets of three lines take turns.
"""

from intarsia.kernels.compiled import in_place
from intarsia.kernels.propagation.strips import Gates, Maps, Sweep, bring_in, bring_out
from intarsia.kernels.vectors.lanes import filled, load, store, where_at_least, with_sign_of
from intarsia.kernels.vectors.vector_type import LINE


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
            bring_in(x[b, c], left, held, sweep, 0)
            bring_in(grad[b, c], left, held, sweep, size)
            for way in range(ways):
                bring_in(gates[b, way, gate], left, held, sweep, (3 + way) * size)
            without = 1 if start == 0 else 0  # the first line of all has none before it
            if sweep.backwards:
                bring_in(h[b, c], left + 1, held - without, sweep, 2 * size)
            else:
                bring_in(h[b, c], left - 1 + without, held - without, sweep, 2 * size + without * stride)
            for i in range(held - 1, -1, -1):
                line = (held - 1 - i if sweep.backwards else i) * stride
                half = (start + i) % 2 * 3 * stride
                if start + i == 0:
                    _end(sweep, ways, line, arriving + half)
                elif ways == 3:
                    _step_back_three(sweep, line, arriving + half, arriving + 3 * stride - half)
                else:
                    _step_back_one(sweep, line, arriving + half, arriving + 3 * stride - half)
            bring_out(sweep, size, left, held, False, grad_x[b, c])
            for way in range(ways):
                bring_out(sweep, (3 + way) * size, left, held, shared, grad_gates[b, way, gate])


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
