"""What a variant's network costs: counted, and measured in a process of its own."""

import json
import multiprocessing
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from intarsia.ablations.variant import Variant
from intarsia.files import write_text

if TYPE_CHECKING:
    from torch import Tensor, nn

    from intarsia.models import SegmentationNetwork

SIDE = 256  # pixels, of the image that a small network is measured on
FULL_SIDE, FULL_CLASSES = 512, 21  # of the papers' networks
TURNS = 9


@dataclass(frozen=True)
class Cost:
    """Of one image, without auxiliary heads.

    Parameters and GMAC of the small network and, on the paper's backbone, of the full one; milliseconds of a forward
    pass with one thread; megabytes that one in training keeps for the backward pass.
    """

    parameters: int
    gmac: float
    milliseconds: float
    megabytes: float
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
    from intarsia.diagnostics.anatomy.complexity import complexity
    from intarsia.models import create_model
    from intarsia.models.catalog import entry

    torch.set_num_threads(1)
    recipe = variant.recipe()
    known = entry(recipe.model)
    with torch.device("meta"):
        full = create_model(recipe.model, known.backbone, FULL_CLASSES, recipe.output_stride, **recipe.options)
        of_full = complexity(full, FULL_SIDE, FULL_SIDE)
    net = create_model(recipe.model, recipe.backbone, CLASSES.count, recipe.output_stride, **recipe.options).eval()
    own = complexity(net, SIDE, SIDE)
    image = torch.randn(1, net.backbone.spec.in_channels, SIDE, SIDE)
    return Cost(
        own.parameters,
        own.gmac,
        _milliseconds(net, image),
        kept_megabytes(net, image),
        known.backbone,
        of_full.parameters,
        of_full.gmac,
    )


def _milliseconds(net: "SegmentationNetwork", image: "Tensor") -> float:
    """Of a forward pass, the shortest of several; the first does not count."""
    import torch

    seconds: list[float] = []
    with torch.inference_mode():
        for _ in range(1 + TURNS):
            begun = time.perf_counter()
            net(image)
            seconds.append(time.perf_counter() - begun)
    return 1e3 * min(seconds[1:])


def kept_megabytes(net: "nn.Module", image: "Tensor") -> float:
    """Of all that a forward pass in training keeps for the backward pass, without the weights themselves.

    >>> import torch
    >>> layers = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.Sigmoid())  # keep 1 and 2 channels of 100 × 100
    >>> kept_megabytes(layers, torch.zeros(1, 1, 100, 100))
    0.12
    """
    return megabytes_kept_by(net, lambda: net.train()(image))


def megabytes_kept_by(net: "nn.Module", pass_forward: Callable[[], object]) -> float:
    """Of all that is kept for a backward pass, without the weights of ``net``."""
    import torch

    own = {tensor.untyped_storage().data_ptr() for tensor in net.state_dict(keep_vars=True).values()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()  # what is kept stays, so that no address comes twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        outputs = pass_forward()
    del outputs
    return sum(size for place, size in kept.items() if place not in own) / 1e6
