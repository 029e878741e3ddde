"""Operations on vectors of a cache line against NumPy's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from intarsia.kernels.compiled import in_place
from intarsia.kernels.vectors.lanes import (
    copy_line,
    filled,
    load,
    one_left,
    one_right,
    store,
    turn,
    where_at_least,
    with_sign_of,
)
from intarsia.kernels.vectors.vector_type import LINE

Operation = tuple[Callable[..., None], Callable[[np.ndarray, np.ndarray], np.ndarray]]


@in_place
def arithmetic(a: Any, b: Any, out: Any) -> None:
    x, y = load(a, 1), load(b, 0)
    store(out, 0, abs(x - y) * y / x + filled(out, 0.1))


@in_place
def choices(a: Any, b: Any, out: Any) -> None:
    x, y = load(a, 1), load(b, 0)
    store(out, 0, where_at_least(x, y, x, with_sign_of(y, x)))


@in_place
def neighbours(a: Any, b: Any, out: Any) -> None:
    store(out, 0, one_right(load(b, 0), load(a, 1)) - one_left(load(a, 1), load(b, 0)))


def shifted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.concatenate([b[-1:], a[:-1]]) - np.concatenate([a[1:], b[:1]])


OPERATIONS: dict[str, Operation] = {
    "arithmetic": (arithmetic, lambda a, b: abs(a - b) * b / a + a.dtype.type(0.1)),
    "choices": (choices, lambda a, b: np.where(a >= b, a, np.sign(a) * b)),
    "neighbours": (neighbours, shifted),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name: str, dtype: type) -> None:
    lanes = LINE // np.dtype(dtype).itemsize
    draw = np.random.default_rng(0)
    a, b = draw.standard_normal(lanes + 1).astype(dtype), draw.standard_normal(lanes).astype(dtype)
    a[3] = 0 if name == "choices" else a[3]
    out = np.full(lanes + 1, 7, dtype)
    kernel, expected = OPERATIONS[name]
    kernel(a, b, out)
    np.testing.assert_allclose(out[:lanes], expected(a[1:], b), rtol=1e-5 if dtype == np.float32 else 1e-13)
    assert out[lanes] == 7


@in_place
def turned(source: Any, target: Any) -> None:
    turn(source, 2, 40, target, 3, 50)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_square_is_turned_and_nothing_else_is_touched(dtype: type) -> None:
    lanes = LINE // np.dtype(dtype).itemsize
    source, target = np.arange(800, dtype=dtype), np.full(900, -1, dtype)
    turned(source, target)
    square = np.stack([source[2 + 40 * row :][:lanes] for row in range(lanes)])
    expected = np.full(900, -1, dtype)
    for row in range(lanes):
        expected[3 + 50 * row :][:lanes] = square[:, row]
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 37])
def test_a_line_is_copied_to_its_end_and_no_further(count: int) -> None:
    source, target = np.arange(50, dtype=np.float32), np.full(60, -1, np.float32)
    copy_line(source, 3, count, target, 5)
    np.testing.assert_array_equal(target[5 : 5 + count], source[3 : 3 + count])
    assert (np.delete(target, range(5, 5 + count)) == -1).all()
