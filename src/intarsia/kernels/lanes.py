"""Vectors of a cache line, sixteen float32 or eight float64, inside kernels: where a loop must not be left to chance.

A vector is a value of Numba's that LLVM knows as ``<16 x float>`` or ``<8 x double>``. LLVM cuts each operation into as
many instructions as the machine needs, so that nothing here depends on the machine. ``+``, ``-``, ``*``, ``/`` and
``abs`` work on vectors; a product and the sum that takes it may become one instruction. Places in arrays are counted in
numbers from the array's start and are not checked: who calls a kernel answers for what lies there.
"""

import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

from intarsia.kernels.compiled import in_place

LINE = 64  # bytes

Flat = Float[np.ndarray, " size"]

_INDEX = ir.IntType(32)
_FUSED = ("contract", "nsz")


class Vector(types.Type):
    """Numba's type of a vector of floats of one kind."""

    def __init__(self, element: types.Float) -> None:
        self.element, self.lanes = element, 8 * LINE // element.bitwidth
        super().__init__(name=f"{element.name}x{self.lanes}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        element = ir.FloatType() if kind.element == types.float32 else ir.DoubleType()
        super().__init__(manager, kind, ir.VectorType(element, kind.lanes))


def aligned(size: int, dtype: np.dtype) -> Float[np.ndarray, " size"]:
    """Zeros that begin on a cache line; NumPy's begin on any 16 bytes.

    >>> aligned(3, np.dtype(np.float32)).ctypes.data % 64
    0
    """
    room = np.zeros(size * dtype.itemsize + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size * dtype.itemsize].view(dtype)


def _operation(typed: Callable[..., Any]) -> Any:
    return intrinsic(inspect.unwrap(typed))  # tests wrap functions to check shapes, and Numba would read the wrapper


def _address(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [place])


def _as_vector(builder: Any, pointer: Any, lanes: int) -> Any:
    return builder.bitcast(pointer, ir.VectorType(pointer.type.pointee, lanes).as_pointer())


@_operation
def load(typing, array, place):  # noqa: ANN001, ANN201 - these are Numba's own conventions, the same for all below
    """The numbers of an array from a place on."""
    vector = Vector(array.dtype)

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        pointer = _address(context, builder, signature.args[0], *arguments)
        return builder.load(_as_vector(builder, pointer, vector.lanes), align=array.dtype.bitwidth // 8)

    return vector(array, types.int64), build


@_operation
def store(typing, array, place, vector):  # noqa: ANN001, ANN201
    """Writes a vector into an array from a place on."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        pointer = _address(context, builder, signature.args[0], *arguments[:2])
        aligned_to = array.dtype.bitwidth // 8
        builder.store(arguments[2], _as_vector(builder, pointer, vector.lanes), align=aligned_to)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), build


@_operation
def filled(typing, array, value):  # noqa: ANN001, ANN201
    """One number, rounded to the array's type, in every lane."""
    vector = Vector(array.dtype)

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        shape = context.get_value_type(vector)
        number = arguments[1] if array.dtype == types.float64 else builder.fptrunc(arguments[1], shape.element)
        one = builder.insert_element(ir.Constant(shape, ir.Undefined), number, ir.Constant(_INDEX, 0))
        everywhere = ir.Constant(ir.VectorType(_INDEX, vector.lanes), [0] * vector.lanes)
        return builder.shuffle_vector(one, ir.Constant(shape, ir.Undefined), everywhere)

    return vector(array, types.float64), build


@_operation
def where_at_least(typing, a, least, chosen, other):  # noqa: ANN001, ANN201
    """Lane by lane `chosen` where a ≥ least, otherwise `other`."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        a, least, chosen, other = arguments
        return builder.select(builder.fcmp_ordered(">=", a, least), chosen, other)

    return a(a, a, a, a), build


@_operation
def with_sign_of(typing, value, a):  # noqa: ANN001, ANN201
    """Lane by lane the value where a > 0, minus the value where a < 0, otherwise zero."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        value, a = arguments
        zero = ir.Constant(a.type, [0.0] * a.type.count)
        negative = builder.select(builder.fcmp_ordered("<", a, zero), builder.fneg(value), zero)
        return builder.select(builder.fcmp_ordered(">", a, zero), value, negative)

    return a(a, a), build


def _neighbour(before: bool) -> Any:
    def typed(typing, a, b):  # noqa: ANN001, ANN202
        def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
            first = a.lanes - 1 if before else 1
            mask = ir.Constant(ir.VectorType(_INDEX, a.lanes), list(range(first, first + a.lanes)))
            return builder.shuffle_vector(*arguments, mask)

        return a(a, a), build

    return _operation(typed)


one_right = _neighbour(before=True)  # (before, here): what stands in the lane before, of two vectors in a row
one_left = _neighbour(before=False)  # (here, behind): what stands in the lane behind


@_operation
def turn(typing, source, place, stride, target, target_place, target_stride):  # noqa: ANN001, ANN201
    """A square of as many lines as a line has lanes, mirrored at its diagonal: rows of the source are columns."""
    lanes = Vector(source.dtype).lanes

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
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
                rows[place] = builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INDEX, lanes), mask))
    return rows


def _binary(name: str) -> Any:
    def typed(typing, a, b):  # noqa: ANN001, ANN202
        return a(a, a), lambda context, builder, signature, arguments: getattr(builder, name)(*arguments, flags=_FUSED)

    return _operation(typed)


_sum, _difference, _product, _ratio = (_binary(name) for name in ("fadd", "fsub", "fmul", "fdiv"))


@_operation
def _absolute(typing, a):  # noqa: ANN001, ANN202
    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        shape, bits = arguments[0].type, a.element.bitwidth
        whole = ir.VectorType(ir.IntType(bits), shape.count)
        all_but_sign = ir.Constant(whole, [(1 << (bits - 1)) - 1] * shape.count)
        return builder.bitcast(builder.and_(builder.bitcast(arguments[0], whole), all_but_sign), shape)

    return a(a), build


def _are_vectors(*kinds: Any) -> bool:
    return all(isinstance(kind, Vector) for kind in kinds)


overload(operator.add)(lambda a, b: (lambda a, b: _sum(a, b)) if _are_vectors(a, b) else None)
overload(operator.sub)(lambda a, b: (lambda a, b: _difference(a, b)) if _are_vectors(a, b) else None)
overload(operator.mul)(lambda a, b: (lambda a, b: _product(a, b)) if _are_vectors(a, b) else None)
overload(operator.truediv)(lambda a, b: (lambda a, b: _ratio(a, b)) if _are_vectors(a, b) else None)
overload(abs)(lambda a: (lambda a: _absolute(a)) if _are_vectors(a) else None)


@in_place
def copy_line(source: Flat, place: int, count: int, target: Flat, to: int) -> None:
    """So many numbers of one array go to another."""
    lanes = LINE // source.itemsize
    for k in range(0, count - lanes + 1, lanes):
        store(target, to + k, load(source, place + k))
    for k in range(count // lanes * lanes, count):
        target[to + k] = source[place + k]
