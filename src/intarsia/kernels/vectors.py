"""Vectors of 8 or 16 floats inside kernels: what the compiler does not find by itself in a loop over 21 classes.

A vector is a value of Numba's that LLVM knows as ``<16 x float>``. It cuts an operation into as many instructions as the
machine needs (one with AVX-512, two with AVX2, four with NEON), so that nothing here depends on the machine. Vectors
live in kernels only; they are read from and written to addresses, which Numba does not check for negative numbers as it
does with indices: whoever calls a kernel answers for what lies there. `like` is any vector: it says how wide a result is.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float32
from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

LINE = 64  # bytes of a cache line: 16 floats that begin on one touch no second
_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_FUSED = ("contract",)  # a product and a sum may become one instruction, where the machine has it

_LEAST, _MOST = -87.0, 88.0  # e^x of what lies beyond would be no normal float
_LOG2_E, _MAGIC = 1.4426950408889634, float(3 << 22)  # as in `exponential`
# 2^f for |f| ≤ ½ by a polynomial of degree 5, the one whose largest relative error is least: 8e-8.
_POWERS = (1.00000012, 0.69314694, 0.2402212, 0.05550713, 0.00967554, 0.001327647)


class Vector(types.Type):
    """Numba's type of a vector of `lanes` floats."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"float32x{lanes}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.VectorType(_FLOAT, kind.lanes))


def aligned(*shape: int) -> Float32[np.ndarray, "..."]:
    """An array of zeros that begins on a cache line; NumPy's begin on any 16 bytes.

    >>> aligned(3, 8).ctypes.data % 64, aligned(3, 8).shape
    (0, (3, 8))
    """
    size = 4 * int(np.prod(shape, dtype=np.int64))
    room = np.zeros(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(np.float32).reshape(shape)


def _operation(typed: Callable[..., Any]) -> Any:
    return intrinsic(inspect.unwrap(typed))  # tests wrap functions to check shapes, and Numba would read the wrapper


def _constant(shape: Any, value: float) -> Any:
    return ir.Constant(shape, [value] * shape.count if isinstance(shape, ir.VectorType) else value)


@_operation
def zeros16(typing):  # noqa: ANN001, ANN201 - these are Numba's own conventions, the same for all below
    """Sixteen zeros."""
    return Vector(16)(), lambda context, builder, signature, arguments: _constant(ir.VectorType(_FLOAT, 16), 0.0)


@_operation
def zeros8(typing):  # noqa: ANN001, ANN201
    """Eight zeros."""
    return Vector(8)(), lambda context, builder, signature, arguments: _constant(ir.VectorType(_FLOAT, 8), 0.0)


@_operation
def address_of(typing, array):  # noqa: ANN001, ANN201
    """Where an array's first element lies."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), build


def _read(element: Any, shape: Any) -> Callable[..., Any]:
    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        found = builder.load(builder.inttoptr(arguments[0], shape.as_pointer()), align=4)
        return builder.sext(found, ir.IntType(64)) if element is types.int64 else found

    return build


@_operation
def read(typing, address):  # noqa: ANN001, ANN201
    """The float at an address."""
    return types.float32(types.int64), _read(types.float32, _FLOAT)


@_operation
def read_index(typing, address):  # noqa: ANN001, ANN201
    """The int32 at an address, as an int64."""
    return types.int64(types.int64), _read(types.int64, _INT)


@_operation
def load(typing, address, like):  # noqa: ANN001, ANN201
    """The floats from an address on."""
    return like(types.int64, like), _read(like, ir.VectorType(_FLOAT, like.lanes))


@_operation
def store(typing, address, vector):  # noqa: ANN001, ANN201
    """Writes the vector from an address on."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        builder.store(arguments[1], builder.inttoptr(arguments[0], arguments[1].type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, vector), build


@_operation
def write(typing, address, value):  # noqa: ANN001, ANN201
    """Writes a float to an address."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        builder.store(arguments[1], builder.inttoptr(arguments[0], arguments[1].type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.float32), build


@_operation
def fetch(typing, address):  # noqa: ANN001, ANN201
    """Asks for the cache line at an address, which need not be anybody's, before it is read."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _INT, _INT, _INT])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        hints = [ir.Constant(_INT, hint) for hint in (0, 3, 1)]  # to read, near, data
        builder.call(function, [builder.inttoptr(arguments[0], pointer), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), build


def _splat(builder: Any, value: Any, shape: Any) -> Any:
    if shape == _FLOAT:
        return value
    one = builder.insert_element(ir.Constant(shape, ir.Undefined), value, ir.Constant(_INT, 0))
    everywhere = ir.Constant(ir.VectorType(_INT, shape.count), [0] * shape.count)
    return builder.shuffle_vector(one, ir.Constant(shape, ir.Undefined), everywhere)


@_operation
def splat(typing, value, like):  # noqa: ANN001, ANN201
    """One float in every lane."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        return _splat(builder, arguments[0], arguments[1].type)

    return like(types.float32, like), build


@_operation
def add(typing, a, b):  # noqa: ANN001, ANN201
    """A + b."""
    return a(a, a), lambda context, builder, signature, arguments: builder.fadd(*arguments, flags=_FUSED)


@_operation
def multiply(typing, a, b):  # noqa: ANN001, ANN201
    """A · b."""
    return a(a, a), lambda context, builder, signature, arguments: builder.fmul(*arguments, flags=_FUSED)


@_operation
def divide(typing, a, b):  # noqa: ANN001, ANN201
    """A / b."""
    return a(a, a), lambda context, builder, signature, arguments: builder.fdiv(*arguments)


@_operation
def multiply_add(typing, factor, a, b):  # noqa: ANN001, ANN201
    """Factor · a + b, with a float as factor."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        factor, a, b = arguments
        return builder.fadd(builder.fmul(_splat(builder, factor, a.type), a, flags=_FUSED), b, flags=_FUSED)

    return a(types.float32, a, a), build


def _halved(builder: Any, vector: Any, join: Callable[[Any, Any], Any]) -> Any:
    half = vector.type.count // 2
    sides = (ir.Constant(ir.VectorType(_INT, half), list(range(k, k + half))) for k in (0, half))
    nothing = ir.Constant(vector.type, ir.Undefined)
    return join(*(builder.shuffle_vector(vector, nothing, side) for side in sides))


def _reduced(vector: Any, join: Callable[[Any], Callable[[Any, Any], Any]]) -> tuple[Any, Callable[..., Any]]:
    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        left = arguments[0]
        while left.type.count > 1:
            left = _halved(builder, left, join(builder))
        return builder.extract_element(left, ir.Constant(_INT, 0))

    return types.float32(vector), build


@_operation
def folded(typing, vector):  # noqa: ANN001, ANN201
    """Eight sums of two lanes of sixteen."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        return _halved(builder, arguments[0], builder.fadd)

    return Vector(8)(vector), build


@_operation
def total(typing, vector):  # noqa: ANN001, ANN201
    """The sum of all lanes, always in the same order."""
    return _reduced(vector, lambda builder: builder.fadd)


def _larger(builder: Any) -> Callable[[Any, Any], Any]:
    return lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _smaller(builder: Any) -> Callable[[Any, Any], Any]:
    return lambda a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b)


@_operation
def smaller(typing, a, b):  # noqa: ANN001, ANN201
    """The smaller of both, lane by lane."""
    return a(a, a), lambda context, builder, signature, arguments: _smaller(builder)(*arguments)


@_operation
def larger(typing, a, b):  # noqa: ANN001, ANN201
    """The larger of both, lane by lane."""
    return a(a, a), lambda context, builder, signature, arguments: _larger(builder)(*arguments)


@_operation
def greatest(typing, vector):  # noqa: ANN001, ANN201
    """The largest lane."""
    return _reduced(vector, _larger)


@_operation
def exp(typing, vector):  # noqa: ANN001, ANN201
    """e^x to 8e-6 from -87 to 88; beyond, that of the nearer end.

    x log2 e is a whole number n and a rest f. A sum with 3·2^22 rounds to n, which then stands in the lowest bits and is
    added to the exponent of 2^f.
    """

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        shape = arguments[0].type
        bits = ir.VectorType(_INT, shape.count)
        magic = _constant(shape, _MAGIC)
        above = _larger(builder)(arguments[0], _constant(shape, _LEAST))
        within = _smaller(builder)(above, _constant(shape, _MOST))
        power = builder.fmul(within, _constant(shape, _LOG2_E))
        shifted = builder.fadd(power, magic)
        rest = builder.fsub(power, builder.fsub(shifted, magic))
        result = _constant(shape, _POWERS[-1])
        for coefficient in _POWERS[-2::-1]:
            product = builder.fmul(result, rest, flags=_FUSED)
            result = builder.fadd(product, _constant(shape, coefficient), flags=_FUSED)
        whole = builder.shl(builder.bitcast(shifted, bits), _constant(bits, 23))
        return builder.bitcast(builder.add(builder.bitcast(result, bits), whole), shape)

    return vector(vector), build


@_operation
def transpose(typing, source, source_step, target, target_step, like):  # noqa: ANN001, ANN201
    """As many vectors as each has lanes, `source_step` bytes apart, are written turned: lane i of each becomes vector i."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        source, source_step, target, target_step, like = arguments
        count, pointer = like.type.count, like.type.as_pointer()

        def place(base, apart, i):  # noqa: ANN001, ANN202
            offset = builder.mul(apart, ir.Constant(ir.IntType(64), i))
            return builder.inttoptr(builder.add(base, offset), pointer)

        rows = [builder.load(place(source, source_step, i), align=4) for i in range(count)]
        distance = 1
        while distance < count:  # exchanges blocks of 1, 2, 4 … beside the diagonal
            upper = [i ^ distance | count if i & distance else i for i in range(count)]
            lower = [i | count if i & distance else i ^ distance for i in range(count)]
            for i in range(count):
                if not i & distance:
                    pair = rows[i], rows[i + distance]
                    rows[i] = builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(_INT, count), upper))
                    rows[i + distance] = builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(_INT, count), lower))
            distance *= 2
        for i, row in enumerate(rows):
            builder.store(row, place(target, target_step, i), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64, like), build


@_operation
def read_rows(typing, count, address, step, stride):  # noqa: ANN001, ANN201
    """As many int32 as the tuple `count` has members, `step` bytes apart, times `stride`: a tuple of int64."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        _, address, step, stride = arguments
        rows = []
        for i in range(count.count):
            place = builder.add(address, builder.mul(step, ir.Constant(ir.IntType(64), i)))
            index = builder.load(builder.inttoptr(place, _INT.as_pointer()), align=4)
            rows.append(builder.mul(builder.sext(index, ir.IntType(64)), stride))
        return context.make_tuple(builder, signature.return_type, rows)

    result = types.UniTuple(types.int64, count.count)
    return result(count, types.int64, types.int64, types.int64), build


@_operation
def read_shares(typing, count, address, step):  # noqa: ANN001, ANN201
    """As many floats as the tuple `count` has members, `step` bytes apart."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        _, address, step = arguments
        shares = []
        for i in range(count.count):
            place = builder.add(address, builder.mul(step, ir.Constant(ir.IntType(64), i)))
            shares.append(builder.load(builder.inttoptr(place, _FLOAT.as_pointer()), align=4))
        return context.make_tuple(builder, signature.return_type, shares)

    return types.UniTuple(types.float32, count.count)(count, types.int64, types.int64), build


@_operation
def gather(typing, base, rows, shares, start):  # noqa: ANN001, ANN201
    """`start`, a vector or a float, and all at `base` plus one of `rows`, times its share; in two sums that do not wait."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        base, rows, shares, start = arguments
        sums = [start, _constant(start.type, 0.0)]
        for i in range(signature.args[1].count):
            place = builder.inttoptr(builder.add(base, builder.extract_value(rows, i)), start.type.as_pointer())
            share = _splat(builder, builder.extract_value(shares, i), start.type)
            product = builder.fmul(share, builder.load(place, align=4), flags=_FUSED)
            sums[(i + 1) % 2] = builder.fadd(product, sums[(i + 1) % 2], flags=_FUSED)
        return builder.fadd(*sums)

    return start(types.int64, rows, shares, start), build


@_operation
def scatter(typing, base, rows, shares, vector):  # noqa: ANN001, ANN201
    """Adds a vector or a float, times its share, at `base` plus each of `rows`, which are all different."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        base, rows, shares, vector = arguments
        changed = []
        for i in range(signature.args[1].count):
            place = builder.inttoptr(builder.add(base, builder.extract_value(rows, i)), vector.type.as_pointer())
            product = builder.fmul(_splat(builder, builder.extract_value(shares, i), vector.type), vector, flags=_FUSED)
            changed.append((builder.fadd(product, builder.load(place, align=4), flags=_FUSED), place))
        for value, place in changed:
            builder.store(value, place, align=4)
        return context.get_dummy_value()

    return types.void(types.int64, rows, shares, vector), build
