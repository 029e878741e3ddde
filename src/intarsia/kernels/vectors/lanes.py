# ruff: noqa: ANN001, ANN201, ANN202 - Numba calls all of these, with types and with LLVM's values
"""Vectors of a cache line, sixteen float32 or eight float64, of places in arrays: kernels that are written for both.

``+``, ``-``, ``*``, ``/`` and ``abs`` work on vectors. Places are counted in numbers from an array's start and are not
checked: who calls a kernel answers for what lies there.
"""

import operator
from typing import Any

import numpy as np
from jaxtyping import Float
from llvmlite import ir
from numba.core import types
from numba.extending import overload

from intarsia.kernels.compiled import in_place
from intarsia.kernels.vectors.arithmetic import add, divide, multiply, subtract
from intarsia.kernels.vectors.vector_type import INT, LINE, Vector, constant, operation, splatted

Flat = Float[np.ndarray, " size"]


def _whole(array: Any) -> Vector:
    """As many of an array's numbers as a line holds."""
    return Vector(array.dtype, 8 * LINE // array.dtype.bitwidth)


def _address(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [place])


def _as_vector(builder: Any, pointer: Any, lanes: int) -> Any:
    return builder.bitcast(pointer, ir.VectorType(pointer.type.pointee, lanes).as_pointer())


@operation
def load(typing, array, place):
    """The numbers of an array from a place on."""
    vector = _whole(array)

    def build(context, builder, signature, arguments):
        pointer = _address(context, builder, signature.args[0], *arguments)
        return builder.load(_as_vector(builder, pointer, vector.lanes), align=array.dtype.bitwidth // 8)

    return vector(array, types.int64), build


@operation
def store(typing, array, place, vector):
    """Writes a vector into an array from a place on."""

    def build(context, builder, signature, arguments):
        pointer = _address(context, builder, signature.args[0], *arguments[:2])
        aligned_to = array.dtype.bitwidth // 8
        builder.store(arguments[2], _as_vector(builder, pointer, vector.lanes), align=aligned_to)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), build


@operation
def filled(typing, array, value):
    """One number, rounded to the array's type, in every lane."""
    vector = _whole(array)

    def build(context, builder, signature, arguments):
        shape = context.get_value_type(vector)
        number = arguments[1] if array.dtype == types.float64 else builder.fptrunc(arguments[1], shape.element)
        return splatted(builder, number, shape)

    return vector(array, types.float64), build


@operation
def where_at_least(typing, a, least, chosen, other):
    """Lane by lane `chosen` where a ≥ least, otherwise `other`."""

    def build(context, builder, signature, arguments):
        a, least, chosen, other = arguments
        return builder.select(builder.fcmp_ordered(">=", a, least), chosen, other)

    return a(a, a, a, a), build


@operation
def with_sign_of(typing, value, a):
    """Lane by lane the value where a > 0, minus the value where a < 0, otherwise zero."""

    def build(context, builder, signature, arguments):
        value, a = arguments
        zero = constant(a.type, 0.0)
        negative = builder.select(builder.fcmp_ordered("<", a, zero), builder.fneg(value), zero)
        return builder.select(builder.fcmp_ordered(">", a, zero), value, negative)

    return a(a, a), build


def _neighbour(before: bool) -> Any:
    def typed(typing, a, b):
        def build(context, builder, signature, arguments):
            first = a.lanes - 1 if before else 1
            mask = ir.Constant(ir.VectorType(INT, a.lanes), list(range(first, first + a.lanes)))
            return builder.shuffle_vector(*arguments, mask)

        return a(a, a), build

    return operation(typed)


one_right = _neighbour(before=True)  # (before, here): what stands in the lane before, of two vectors in a row
one_left = _neighbour(before=False)  # (here, behind): what stands in the lane behind


@operation
def turn(typing, source, place, stride, target, target_place, target_stride):
    """A square of as many lines as a line has lanes, mirrored at its diagonal: rows of the source are columns."""
    lanes = _whole(source).lanes

    def build(context, builder, signature, arguments):
        def line(array: int, number: int) -> Any:
            steps = builder.mul(arguments[array + 2], ir.Constant(ir.IntType(64), number))
            place = builder.add(arguments[array + 1], steps)
            pointer = _address(context, builder, signature.args[array], arguments[array], place)
            return _as_vector(builder, pointer, lanes)

        align = source.dtype.bitwidth // 8
        rows = [builder.load(line(0, number), align=align) for number in range(lanes)]
        for number, row in enumerate(_mirrored(builder, rows)):
            builder.store(row, line(3, number), align=align)
        return context.get_dummy_value()

    step = types.int64
    return types.void(source, step, step, target, step, step), build


def _mirrored(builder: Any, rows: list[Any]) -> list[Any]:
    """Blocks of a quarter of the square change places across the diagonal, then blocks within each, and so on."""
    lanes = len(rows)
    for half in (lanes >> level for level in range(1, lanes.bit_length())):
        upper = [lane if not lane & half else lanes + lane - half for lane in range(lanes)]
        lower = [lane + half if not lane & half else lanes + lane for lane in range(lanes)]
        for i in (i for i in range(lanes) if not i & half):
            a, b = rows[i], rows[i + half]
            for place, mask in ((i, upper), (i + half, lower)):
                rows[place] = builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT, lanes), mask))
    return rows


@operation
def _absolute(typing, a):
    def build(context, builder, signature, arguments):
        shape, bits = arguments[0].type, a.element.bitwidth
        whole = ir.VectorType(ir.IntType(bits), shape.count)
        all_but_sign = constant(whole, (1 << (bits - 1)) - 1)
        return builder.bitcast(builder.and_(builder.bitcast(arguments[0], whole), all_but_sign), shape)

    return a(a), build


def _are_vectors(*kinds: Any) -> bool:
    return all(isinstance(kind, Vector) for kind in kinds)


overload(operator.add)(lambda a, b: (lambda a, b: add(a, b)) if _are_vectors(a, b) else None)
overload(operator.sub)(lambda a, b: (lambda a, b: subtract(a, b)) if _are_vectors(a, b) else None)
overload(operator.mul)(lambda a, b: (lambda a, b: multiply(a, b)) if _are_vectors(a, b) else None)
overload(operator.truediv)(lambda a, b: (lambda a, b: divide(a, b)) if _are_vectors(a, b) else None)
overload(abs)(lambda a: (lambda a: _absolute(a)) if _are_vectors(a) else None)


@in_place
def copy_line(source: Flat, place: int, count: int, target: Flat, to: int) -> None:
    """So many numbers of one array go to another."""
    lanes = LINE // source.itemsize
    for k in range(0, count - lanes + 1, lanes):
        store(target, to + k, load(source, place + k))
    for k in range(count // lanes * lanes, count):
        target[to + k] = source[place + k]
