# ruff: noqa: ANN001, ANN201, ANN202 - Numba calls all of these, with types and with LLVM's values
"""Vectors whose lanes change places: sums of rows side by side, and pixels in pairs on a grid of half their number.

See `vectors` for how operations are written.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

from intarsia.kernels.vectors.vector_type import FLOAT, INT, Vector, constant, operation


def _shuffled(builder: Any, one: Any, other: Any, lanes: list[int]) -> Any:
    """Lanes of both vectors, those of the second counted on from the first's."""
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(INT, len(lanes)), lanes))


@operation
def row_totals(typing, address):
    """The sums of sixteen rows of eight floats that follow each other: neighbouring lanes are added thrice."""

    def build(context, builder, signature, arguments):
        kind, both = ir.VectorType(FLOAT, 8).as_pointer(), list(range(16))
        places = [builder.add(arguments[0], ir.Constant(ir.IntType(64), 32 * i)) for i in range(16)]
        singles = [builder.load(builder.inttoptr(place, kind), align=4) for place in places]  # as they were written
        rows = [_shuffled(builder, singles[i], singles[i + 1], both) for i in range(0, 16, 2)]
        even, odd = list(range(0, 32, 2)), list(range(1, 32, 2))
        while len(rows) > 1:
            neighbours = zip(rows[::2], rows[1::2], strict=True)
            rows = [
                builder.fadd(_shuffled(builder, one, other, even), _shuffled(builder, one, other, odd))
                for one, other in neighbours
            ]
        return rows[0]

    return Vector(types.float32, 16)(types.int64), build


@operation
def doubled(typing, vector):
    """Lanes 0, 1, 1, 2, 2, 3 …: what two pixels each take from a grid of half as many cells."""

    def build(context, builder, signature, arguments):
        return _shuffled(builder, arguments[0], arguments[0], [(i + 1) // 2 for i in range(vector.lanes)])

    return vector(vector), build


@operation
def paired(typing, vector):
    """The other way: lane 0, then sums of lanes 1 and 2, 3 and 4 …, the last one alone, and zeros."""

    def build(context, builder, signature, arguments):
        lanes = vector.lanes
        nothing = [lanes] * (lanes // 2 - 1)
        zeros = constant(arguments[0].type, 0.0)
        first = _shuffled(builder, arguments[0], zeros, [*range(0, lanes, 2), lanes, *nothing])
        second = _shuffled(builder, arguments[0], zeros, [lanes, *range(1, lanes, 2), *nothing])
        return builder.fadd(first, second)

    return vector(vector), build
