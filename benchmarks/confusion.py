"""The confusion matrix of a 1024×2048 pair of masks: the kernel against NumPy's bincount and MMSegmentation's histc.

    python benchmarks/confusion.py --out docs/confusion.md

First all three must agree. Then they are timed in turn, in one process on one thread, and the minima are compared.
MMSegmentation's form is written from its definition (``IoUMetric.intersect_and_union``): ignored pixels are left out
by a boolean index, then three ``torch.histc`` of float32 count intersection, prediction and truth. It gives no matrix,
only the diagonal and the two sums that a matrix has.
"""

import argparse
import platform
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import torch

from intarsia.files import write_text
from intarsia.metrics import confusion_matrix

HEIGHT, WIDTH, IGNORE, TURNS = 1024, 2048, 255, 40

Pair = tuple[np.ndarray, np.ndarray]


def noise(classes: int) -> Pair:
    """Every pixel for itself: the worst case for all."""
    generator = np.random.default_rng(0)
    truth, prediction = generator.integers(0, classes, (2, HEIGHT, WIDTH)).astype(np.uint8)
    truth[generator.random(truth.shape) < 0.05] = IGNORE
    return truth, prediction


def segments(classes: int) -> Pair:
    """Blocks of 64 pixels, a prediction that is five pixels off and wrong in 1 % of the rest, ignored lines."""
    generator = np.random.default_rng(0)
    blocks = generator.integers(0, classes, (HEIGHT // 64, WIDTH // 64))
    truth = np.kron(blocks, np.ones((64, 64))).astype(np.uint8)
    prediction = np.roll(truth, 5, axis=1)
    wrong = generator.random(truth.shape) < 0.01
    prediction[wrong] = generator.integers(0, classes, wrong.sum())
    truth[::20] = IGNORE
    return truth, prediction


def by_bincount(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    counted = truth != IGNORE
    joint = truth[counted].astype(np.int64) * classes + prediction[counted]
    return np.bincount(joint, minlength=classes**2).reshape(classes, classes)


def by_histc(truth: torch.Tensor, prediction: torch.Tensor, classes: int) -> list[torch.Tensor]:
    counted = truth != IGNORE
    prediction, truth = prediction[counted], truth[counted]
    parts = (prediction[prediction == truth], prediction, truth)
    return [torch.histc(part.float(), bins=classes, min=0, max=classes - 1) for part in parts]


def agree(truth: np.ndarray, prediction: np.ndarray, classes: int) -> None:
    matrix = confusion_matrix(truth, prediction, classes)
    np.testing.assert_array_equal(matrix, by_bincount(truth, prediction, classes))
    counts = by_histc(torch.from_numpy(truth), torch.from_numpy(prediction), classes)
    for ours, theirs in zip((matrix.diagonal(), matrix.sum(0), matrix.sum(1)), counts, strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())


def milliseconds(*sides: Callable[[], object]) -> list[float]:
    """The shortest of many runs of each, taken in turn."""
    best = [float("inf")] * len(sides)
    for _ in range(TURNS):
        for place, side in enumerate(sides):
            start = time.perf_counter()
            side()
            best[place] = min(best[place], time.perf_counter() - start)
    return [seconds * 1e3 for seconds in best]


def megabytes(side: Callable[[], object]) -> float:
    """The most that NumPy holds at once."""
    tracemalloc.start()
    side()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def row(name: str, classes: int, masks: Pair) -> str:
    truth, prediction = masks
    agree(truth, prediction, classes)
    tensors = torch.from_numpy(truth), torch.from_numpy(prediction)
    sides = (
        lambda: confusion_matrix(truth, prediction, classes),
        lambda: by_bincount(truth, prediction, classes),
        lambda: by_histc(*tensors, classes),
    )
    ours, bincount, histc = milliseconds(*sides)
    memory, theirs = (megabytes(side) for side in sides[:2])
    return (
        f"| {name} | {classes} | {ours:.2f} ms | {bincount:.2f} ms | {histc:.1f} ms | {bincount / ours:.1f} | "
        f"{histc / ours:.0f} | {memory:.1f} MB | {theirs:.0f} MB |"
    )


def page() -> str:
    torch.set_num_threads(1)
    rows = [row(make.__name__, classes, make(classes)) for make in (segments, noise) for classes in (21, 150)]
    versions = f"numpy {np.__version__}, torch {torch.__version__}, numba {numba.__version__}"
    lines = [
        "# The confusion matrix, timed",
        "",
        f"A pair of {HEIGHT}×{WIDTH} uint8 masks with 5 % ignored pixels, one thread, the minimum of {TURNS} runs",
        "taken in turn. All three count the same. `segments` is a mask as masks are, `noise` the worst case for",
        "every side. MMSegmentation's form ends in the diagonal and the sums of the matrix only. The memory is what is",
        "allocated through NumPy; an image is 2.1 MB.",
        "",
        "| masks | classes | intarsia | np.bincount | torch.histc ×3 | ratio | ratio | memory | np.bincount's |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"Made by `python benchmarks/confusion.py --out docs/confusion.md` ({versions}, {platform.machine()}).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    text = page()
    print(text)
    if out:
        write_text(out, text)
