"""What a vector is inside kernels: so many floats that one operation takes at once.

A vector is a value of Numba's that LLVM knows as ``<16 x float>`` or ``<8 x double>``. It cuts an operation into as
many instructions as the machine needs (one with AVX-512, two with AVX2, four with NEON), so that nothing here depends
on the machine. Vectors live in kernels only.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

LINE = 64  # bytes of a cache line: 16 floats that begin on one touch no second
FLOAT, INT = ir.FloatType(), ir.IntType(32)
FUSED = ("contract",)  # a product and a sum may become one instruction, where the machine has it


class Vector(types.Type):
    """Numba's type of a vector of `lanes` floats of one kind."""

    def __init__(self, element: types.Float, lanes: int) -> None:
        self.element, self.lanes = element, lanes
        super().__init__(name=f"{element.name}x{lanes}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.VectorType(manager[kind.element].get_value_type(), kind.lanes))


def operation(typed: Callable[..., Any]) -> Any:
    """Something that Numba builds into a kernel."""
    return intrinsic(inspect.unwrap(typed))  # tests wrap functions to check shapes, and Numba would read the wrapper


def constant(shape: Any, value: float) -> Any:
    """A number, or a vector of it."""
    return ir.Constant(shape, [value] * shape.count if isinstance(shape, ir.VectorType) else value)


def splatted(builder: Any, value: Any, shape: Any) -> Any:
    """A number in every lane; itself where the shape is no vector."""
    if not isinstance(shape, ir.VectorType):
        return value
    one = builder.insert_element(ir.Constant(shape, ir.Undefined), value, ir.Constant(INT, 0))
    everywhere = ir.Constant(ir.VectorType(INT, shape.count), [0] * shape.count)
    return builder.shuffle_vector(one, ir.Constant(shape, ir.Undefined), everywhere)


def aligned(*shape: int, dtype: type | np.dtype = np.float32) -> Float[np.ndarray, "..."]:
    """An array of zeros that begins on a cache line; NumPy's begin on any 16 bytes.

    >>> aligned(3, 8).ctypes.data % 64, aligned(3, 8).shape
    (0, (3, 8))
    """
    size = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
    room = np.zeros(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(dtype).reshape(shape)
