"""The memory that tiles take, and what happens where there is less."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from standins import pointwise

from intarsia.errors import ArgumentError, IntarsiaWarning


def picture(rows: int, columns: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, columns, channels)).astype(np.uint8)


def test_logits_beyond_the_limit_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intarsia.inference.segmenter.MAP_FLOATS", 3 * 100 * 100)
    own, image = pointwise(tile=64), picture(101, 100)
    assert own.predict(image[:100]).logits is not None
    result = own.predict(image)
    assert result.logits is None
    np.testing.assert_array_equal(result.mask, pointwise().predict(image).mask)
    with pytest.raises(ArgumentError, match=r"image \(101 × 100 pixels, 3 classes\) were not kept, to save memory"):
        _ = result.probabilities
    with pytest.raises(ArgumentError, match="were not kept"):
        _ = pointwise().predict(image, logits=False).probabilities


def test_when_memory_runs_out_tiles_become_smaller_and_one_says_so() -> None:
    image, enough = picture(150, 200), pointwise()
    scarce = pointwise(most_pixels=60 * 60)
    with pytest.warns(IntarsiaWarning, match="memory of `cpu` does not suffice for 150 × 200 pixels at once") as said:
        results = [scarce.predict(image) for _ in range(2)]
    assert len(said) == 1
    for result in results:
        np.testing.assert_allclose(result.logits, enough.predict(image).logits, atol=1e-5)


def test_when_no_tile_fits_into_memory_it_is_an_error() -> None:
    with (
        pytest.warns(IntarsiaWarning, match="smaller tiles"),
        pytest.raises(ArgumentError, match=r"memory does not suffice for .* and smaller tiles would not do"),
    ):
        pointwise(most_pixels=3).predict(picture(40, 40))


MEMORY = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import numpy as np
from standins import pointwise
def peak():  # ru_maxrss would count the parent's memory, too
    (line,) = [l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6
segmenter = pointwise({classes}, tile={tile})
image = np.zeros({size}, np.uint8)
segmenter.predict(image[:64, :64], logits=False)
before = peak()
segmenter.predict(image, logits=False)
print(peak() - before)
"""


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")


def peak_megabytes(classes: int, tile: int | None, size: tuple[int, int, int]) -> float:
    """Beyond the loaded network, in a process of its own."""
    code = MEMORY.format(tests=str(Path(__file__).parents[1]), classes=classes, tile=tile, size=size)
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@needs_proc
def test_memory_of_tiles_does_not_grow_with_the_image() -> None:
    one_map = 40 * 2000 * 4000 * 4 / 1e6
    assert 0 < peak_megabytes(40, 256, (2000, 4000, 3)) < 0.2 * one_map


@needs_proc
@pytest.mark.slow
def test_150_classes_at_1024_by_2048_take_one_float_map() -> None:
    one_map = 150 * 1024 * 2048 * 4 / 1e6
    assert 0.9 * one_map < peak_megabytes(150, None, (1024, 2048, 3)) < 1.2 * one_map
