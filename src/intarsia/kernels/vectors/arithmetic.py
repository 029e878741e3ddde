# ruff: noqa: ANN001, ANN201, ANN202 - Numba calls all of these, with types and with LLVM's values
"""Operations on vectors of 8 or 16 floats: what the compiler does not find by itself in a loop over 21 classes.

Vectors are read from and written to addresses, which Numba does not check for negative numbers as it does with
indices: whoever calls a kernel answers for what lies there. `like` is a vector that says how wide a result is.

Each operation is typed by Numba's types of its arguments, and returns what its result is and the function that builds
it.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types

from intarsia.kernels.vectors.vector_type import FLOAT, FUSED, INT, Vector, constant, operation, splatted

_LEAST, _MOST = -87.0, 88.0  # e^x of what lies beyond would be no normal float
_LOG2_E, _MAGIC = 1.4426950408889634, float(3 << 22)  # as in `exponential`
# 2^f for |f| ≤ ½ by a polynomial of degree 5, the one whose largest relative error is least: 8e-8.
_POWERS = (1.00000012, 0.69314694, 0.2402212, 0.05550713, 0.00967554, 0.001327647)


@operation
def zeros16(typing):
    """Sixteen zeros."""
    return Vector(types.float32, 16)(), lambda context, builder, signature, arguments: constant(
        ir.VectorType(FLOAT, 16), 0.0
    )


@operation
def zeros8(typing):
    """Eight zeros."""
    return Vector(types.float32, 8)(), lambda context, builder, signature, arguments: constant(
        ir.VectorType(FLOAT, 8), 0.0
    )


@operation
def address_of(typing, array):
    """Where an array's first element lies."""

    def build(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), build


def _read(element: Any, shape: Any) -> Callable[..., Any]:
    def build(context, builder, signature, arguments):
        found = builder.load(builder.inttoptr(arguments[0], shape.as_pointer()), align=4)
        return builder.sext(found, ir.IntType(64)) if element is types.int64 else found

    return build


@operation
def read(typing, address):
    """The float at an address."""
    return types.float32(types.int64), _read(types.float32, FLOAT)


@operation
def read_index(typing, address):
    """The int32 at an address, as an int64."""
    return types.int64(types.int64), _read(types.int64, INT)


@operation
def load(typing, address, like):
    """The floats from an address on."""
    return like(types.int64, like), _read(like, ir.VectorType(FLOAT, like.lanes))


@operation
def store(typing, address, vector):
    """Writes the vector from an address on."""

    def build(context, builder, signature, arguments):
        builder.store(arguments[1], builder.inttoptr(arguments[0], arguments[1].type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, vector), build


@operation
def write(typing, address, value):
    """Writes a float to an address."""

    def build(context, builder, signature, arguments):
        builder.store(arguments[1], builder.inttoptr(arguments[0], arguments[1].type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.float32), build


@operation
def splat(typing, value, like):
    """One number in every lane."""

    def build(context, builder, signature, arguments):
        return splatted(builder, arguments[0], arguments[1].type)

    return like(like.element, like), build


@operation
def add(typing, a, b):
    """A + b."""
    return a(a, a), lambda context, builder, signature, arguments: builder.fadd(*arguments, flags=FUSED)


@operation
def subtract(typing, a, b):
    """A - b."""
    return a(a, a), lambda context, builder, signature, arguments: builder.fsub(*arguments, flags=FUSED)


@operation
def multiply(typing, a, b):
    """A · b."""
    return a(a, a), lambda context, builder, signature, arguments: builder.fmul(*arguments, flags=FUSED)


@operation
def divide(typing, a, b):
    """A / b."""
    return a(a, a), lambda context, builder, signature, arguments: builder.fdiv(*arguments)


@operation
def multiply_add(typing, factor, a, b):
    """Factor · a + b, with a float as factor."""

    def build(context, builder, signature, arguments):
        factor, a, b = arguments
        return builder.fadd(builder.fmul(splatted(builder, factor, a.type), a, flags=FUSED), b, flags=FUSED)

    return a(types.float32, a, a), build


def _halved(builder: Any, vector: Any, join: Callable[[Any, Any], Any]) -> Any:
    half = vector.type.count // 2
    sides = (ir.Constant(ir.VectorType(INT, half), list(range(k, k + half))) for k in (0, half))
    nothing = ir.Constant(vector.type, ir.Undefined)
    return join(*(builder.shuffle_vector(vector, nothing, side) for side in sides))


def _reduced(vector: Any, join: Callable[[Any], Callable[[Any, Any], Any]]) -> tuple[Any, Callable[..., Any]]:
    def build(context, builder, signature, arguments):
        left = arguments[0]
        while left.type.count > 1:
            left = _halved(builder, left, join(builder))
        return builder.extract_element(left, ir.Constant(INT, 0))

    return vector.element(vector), build


@operation
def folded(typing, vector):
    """Eight sums of two lanes of sixteen."""

    def build(context, builder, signature, arguments):
        return _halved(builder, arguments[0], builder.fadd)

    return Vector(types.float32, 8)(vector), build


@operation
def total(typing, vector):
    """The sum of all lanes, always in the same order."""
    return _reduced(vector, lambda builder: builder.fadd)


def _larger(builder: Any) -> Callable[[Any, Any], Any]:
    return lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _smaller(builder: Any) -> Callable[[Any, Any], Any]:
    return lambda a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b)


@operation
def smaller(typing, a, b):
    """The smaller of both, lane by lane."""
    return a(a, a), lambda context, builder, signature, arguments: _smaller(builder)(*arguments)


@operation
def larger(typing, a, b):
    """The larger of both, lane by lane."""
    return a(a, a), lambda context, builder, signature, arguments: _larger(builder)(*arguments)


@operation
def greatest(typing, vector):
    """The largest lane."""
    return _reduced(vector, _larger)


@operation
def exp(typing, vector):
    """e^x to 8e-6 from -87 to 88; beyond, that of the nearer end.

    x log2 e is a whole number n and a rest f. A sum with 3·2^22 rounds to n, which then stands in the lowest bits and
    is added to the exponent of 2^f.
    """

    def build(context, builder, signature, arguments):
        shape = arguments[0].type
        bits = ir.VectorType(INT, shape.count)
        magic = constant(shape, _MAGIC)
        above = _larger(builder)(arguments[0], constant(shape, _LEAST))
        within = _smaller(builder)(above, constant(shape, _MOST))
        power = builder.fmul(within, constant(shape, _LOG2_E))
        shifted = builder.fadd(power, magic)
        rest = builder.fsub(power, builder.fsub(shifted, magic))
        result = constant(shape, _POWERS[-1])
        for coefficient in _POWERS[-2::-1]:
            product = builder.fmul(result, rest, flags=FUSED)
            result = builder.fadd(product, constant(shape, coefficient), flags=FUSED)
        whole = builder.shl(builder.bitcast(shifted, bits), constant(bits, 23))
        return builder.bitcast(builder.add(builder.bitcast(result, bits), whole), shape)

    return vector(vector), build
