"""Vectors inside kernels, each operation beside NumPy's."""

import subprocess
import sys

import numpy as np
import pytest

from intarsia.kernels.compiled import in_place
from intarsia.kernels.vectors import across as lanes
from intarsia.kernels.vectors import arithmetic as v
from intarsia.kernels.vectors import rows
from intarsia.kernels.vectors.vector_type import LINE, aligned

RNG = np.random.default_rng(0)


def filled(*shape):
    result = aligned(*shape)
    result[:] = RNG.normal(0, 3, shape)
    return result


@in_place
def lane_by_lane(a, b, results, wide):
    like = v.zeros16() if len(wide) else v.zeros8()
    step, out = 4 * len(a), v.address_of(results)
    x, y = v.load(v.address_of(a), like), v.load(v.address_of(b), like)
    v.store(out, v.add(x, y))
    v.store(out + step, v.multiply(x, y))
    v.store(out + 2 * step, v.divide(x, y))
    v.store(out + 3 * step, v.multiply_add(np.float32(1.5), x, y))
    v.store(out + 4 * step, v.larger(x, y))
    v.store(out + 5 * step, v.smaller(x, y))
    v.store(out + 6 * step, v.splat(v.read(v.address_of(a)), like))
    v.store(out + 7 * step, v.exp(x))
    v.write(out + 8 * step, v.total(x))
    v.write(out + 8 * step + 4, v.read(v.address_of(b) + 4))


@pytest.mark.parametrize("wide", [(0,), ()])
def test_operations_are_those_of_numpy(wide):
    count = 16 if wide else 8
    a, b, results = filled(count), filled(count), aligned(9, count)
    lane_by_lane(a, b, results, wide)
    wanted = [a + b, a * b, a / b, 1.5 * a + b, np.maximum(a, b), np.minimum(a, b), np.full(count, a[0]), np.exp(a)]
    np.testing.assert_allclose(results[:8], wanted, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(results[8, :2], [a.sum(), b[1]], rtol=1e-5)


@in_place
def exponentials(values):
    for at in range(0, 4 * len(values), 64):
        place = v.address_of(values) + at
        v.store(place, v.exp(v.load(place, v.zeros16())))


def test_exponential_is_near_over_its_range_and_stays_finite_beyond():
    values = aligned(1 << 16)
    values[:] = np.linspace(-87, 88, len(values))
    wanted = np.exp(values.astype(float))
    exponentials(values)
    np.testing.assert_allclose(values, wanted, rtol=8e-6)
    ends = aligned(16)
    ends[:8], ends[8:] = -1e9, 1e9
    exponentials(ends)
    np.testing.assert_allclose(ends, np.exp(np.repeat([-87.0, 88.0], 8)), rtol=8e-6)


@in_place
def through_rows(table, places, shares, start, count, turned):
    found = rows.read_rows(count, v.address_of(places), 4, 32)
    parts = rows.read_shares(count, v.address_of(shares), 4)
    rows.fetch(v.address_of(table))
    gathered = rows.gather(v.address_of(table), found, parts, v.load(v.address_of(start), v.zeros8()))
    v.store(v.address_of(start), gathered)
    rows.scatter(v.address_of(table), found, parts, gathered)
    rows.transpose(v.address_of(table), 32, v.address_of(turned), 32, v.zeros8())


@pytest.mark.parametrize("count", [0, 1, 4, 6])
def test_rows_are_gathered_and_scattered(count):
    table, start, turned = filled(8, 8), filled(8), aligned(8, 8)
    places, shares = RNG.permutation(8)[:count].astype(np.int32), RNG.random(count).astype(np.float32)
    gathered = start + shares @ table[places]
    wanted = table.copy()
    wanted[places] += np.outer(shares, gathered)
    through_rows(table, places, shares, start, (0,) * count, turned)
    np.testing.assert_allclose(start, gathered, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(table, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(turned, table.T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_begin_on_a_cache_line_and_are_zero(dtype):
    for shape in ((1,), (3, 5), (100, 24)):
        array = aligned(*shape, dtype=dtype)
        assert array.ctypes.data % LINE == 0
        assert (array.shape, array.dtype) == (shape, dtype)
        assert not array.any()


def test_kernels_with_vectors_are_kept_for_the_next_process(tmp_path):
    module = tmp_path / "kernel_of_vectors.py"
    module.write_text(
        "import numpy as np\n"
        "from intarsia.kernels.compiled import in_place\n"
        "from intarsia.kernels.vectors.vector_type import aligned\n"
        "from intarsia.kernels.vectors.arithmetic import address_of, exp, load, store, zeros16\n"
        "@in_place\n"
        "def kernel(values):\n"
        "    store(address_of(values), exp(load(address_of(values), zeros16())))\n"
        "values = aligned(16)\n"
        "kernel(values)\n"
        "assert abs(values - 1).max() < 1e-6, values\n"
        "print(sum(kernel.stats.cache_hits.values()))\n"
    )
    hits = [
        subprocess.run([sys.executable, module], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert hits == ["0", "1"]


@in_place
def through_lanes(table, places, results):
    out = v.address_of(results)
    v.store(out, lanes.row_totals(v.address_of(table)))
    v.store(out + 64, lanes.doubled(v.load(v.address_of(places), v.zeros16())))
    v.store(out + 128, lanes.paired(v.load(v.address_of(places), v.zeros16())))


def test_lanes_are_summed_by_rows_and_doubled_and_paired():
    table, places, results = filled(16, 8), filled(16), aligned(3, 16)
    through_lanes(table, places, results)
    cells = (np.arange(16) + 1) // 2
    wanted = [table.sum(axis=1), places[cells], np.bincount(cells, places, 16)]
    np.testing.assert_allclose(results, wanted, rtol=1e-5, atol=1e-5)
