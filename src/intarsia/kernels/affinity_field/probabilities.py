"""A row of logits becomes what pairs ask of their pixels: probabilities and logarithms, once for pixel and class."""

from intarsia.kernels.affinity_field.layout import CLIPPED, INNER, KNOWN, LEAST, LOG, LOG_REST, MAPS, PLAIN, REST, Field
from intarsia.kernels.compiled import in_place
from intarsia.kernels.vectors.arithmetic import larger
from intarsia.kernels.vectors.lanes import Flat, copy_line, filled, load, store, where_at_least
from intarsia.kernels.vectors.powers import logarithm, power
from intarsia.kernels.vectors.vector_type import LINE

_LOG_LEAST = -9.210340371976182


@in_place
def enter_row(field: Field, logits: Flat, row: int) -> bool:
    """Whether the row's logits are finite wherever there is a class; elsewhere they are not looked at."""
    maps, room, stride = field.maps, field.room, field.stride
    for c in range(field.classes):
        copy_line(logits, (c * field.height + row) * field.width, field.width, room, c * stride + field.left)
    zero, one = filled(room, 0.0), filled(room, 1.0)
    least, log_least, check = filled(room, LEAST), filled(room, _LOG_LEAST), filled(room, 0.0)
    known = KNOWN * field.plane + (row + 2 * field.reach) * stride
    first = row % (2 * field.reach + 1) * field.classes * MAPS * stride
    lanes = LINE // room.itemsize
    for k in range(field.left, stride - field.left, lanes):
        is_known = load(field.planes, known + k)
        most = where_at_least(is_known, one, load(room, k), zero)
        for c in range(field.classes):
            z = where_at_least(is_known, one, load(room, c * stride + k), zero)
            check = check + (z - z)
            most = larger(most, z)
            store(room, c * stride + k, z)
        total = zero
        for c in range(field.classes):
            e = power(load(room, c * stride + k) - most)
            total = total + e
            store(maps, first + (c * MAPS + PLAIN) * stride + k, e)
        share, log_total = one / total, most + logarithm(total)
        for c in range(field.classes):
            here = first + c * MAPS * stride + k
            p = load(maps, here + PLAIN * stride) * share
            a, b = larger(p, least), larger(one - p, least)
            log_a, log_b = larger(load(room, c * stride + k) - log_total, log_least), logarithm(b)
            store(maps, here + PLAIN * stride, p)
            store(maps, here + CLIPPED * stride, a)
            store(maps, here + REST * stride, b)
            store(maps, here + LOG * stride, log_a)
            store(maps, here + LOG_REST * stride, log_b)
            store(maps, here + INNER * stride, a * log_a + b * log_b)
    store(room, 0, check)
    finite = True
    for k in range(lanes):
        finite = finite and room[k] == 0
    return finite
