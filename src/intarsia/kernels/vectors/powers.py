# ruff: noqa: ANN001, ANN201, ANN202 - Numba calls all of these, with types and with LLVM's values
"""e^x and the natural logarithm of vectors in both precisions, to a few units in the last place."""

import math
from typing import Any, NamedTuple

from llvmlite import ir

from intarsia.kernels.vectors.vector_type import FUSED, constant, operation


class _Format(NamedTuple):
    """Of a floating point number, and how many terms its precision asks for."""

    bits: int
    mantissa: int
    least: float
    """e^x of what lies below would be no normal number."""
    high: float
    """ln 2 to so few bits that a whole multiple of it is exact."""
    low: float
    """The rest of it."""
    power_terms: int
    logarithm_terms: int

    @property
    def magic(self) -> float:
        """A sum with it has its whole part in the lowest bits."""
        return 1.5 * 2.0**self.mantissa


_FORMATS = {
    32: _Format(32, 23, -87.0, 0.693359375, -2.121944400546905827e-4, 8, 6),
    64: _Format(64, 52, -708.0, 0.6931471803691238, 1.908214929270587700e-10, 14, 11),
}
_ROOT_OF_HALF = {32: 0x3F3504F3, 64: 0x3FE6A09E667F3BCD}  # its bits


def _sum_of(builder: Any, coefficients: list[float], x: Any) -> Any:
    """A polynomial, the constant first."""
    result = constant(x.type, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result = builder.fadd(builder.fmul(result, x, flags=FUSED), constant(x.type, coefficient), flags=FUSED)
    return result


@operation
def power(typing, vector):
    """e^x of what is at most zero; below -87 (-708 in float64) that of the bound.

    x is a whole number of ln 2 and a rest, whose power is Taylor's sum. The whole number goes to the exponent.
    """
    form = _FORMATS[vector.element.bitwidth]

    def build(context, builder, signature, arguments):
        shape = arguments[0].type
        whole = ir.VectorType(ir.IntType(form.bits), shape.count)
        least = constant(shape, form.least)
        x = builder.select(builder.fcmp_ordered(">", arguments[0], least), arguments[0], least)
        shifted = builder.fadd(builder.fmul(x, constant(shape, 1 / math.log(2))), constant(shape, form.magic))
        times = builder.fsub(shifted, constant(shape, form.magic))
        rest = builder.fsub(x, builder.fmul(times, constant(shape, form.high)))
        rest = builder.fsub(rest, builder.fmul(times, constant(shape, form.low)))
        result = _sum_of(builder, [1 / math.factorial(n) for n in range(form.power_terms)], rest)
        exponent = builder.shl(builder.bitcast(shifted, whole), constant(whole, form.mantissa))
        return builder.bitcast(builder.add(builder.bitcast(result, whole), exponent), shape)

    return vector(vector), build


@operation
def logarithm(typing, vector):
    """The natural logarithm of positive normal numbers.

    x is a power of two and a factor m from √½ to √2, and ln m = 2 artanh z = 2 (z + z³/3 + z⁵/5 + …) with
    z = (m - 1) / (m + 1).
    """
    form = _FORMATS[vector.element.bitwidth]

    def build(context, builder, signature, arguments):
        shape = arguments[0].type
        whole = ir.VectorType(ir.IntType(form.bits), shape.count)
        one = constant(shape, 1.0)
        bits = builder.bitcast(arguments[0], whole)
        above = builder.sub(bits, constant(whole, _ROOT_OF_HALF[form.bits]))
        exponent = builder.ashr(above, constant(whole, form.mantissa))
        m = builder.bitcast(builder.sub(bits, builder.shl(exponent, constant(whole, form.mantissa))), shape)
        z = builder.fdiv(builder.fsub(m, one), builder.fadd(m, one))
        series = _sum_of(builder, [2 / (2 * n + 1) for n in range(form.logarithm_terms)], builder.fmul(z, z))
        times = builder.sitofp(exponent, shape)
        low = builder.fadd(
            builder.fmul(z, series, flags=FUSED),
            builder.fmul(times, constant(shape, form.low), flags=FUSED),
            flags=FUSED,
        )
        return builder.fadd(builder.fmul(times, constant(shape, form.high), flags=FUSED), low, flags=FUSED)

    return vector(vector), build
