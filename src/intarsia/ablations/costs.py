"""What a variant's network costs: counted, and measured in a process of its own."""

import ctypes
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from intarsia.ablations.variant import Variant
from intarsia.files import write_text
from intarsia.runs import Recipe

SIDE = 256  # pixels, of the image that a small network is measured on
FULL_SIDE, FULL_CLASSES = 512, 21  # of the papers' networks
TURNS, REPEATS = 9, 3  # passes that are timed, and whose memory is measured
M_MMAP_THRESHOLD, LARGE = -3, 1 << 16  # malloc.h of the GNU C library; bytes from which a tensor is large
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Cost:
    """Of one image, without auxiliary heads.

    Parameters and GMAC of the small network and, on the paper's backbone, of the full one; milliseconds of a forward
    pass with one thread; megabytes that it takes at most beside the network, where the system tells.
    """

    parameters: int
    gmac: float
    milliseconds: float
    megabytes: float | None
    full_backbone: str
    full_parameters: int
    full_gmac: float


def measure_all(variants: Mapping[str, Variant], runs: Path) -> Mapping[str, Cost]:
    """The cost of each variant, by its key; measured one after the other, unless that was done before."""
    paths = {key: runs / "costs" / f"{key}.json" for key in variants}
    return {key: _kept(paths[key]) or _measure(variant, paths[key]) for key, variant in variants.items()}


def _kept(path: Path) -> Cost | None:
    try:
        return TypeAdapter(Cost).validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _measure(variant: Variant, path: Path) -> Cost:
    """In a fresh process, whose memory holds nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        cost = process.submit(cost_of, variant).result()
    write_text(path, json.dumps(asdict(cost), indent=2) + "\n")
    return cost


def cost_of(variant: Variant) -> Cost:
    """Count and measure in this process."""
    import torch

    from intarsia.data.samples.materials import CLASSES
    from intarsia.diagnostics.complexity import complexity
    from intarsia.models import create_model
    from intarsia.models.catalog import entry

    torch.set_num_threads(1)
    recipe = variant.recipe()
    known = entry(recipe.model)
    with torch.device("meta"):
        full = create_model(recipe.model, known.backbone, FULL_CLASSES, recipe.output_stride, **recipe.options)
        of_full = complexity(full, FULL_SIDE, FULL_SIDE)
    milliseconds, megabytes = _forward(recipe, CLASSES.count)
    net = create_model(recipe.model, recipe.backbone, CLASSES.count, recipe.output_stride, **recipe.options)
    own = complexity(net, SIDE, SIDE)
    return Cost(
        own.parameters,
        own.gmac,
        milliseconds,
        megabytes,
        known.backbone,
        of_full.parameters,
        of_full.gmac,
    )


def _forward(recipe: Recipe, classes: int) -> tuple[float, float | None]:
    """Milliseconds and megabytes, each the least of several passes."""
    import torch

    from intarsia.models import create_model

    net = create_model(recipe.model, recipe.backbone, classes, recipe.output_stride, **recipe.options).eval()
    image = torch.randn(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        shortest = float("inf")
        for _ in range(1 + TURNS):
            begun = time.perf_counter()
            net(image)
            shortest = min(shortest, time.perf_counter() - begun)
        peaks = [_peak(lambda: net(image)) for _ in range(REPEATS)]
    known = [peak for peak in peaks if peak is not None]
    return 1e3 * shortest, min(known, default=None)


def _peak(run: Callable[[], object]) -> float | None:
    """Megabytes that this process holds at most while it runs, beyond what it held; None where no system tells.

    For that each large tensor is to be taken from the system and given back, not kept for the next one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.access(CLEAR, os.W_OK) else None
    if mallopt is None or not mallopt(M_MMAP_THRESHOLD, LARGE):
        return None
    from intarsia.training.allocator import release_freed_memory

    release_freed_memory()
    CLEAR.write_text("5")  # the peak so far is forgotten
    before = _resident("VmRSS")
    run()
    return _resident("VmHWM") - before


def _resident(field: str) -> float:
    """Megabytes of this process, now (``VmRSS``) or at most (``VmHWM``)."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6
