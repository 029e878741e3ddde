"""e^x and the logarithm of vectors against NumPy's in a wider type."""

import numpy as np
import pytest
from jaxtyping import Float

from intarsia.kernels.compiled import in_place
from intarsia.kernels.vectors.lanes import load, store
from intarsia.kernels.vectors.powers import logarithm, power


@in_place
def both(x: Float[np.ndarray, " n"], powers: Float[np.ndarray, " n"], logarithms: Float[np.ndarray, " n"]) -> None:
    for k in range(0, len(x), 64 // x.itemsize):
        store(powers, k, power(load(x, k)))
        store(logarithms, k, logarithm(load(logarithms, k)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_to_two_units_in_the_last_place(dtype: type) -> None:
    x = -np.concatenate([np.linspace(0, 80, 16000), np.logspace(-9, 0, 1600)]).astype(dtype)
    y = np.concatenate([np.linspace(1e-4, 1, 8000), 1 - np.logspace(-5, -1, 1600), np.logspace(-10, 10, 8000)])
    powers, logarithms = np.empty_like(x), y.astype(dtype)
    both(x, powers, logarithms)
    precision = 2 * np.finfo(dtype).eps
    np.testing.assert_allclose(powers, np.exp(x.astype(np.longdouble)), rtol=precision)
    np.testing.assert_allclose(logarithms, np.log(y.astype(dtype).astype(np.longdouble)), rtol=precision, atol=1e-30)


@pytest.mark.parametrize(("dtype", "least"), [(np.float32, -87), (np.float64, -708)])
def test_at_the_ends(dtype: type, least: float) -> None:
    x = np.repeat(np.array([0, least, -1e30, -np.inf], dtype), 8)
    powers, logarithms = np.empty_like(x), np.ones_like(x)
    both(x, powers, logarithms)
    np.testing.assert_allclose(powers[8:], np.exp(dtype(least)), rtol=1e-5)
    assert (powers[:8] == 1).all()
    assert (logarithms == 0).all()
