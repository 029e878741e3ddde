"""GrabCut beside OpenCV's, strokes of a session, and what memory it takes.

    python benchmarks/energies_grabcut.py --out docs/grabcut_speed.md

Both sides get one box, five iterations and one thread, in one process and in turn; the minimum over the turns counts.
First the answers are compared: the energy of a mask is that of the paper under mixtures which are fitted to it
again and again, from beginnings that all masks share, those that either side ended with among them. Strokes are drawn
at random along the outline, a third of them against it.
"""

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numba
import numpy as np
from skimage import data

from intarsia.energies import GaussianMixture, GrabCutSession, Mixtures, grabcut
from intarsia.energies.levels import levels_of
from intarsia.energies.mixtures import first_mixture
from intarsia.energies.scene import Scene
from intarsia.energies.trimap import trimap_of_box
from intarsia.files import write_text

ITERATIONS, STROKES, BEGINNINGS = 5, 60, 4
COFFEE, ASTRONAUT, CHELSEA = (70, 10, 490, 395), (60, 5, 400, 505), (60, 10, 440, 290)


def enlarged(image: np.ndarray, box: tuple[int, ...], width: int, height: int) -> tuple[np.ndarray, tuple[int, ...]]:
    x, y = width / image.shape[1], height / image.shape[0]
    larger = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return larger, tuple(round(edge * scale) for edge, scale in zip(box, (x, y, x, y), strict=True))


def noise(height: int, width: int) -> tuple[np.ndarray, tuple[int, ...]]:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return image, (width // 8, height // 8, width * 7 // 8, height * 7 // 8)


CASES = {
    "astronaut 512×512": lambda: (data.astronaut(), ASTRONAUT),
    "coffee 600×400": lambda: (data.coffee(), COFFEE),
    "chelsea 451×300": lambda: (data.chelsea(), CHELSEA),
    "noise 512×512": lambda: noise(512, 512),
    "astronaut 2048×1536": lambda: enlarged(data.astronaut(), ASTRONAUT, 2048, 1536),
    "coffee 2048×1536": lambda: enlarged(data.coffee(), COFFEE, 2048, 1536),
}
STROKED = {"2 megapixels": (1632, 1224), "12 megapixels": (4000, 3000)}


def opencv(image: np.ndarray, box: tuple[int, ...]) -> tuple[np.ndarray, Mixtures]:
    mask, background, foreground = trimap_of_box(box, image.shape[:2]), np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(image, mask, None, background, foreground, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    return mask % 2 == 1, Mixtures(_mixture(background), _mixture(foreground))


def ours(image: np.ndarray, box: tuple[int, ...], pyramid: bool) -> tuple[np.ndarray, Mixtures]:
    cut = grabcut(image, box, pyramid=pyramid)
    return cut.foreground, cut.mixtures


def _mixture(model: np.ndarray) -> GaussianMixture:
    """OpenCV's: five weights, five means, five covariances."""
    weights, means, covariances = np.split(model.ravel(), (5, 20))
    used = weights > 0
    spread = np.eye(3) / 12  # as matrices of one colour are singular
    return GaussianMixture(weights[used], means.reshape(5, 3)[used], covariances.reshape(5, 3, 3)[used] + spread)


def least_energies(
    image: np.ndarray, box: tuple[int, ...], masks: dict[str, np.ndarray], ended: Sequence[Mixtures]
) -> dict[str, float]:
    """Of each mask under mixtures refitted to it, from beginnings that all share: else they would differ by luck."""
    levels = levels_of(image)
    beginnings, scene = list(ended), Scene(levels, trimap_of_box(box, levels.values.shape[:2]), 50, 8)
    for mask in masks.values():
        for seed in range(BEGINNINGS * bool(mask.any())):
            generator = np.random.default_rng(seed)
            beginnings.append(Mixtures(*(first_mixture(levels, side, 5, generator) for side in (~mask, mask))))
    energies = {}
    for side, mask in masks.items():
        spent = [float("nan")]
        for mixtures in beginnings if mask.any() else []:
            for _ in range(20):
                mixtures, cost = mixtures.refitted(levels, mask)
            spent.append(cost + scene.boundary(mask))
        energies[side] = float(np.nanmin(spent)) if len(spent) > 1 else float("nan")
    return energies


def measured(function, clock) -> float:
    start = clock()
    function()
    return clock() - start


def row(name: str, turns: int, clock) -> str:
    image, box = CASES[name]()
    sides = {
        "theirs": lambda: opencv(image, box),
        "plain": lambda: ours(image, box, False),
        "pyramid": lambda: ours(image, box, True),
    }
    answers = {side: function() for side, function in sides.items()}
    masks = {side: mask for side, (mask, _) in answers.items()}
    energies = least_energies(image, box, masks, [mixtures for _, mixtures in answers.values()])
    spent = {side: float("inf") for side in sides}
    for _ in range(turns):
        for side, function in sides.items():
            spent[side] = min(spent[side], measured(function, clock))
    cells = [name, f"{spent['theirs'] * 1e3:,.0f}"]
    for side in ("plain", "pyramid"):
        differs = energies[side] / energies["theirs"] - 1
        shared, either = (f(masks[side], masks["theirs"]).sum() for f in (np.logical_and, np.logical_or))
        cells += [f"{spent[side] * 1e3:,.0f}", f"{spent['theirs'] / spent[side]:.1f} ×"]
        cells += [f"{differs:+.2%}", f"{shared / either:.3f}"] if either else ["both empty", "–"]
    line = "| " + " | ".join(cells) + " |"
    print(line, file=sys.stderr, flush=True)  # the whole takes minutes
    return line


def stroke_latencies(width: int, height: int, clock) -> tuple[list[float], list[float], list[float], int]:
    """Milliseconds until the box and each stroke are shown and exact, and how many strokes ran out of their time."""
    image, box = enlarged(data.coffee(), COFFEE, width, height)
    session = GrabCutSession(image)
    start = clock()
    session.box(box)
    boxed = [1e3 * (clock() - start)]
    session.wait()
    boxed.append(1e3 * (clock() - start))
    generator, shown, exact, late = np.random.default_rng(0), [], [], 0
    for _ in range(STROKES):
        mask = session.result.foreground
        rows, columns = np.nonzero(mask[:, 1:] != mask[:, :-1])
        at = generator.integers(len(rows))
        y, x = rows[at], columns[at]
        side = bool(mask[y, x]) ^ bool(generator.random() < 1 / 3)
        shift = generator.integers(-height // 40, height // 40, (3, 2))
        start = clock()
        session.stroke([(float(x + dx), float(y + dy)) for dx, dy in shift], height / 200, side)
        shown.append(1e3 * (clock() - start))
        late += not session.result.finished
        session.wait()
        exact.append(1e3 * (clock() - start))
    return boxed, shown, exact, late


def peak_memory(name: str, side: str) -> float:
    """Bytes a pixel, beyond the image, in a process of its own."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from energies import peak_growth
from energies_grabcut import CASES, cv2, grabcut, opencv
cv2.setNumThreads(1)
small, box = CASES["chelsea 451×300"]()
call = opencv if {side!r} == "theirs" else lambda image, box: grabcut(image, box, pyramid={side == "pyramid"})
call(small, box)
image, box = CASES[{name!r}]()
print(peak_growth(lambda: call(image, box)) / image[..., 0].size)
"""
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def page(names: list[str], turns: int, stroked: list[str], clock) -> str:
    lines = [
        "# GrabCut: speed",
        "",
        f"Written by `benchmarks/energies_grabcut.py`: Python {platform.python_version()}, Numba {numba.__version__}, "
        f"OpenCV {cv2.__version__}, {platform.machine()}; {ITERATIONS} iterations, one thread each, in turn, minimum "
        f"of {turns}. The energy is that of our mask against OpenCV's.",
        "",
        "| image | OpenCV, ms | plain, ms | ratio | energy | IoU | pyramid, ms | ratio | energy | IoU |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(row(name, turns, clock) for name in names),
        "",
    ]
    large = [name for name in names if "2048" in name][-1:]
    for name in large:
        cells = ", ".join(f"{side} {peak_memory(name, side):.0f}" for side in ("theirs", "plain", "pyramid"))
        lines += [f"Peak memory at {name}, bytes a pixel beyond the image (`theirs` is OpenCV): {cells}.", ""]
    if stroked:
        lines += ["| strokes on | median, ms | p95 | worst | exact: median | p95 | worst | finished behind |"]
        lines[-1] += " the box: shown | exact |"
        lines += ["|---|---|---|---|---|---|---|---|---|---|"]
    for name in stroked:
        boxed, shown, exact, late = stroke_latencies(*STROKED[name], time.perf_counter)
        cells = [f"{f(times):.0f}" for times in (shown, exact) for f in (statistics.median, _p95, max)]
        cells += [f"{late} of {STROKES}", *(f"{spent:,.0f}" for spent in boxed)]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines) + "\n"


def _p95(times: list[float]) -> float:
    return sorted(times)[int(0.95 * len(times))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--strokes", default=",".join(STROKED))
    parser.add_argument("--cpu", action="store_true", help="time of the processor, where others work on the machine")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    text = page(
        arguments.cases.split(","),
        arguments.turns,
        [name for name in arguments.strokes.split(",") if name],
        time.thread_time if arguments.cpu else time.perf_counter,
    )
    if arguments.out:
        write_text(arguments.out, text)
    print(text)
