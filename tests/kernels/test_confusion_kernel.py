"""The counting loops: every layout of memory, runs, and what is allocated."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from intarsia.kernels import compiled
from intarsia.kernels.confusion import Stray, count_pairs


def by_bincount(truth, prediction, classes, ignore):
    counted = (truth != ignore) & (prediction != ignore)
    joint = truth[counted].astype(np.int64) * classes + prediction[counted]
    return np.bincount(joint, minlength=classes**2).reshape(classes, classes)


def in_segments(classes, shape, dtype, seed=0):
    """Masks as they are: long runs, with single pixels strewn in."""
    generator = np.random.default_rng(seed)
    masks = np.kron(generator.integers(0, classes, (2, *shape)), np.ones((1, 13, 29))).astype(dtype)
    strewn = generator.random(masks.shape) < 0.02
    masks[strewn] = generator.integers(0, classes, strewn.sum())
    masks[0, generator.random(masks.shape[1:]) < 0.01] = 255
    return masks


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": lambda mask: mask,
    "unaligned": lambda mask: (
        np.frombuffer(b"x" + mask.tobytes(), mask.dtype, offset=1).reshape(mask.shape)
        if mask.dtype == np.uint8
        else mask
    ),
    "transposed": lambda mask: mask.T,
    "window": lambda mask: mask[3:-2, 5:-1],
    "every third": lambda mask: mask[::3, ::3],
    "reversed": lambda mask: mask[::-1, ::-1],
    "one row many times": lambda mask: np.broadcast_to(mask[5], mask.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtypes", [(np.uint8, np.uint8), (np.uint8, np.uint16), (np.uint16, np.uint16)])
def test_any_strides(layout, dtypes):
    truth, prediction = (
        LAYOUTS[layout](mask.astype(dtype)) for mask, dtype in zip(in_segments(21, (5, 3), int), dtypes, strict=True)
    )
    matrix, stray = count_pairs(truth, prediction, 21, 255)
    assert stray is None
    np.testing.assert_array_equal(matrix, by_bincount(truth, prediction, 21, 255))


@pytest.mark.parametrize("pixels", range(18))
def test_pixels_that_fill_no_word(pixels):
    truth, prediction = in_segments(4, (1, 1), np.uint8)[:, :1, :pixels]
    truth, prediction = truth.copy(), prediction.copy()
    np.testing.assert_array_equal(count_pairs(truth, prediction, 4, 255)[0], by_bincount(truth, prediction, 4, 255))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_stray_value_of_the_truth_comes_first(dtype):
    truth, prediction = in_segments(4, (2, 2), dtype)
    prediction[2, 2] = 200
    assert count_pairs(truth, prediction, 4, 255)[1] == Stray("prediction", 200)
    truth[2, 2] = 99
    assert count_pairs(truth, prediction, 4, 255)[1] == Stray("truth", 99)
    truth[2, 2] = 255
    assert count_pairs(truth, prediction, 4, 255)[1] is None


@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
def test_no_array_of_the_images_size_is_made(layout):
    truth, prediction = (LAYOUTS[layout](mask) for mask in in_segments(21, (200, 100), np.uint8))  # 7.5 megapixels
    count_pairs(truth, prediction, 21, 255)
    tracemalloc.start()
    count_pairs(truth, prediction, 21, 255)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < truth.size / 4


def test_without_a_place_for_machine_code_each_process_compiles(monkeypatch):
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
    doubled = compiled.compiled(double)
    assert doubled(4) == 8
    assert doubled.stats.cache_path is None


def double(value):
    return 2 * value


def test_a_forked_process_counts_too():
    """Loaders fork: what the parent has compiled works in the child."""
    code = """
import os, numpy as np
from intarsia.metrics import confusion_matrix
mask = np.ones((9, 9), np.uint8)
expected = confusion_matrix(mask, mask, 2)
child = os.fork()
if child == 0:
    os._exit(0 if (confusion_matrix(mask, mask, 2) == expected).all() else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
