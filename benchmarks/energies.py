"""Minimum cuts of photographs: the grid solver against PyMaxflow, graph construction included.

    pip install intarsia PyMaxflow && python benchmarks/energies.py --out docs/energies_speed.md

The capacities are those of GrabCut around a box, 8 neighbours: after its first and its fifth iteration on photographs,
and after the first on noise, where the colours say nothing and flow goes far. Both sides cut the same graph, and must
agree on the flow and on all but a few labels (the grid solver rounds to 2^-16) before anything is timed. Then they are
timed in turn, in one process on one thread; minima of processor time are compared. Memory is the growth of the peak of
the resident set during construction and cut.
"""

import argparse
import ctypes
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import maxflow
import numba
import numpy as np
from PIL import Image
from skimage import data

from intarsia.energies import GridCut
from intarsia.energies.grabcut import grabcut
from intarsia.energies.levels import levels_of
from intarsia.energies.scene import Scene, contrast
from intarsia.energies.trimap import trimap_of_box
from intarsia.files import write_text
from intarsia.kernels.contrast import contrast_links

GAMMA, HARD = 50.0, 450.0


class Graph(NamedTuple):
    """What both sides are given."""

    name: str
    edges: np.ndarray
    terminals: np.ndarray


class Row(NamedTuple):
    """What was measured of one graph."""

    graph: Graph
    peer_ms: float
    cold_ms: float
    warm_ms: float
    disagreement: float
    labels: int
    peer_bytes: float
    our_bytes: float


def graph_of(name: str, image: np.ndarray, box: tuple[int, int, int, int], iterations: int) -> Graph:
    """What the last iteration cuts."""
    cut = grabcut(image, box, iterations=iterations, pyramid=False)
    levels = levels_of(image)
    scene = Scene(levels, trimap_of_box(box, image.shape[:2]), GAMMA, 8, everywhere=True)
    terminals = scene.terminals(cut.mixtures, mixed=False)
    links = contrast_links(levels.values, 4, np.float32(contrast(levels, 8)), np.float32(GAMMA))
    return Graph(f"{name}, iteration {iterations}", links, np.clip(terminals, -HARD, HARD))


def graphs(large: bool) -> list[Graph]:
    astronaut, coffee, chelsea = data.astronaut(), data.coffee(), data.chelsea()
    noise = np.random.default_rng(0).integers(0, 256, (1536, 2048, 3), dtype=np.uint8)
    box = (100, 10, 400, 500)
    found = [graph_of("astronaut", astronaut, box, 1), graph_of("astronaut", astronaut, box, 5)]
    found += [graph_of("coffee", coffee, (130, 40, 470, 340), 5), graph_of("chelsea", chelsea, (100, 20, 400, 280), 5)]
    found.append(graph_of("noise", noise[:512, :512], (100, 100, 400, 400), 1))
    if large:
        enlarged = np.asarray(Image.fromarray(astronaut).resize((2048, 1536), Image.Resampling.BICUBIC))
        found.append(graph_of("astronaut enlarged", enlarged, (400, 30, 1600, 1500), 5))
        found.append(graph_of("noise", noise, (200, 200, 1800, 1300), 1))
    return found


def by_peer(graph: Graph) -> tuple[float, np.ndarray]:
    pixels = graph.terminals.size
    network = maxflow.Graph[float](pixels, 4 * pixels)
    places = network.add_grid_nodes(graph.terminals.shape)
    for kind, (row, column) in enumerate(((1, 2), (2, 1), (2, 2), (2, 0))):
        structure = np.zeros((3, 3))
        structure[row, column] = 1
        network.add_grid_edges(places, weights=graph.edges[..., kind], structure=structure, symmetric=True)
    network.add_grid_tedges(places, np.maximum(graph.terminals, 0), np.maximum(-graph.terminals, 0))
    return network.maxflow(), ~network.get_grid_segments(places)


def by_us(graph: Graph) -> tuple[float, np.ndarray]:
    cut = GridCut(graph.edges).solve(graph.terminals)
    return cut.flow, cut.foreground


def milliseconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return 1e3 * (time.process_time() - start)


def peak_growth(function: Callable[[], object]) -> float:
    """Bytes by which the resident set grew at its peak; what was freed before goes back to the system first."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    function()
    return _resident("VmHWM") - before


def _resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith(name))


def measure(graph: Graph, turns: int) -> Row:
    (flow, foreground), (expected, peer_foreground) = by_us(graph), by_peer(graph)
    disagreement = abs(flow - expected) / expected
    labels = int(np.count_nonzero(foreground != peer_foreground))
    assert disagreement < 1e-6, (graph.name, flow, expected)
    assert labels <= 1e-4 * foreground.size, (graph.name, labels)
    changed = graph.terminals + np.random.default_rng(0).normal(0, 0.2, graph.terminals.shape).astype(np.float32)
    peer, cold, warm = [], [], []
    for _ in range(turns):
        peer.append(milliseconds(lambda: by_peer(graph)))
        cut: list[GridCut] = []
        cold.append(milliseconds(lambda kept=cut: kept.append(GridCut(graph.edges).solve(graph.terminals))))
        warm.append(milliseconds(lambda kept=cut: kept[0].solve(changed)))
    pixels = graph.terminals.size
    memory = [peak_growth(lambda: solver(graph)) / pixels for solver in (by_peer, by_us)]  # noqa: B023 - called at once
    return Row(graph, min(peer), min(cold), min(warm), disagreement, labels, *memory)


def table(rows: list[Row]) -> list[str]:
    lines = [
        "| graph | pixels | PyMaxflow ms | GridCut ms | ratio | warm ms | flows differ by | labels that differ | "
        "PyMaxflow B/pixel | GridCut B/pixel |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        height, width = row.graph.terminals.shape
        lines.append(
            f"| {row.graph.name} | {width}×{height} | {row.peer_ms:.0f} | {row.cold_ms:.0f} | "
            f"{row.peer_ms / row.cold_ms:.1f} | {row.warm_ms:.0f} | {row.disagreement:.0e} | {row.labels} | "
            f"{row.peer_bytes:.0f} | {row.our_bytes:.0f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="without the 3-megapixel graphs")
    arguments = parser.parse_args()
    rows = [measure(graph, arguments.turns) for graph in graphs(not arguments.small)]
    versions = f"NumPy {np.__version__}, Numba {numba.__version__}, Python {platform.python_version()}"
    lines = ["# Minimum cuts, measured", "", *table(rows), ""]
    lines.append(f"Processor time on one thread, minimum of {arguments.turns}; {platform.machine()}, {versions}.")
    lines.append("Warm: the same graph with all terminals moved by noise of 0.2. Written by `benchmarks/energies.py`.")
    print("\n".join(lines))
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
