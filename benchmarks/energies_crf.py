"""The dense CRF beside pydensecrf2: processor time, time, agreement and memory.

    pip install intarsia pydensecrf2 && python benchmarks/energies_crf.py --out docs/crf_speed.md

Both sides go from probabilities to probabilities in ten iterations of both kernels, everything built anew each time, in
turn in one process; the minimum over the turns counts. pydensecrf2 has one thread. Ratios are of processor time for one
thread, of elapsed time for two. First the answers are compared: at three sizes with each other, and on small crops both
with mean field over all pairs in float64, for every pair of σs of the table. Memory is the growth of the peak of the
resident set during a call, each side in a process of its own. Photographs are scikit-image's; probabilities are smooth
random fields with noise.
"""

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import pydensecrf.densecrf as peer_crf
from energies import peak_growth
from scipy import ndimage
from skimage import data, transform

from intarsia.energies.dense_crf import dense_crf
from intarsia.files import write_text

ITERATIONS = 10
LATTICES = {"80/13": (80.0, 13.0), "67/3": (67.0, 3.0)}
CASES = [
    (375, 500, 2, "80/13"),
    (375, 500, 21, "80/13"),
    (375, 500, 21, "67/3"),
    (375, 500, 150, "80/13"),
    (512, 512, 2, "80/13"),
    (512, 512, 21, "80/13"),
    (768, 1024, 2, "80/13"),
    (768, 1024, 21, "80/13"),
    (768, 1024, 21, "67/3"),
]
SMALL = [
    (size, sigmas, sigma)
    for size in ((30, 40), (60, 80))
    for sigmas in ((80, 13), (20, 13), (67, 3))
    for sigma in (1, 2, 3, 5)
]


class Scene(NamedTuple):
    """What both sides are given."""

    probabilities: np.ndarray
    image: np.ndarray


def scene(height: int, width: int, classes: int, seed: int = 0) -> Scene:
    """A photograph, and probabilities that prefer a class in each patch and in some colours, with noise."""
    photograph = transform.resize(data.astronaut(), (height, width), anti_aliasing=True)
    image = np.ascontiguousarray((255 * photograph).astype(np.uint8))
    generator = np.random.default_rng(seed)
    logits = np.empty((classes, height, width), np.float32)
    for k in range(classes):
        patches = ndimage.zoom(generator.normal(size=(height // 16 + 2, width // 16 + 2)), 16, order=1)
        distance = np.square(image - generator.integers(0, 255, 3)).sum(axis=-1) / (2 * 60.0**2)
        noise = 0.5 * generator.normal(size=(height, width))
        logits[k] = 3 * ndimage.gaussian_filter(patches[:height, :width], 8) - 0.5 * distance + noise
    logits = np.exp(logits - logits.max(axis=0))
    return Scene(logits / logits.sum(axis=0), image)


def by_peer(given: Scene, sxy: float, srgb: float, sigma: float = 3.0) -> np.ndarray:
    classes, height, width = given.probabilities.shape
    crf = peer_crf.DenseCRF2D(width, height, classes)
    unary = -np.log(np.clip(given.probabilities, 1e-5, 1)).reshape(classes, -1)
    crf.setUnaryEnergy(np.ascontiguousarray(unary))
    crf.addPairwiseGaussian(sxy=sigma, compat=3)
    crf.addPairwiseBilateral(sxy=sxy, srgb=srgb, rgbim=given.image, compat=10)
    return np.array(crf.inference(ITERATIONS)).reshape(classes, height, width)


def by_us(given: Scene, sxy: float, srgb: float, sigma: float = 3.0, threads: int = 1) -> np.ndarray:
    return dense_crf(
        given.probabilities,
        given.image,
        iterations=ITERATIONS,
        smoothness_sxy=sigma,
        appearance_sxy=sxy,
        appearance_srgb=srgb,
        n_threads=threads,
    )


def by_all_pairs(given: Scene, sxy: float, srgb: float, sigma: float) -> np.ndarray:
    """Algorithm 1 of the paper in float64, every pixel with every other and itself."""
    classes, height, width = given.probabilities.shape
    y, x = np.mgrid[:height, :width].astype(float)
    kernel = np.zeros((height * width, height * width))
    for weight, features in (
        (3, [x / sigma, y / sigma]),
        (10, [x / sxy, y / sxy, *np.moveaxis(given.image / srgb, -1, 0)]),
    ):
        f = np.stack(features, axis=-1).reshape(height * width, -1)
        squares = (f**2).sum(axis=1)
        k = np.exp(-0.5 * np.maximum(squares[:, None] + squares - 2 * f @ f.T, 0))
        root = 1 / np.sqrt(k.sum(axis=1))
        kernel += weight * k * root * root[:, None]
    p = np.clip(given.probabilities.reshape(classes, -1).astype(float), 1e-5, 1)
    q = p / p.sum(axis=0)
    for _ in range(ITERATIONS):
        logits = np.log(p) + q @ kernel
        q = np.exp(logits - logits.max(axis=0))
        q /= q.sum(axis=0)
    return q.reshape(given.probabilities.shape)


def agreement(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean |dQ|, and the share of pixels with the same class."""
    return float(abs(one - other).mean()), float((one.argmax(axis=0) == other.argmax(axis=0)).mean())


def against_all_pairs() -> list[str]:
    lines = [
        "| crop | σ of appearance | σ of smoothness | mean &#124;dQ&#124;: pydensecrf2 | ours | "
        "same class: pydensecrf2 | ours |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for (height, width), (sxy, srgb), sigma in SMALL:
        given = scene(4 * height, 4 * width, 5)
        given = Scene(
            np.ascontiguousarray(given.probabilities[:, :height, :width]), given.image[:height, :width].copy()
        )
        exact = by_all_pairs(given, sxy, srgb, sigma)
        (peer_off, peer_same), (off, same) = (
            agreement(side(given, sxy, srgb, sigma), exact) for side in (by_peer, by_us)
        )
        lines.append(
            f"| {width}×{height} | {sxy}/{srgb} | {sigma} | {peer_off:.5f} | {off:.5f} | {peer_same:.4f} | {same:.4f} |"
        )
    return lines


def seconds(function: Callable[[], object]) -> tuple[float, float]:
    """Of processors, and elapsed."""
    start, began = time.process_time(), time.perf_counter()
    function()
    return time.process_time() - start, time.perf_counter() - began


def memory(case: tuple, side: str) -> float:
    """Bytes of a call in a process of its own, whose kernels a small scene has loaded."""
    command = [sys.executable, __file__, "--memory", side, ",".join(map(str, case))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_memory(side: str, case: str) -> None:
    height, width, classes, lattice = case.split(",")
    infer = {"peer": by_peer, "us": by_us}[side]
    infer(scene(40, 60, int(classes)), *LATTICES[lattice])
    given = scene(int(height), int(width), int(classes))
    print(peak_growth(lambda: infer(given, *LATTICES[lattice])))


def measure(case: tuple[int, int, int, str], turns: int) -> str:
    height, width, classes, lattice = case
    given, sigmas = scene(height, width, classes), LATTICES[lattice]
    off, same = agreement(by_us(given, *sigmas), by_peer(given, *sigmas))
    assert same > 0.995, (case, off, same)
    threads = float(abs(by_us(given, *sigmas) - by_us(given, *sigmas, threads=2)).max())
    peer, one, two = [], [], []
    for _ in range(turns):
        peer.append(seconds(lambda: by_peer(given, *sigmas)))
        one.append(seconds(lambda: by_us(given, *sigmas)))
        two.append(seconds(lambda: by_us(given, *sigmas, threads=2)))
    (peer_cpu, peer_wall), (cpu, _), (_, wall) = (tuple(map(min, zip(*side, strict=True))) for side in (peer, one, two))
    megabytes = [memory(case, side) / 1e6 for side in ("peer", "us")]
    return (
        f"| {width}×{height} | {classes} | {lattice} | {1e3 * peer_cpu:.0f} | {1e3 * cpu:.0f} | {peer_cpu / cpu:.1f} | "
        f"{1e3 * wall:.0f} | {peer_wall / wall:.1f} | {off:.1e} | {same:.4f} | {threads:.0e} | {megabytes[0]:.0f} | "
        f"{megabytes[1]:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--cases", type=int, default=len(CASES), help="so many of the cases")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print_memory(*arguments.memory)
        return
    lines = [
        "# The dense CRF, measured",
        "",
        *against_all_pairs(),
        "",
        "| image | classes | σ | pydensecrf2 ms | ours ms | ratio | two threads ms | ratio | mean &#124;dQ&#124; | "
        "same class | threads differ by | pydensecrf2 MB | ours MB |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    print("\n".join(lines), flush=True)
    for case in CASES[: arguments.cases]:
        lines.append(measure(case, arguments.turns))
        print(lines[-1], flush=True)
    versions = f"NumPy {np.__version__}, Numba {numba.__version__}, Python {platform.python_version()}"
    lines += ["", f"Ten iterations, minimum of {arguments.turns}; {platform.machine()}, {versions}."]
    lines.append("Written by `benchmarks/energies_crf.py`, which says what is compared.")
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
