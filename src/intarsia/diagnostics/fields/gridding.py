"""Gridding: which positions reach an output through a stack of dilated convolutions, and along how many paths."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
import torch
from jaxtyping import Shaped
from numpy import ndarray

from intarsia.diagnostics.fields.dependence import Convolution, Dependence, dependence
from intarsia.diagnostics.fields.receptive_field import stride_of
from intarsia.errors import ArgumentError
from intarsia.layers.hybrid_dilation import checked_rates
from intarsia.models import SegmentationNetwork
from intarsia.models.loading import build

SIDE = 512  # pixels of the image that is followed through a network to find its dilated layers
GROUP = 3  # units that share their rates out among themselves, as in the paper


def path_counts(rates: Sequence[int], kernels: Sequence[int] | int = 3) -> tuple[int, ...]:
    """Along one axis: on how many paths each position reaches one output of stacked convolutions.

    What kernels of ones compute, as whole numbers: the product of the polynomials 1 + xʳ + x²ʳ + … . A zero is a hole,
    and uneven neighbours are uneven influence (Wang et al., arXiv:1702.08502, section 3.2 and figure 2). In two
    dimensions the counts multiply (:func:`path_map`). Only the convolutions are counted: a residual connection around
    one adds the paths of the stack without it, and with them its middle tap.

    Raises:
        ArgumentError: no rates, a rate or a kernel below 1, or not one kernel a rate.

    >>> path_counts((2, 2, 2))
    (1, 0, 3, 0, 6, 0, 7, 0, 6, 0, 3, 0, 1)
    >>> 0 in path_counts((1, 2, 5)), len(path_counts((1, 2, 5)))
    (False, 17)
    """
    checked = checked_rates(rates)
    sizes = (kernels,) * len(checked) if isinstance(kernels, int) else tuple(kernels)
    if len(sizes) != len(checked) or min(sizes) < 1:
        raise ArgumentError(f"`kernels` (={sizes}) must be one size from 1 on for each of the rates {checked}.")
    counts = Counter({0: 1})
    for rate, kernel in zip(checked, sizes, strict=True):
        reached: Counter[int] = Counter()
        for tap in range(kernel):
            reached.update({place + tap * rate: count for place, count in counts.items()})
        counts = reached
    return tuple(counts[place] for place in range(max(counts) + 1))


def path_map(rates: Sequence[int], kernels: Sequence[int] | int = 3) -> Shaped[ndarray, "E E"]:
    """The number of paths from each position of the plane, in Python's whole numbers, which do not overflow.

    >>> path_map((1, 2)).tolist()[0]
    [1, 1, 2, 1, 2, 1, 1]
    """
    counts = np.array(path_counts(rates, kernels), dtype=object)
    return np.multiply.outer(counts, counts)


@dataclass(frozen=True)
class Stack:
    """The dilated convolutions of one stage that follow each other.

    Args:
        stage: nominal stride of the stage.
        stride: pixels from one position of the map to the next.
        modules: the names of the convolutions.
        rates: in positions of the map that enters the stage.
        kernels: taps along an axis.
    """

    stage: int
    stride: int
    modules: tuple[str, ...]
    rates: tuple[int, ...]
    kernels: tuple[int, ...]

    @property
    def coverage(self) -> tuple[int, int]:
        """How many positions along an axis the stack reads, and over what extent."""
        counts = path_counts(self.rates, self.kernels)
        return sum(count > 0 for count in counts), len(counts)


def dilated_stack(net: SegmentationNetwork) -> Stack:
    """The deepest dilated stage of a network's backbone, read off its code.

    Every convolution of the stage that is larger than 1×1 and feeds the next belongs to it, also those of rate 1.

    Raises:
        ArgumentError: no stage is dilated.

    >>> from intarsia.models import create_model
    >>> with torch.device("meta"):
    ...     stack = dilated_stack(create_model("pspnet", "resnet50", classes=5, output_stride=8))
    >>> stack.stage, stack.rates
    (32, (2, 4, 4))
    """
    paths = dependence(net, SIDE, SIDE)
    stages = sorted((index, int(name.split()[1])) for name, index in paths.maps.items() if name.startswith("stage"))
    first = 0
    found: Stack | None = None
    for last, nominal in stages:
        inside = [c for c in paths.convolutions if first < c.map <= last and c.name.startswith("backbone.")]
        if any(max(c.rate) > 1 for c in inside):
            found = _stack(paths, inside, nominal, stride_of(net, f"stage {nominal}"))
        first = last
    if found is None:
        spec = net.backbone.spec
        raise ArgumentError(
            f"No stage of backbone `{spec.name}` is dilated at output stride {spec.output_stride}, so that there is no "
            "gridding; explain a network that was built with a smaller output stride, such as 8."
        )
    return found


def _stack(paths: Dependence, inside: Sequence[Convolution], nominal: int, stride: int) -> Stack:
    """The longest chain that begins with the first; a stride within it widens the rates behind it."""
    chain: list[Convolution] = []
    for convolution in inside:
        if not chain or paths.feeds(chain[-1].map, convolution.map):
            chain.append(convolution)
    jump, rates = 1, []
    for convolution in chain:
        rates.append(convolution.rate[0] * jump)
        jump *= convolution.stride[0]
    names = tuple(convolution.name for convolution in chain)
    return Stack(nominal, stride // jump, names, tuple(rates), tuple(convolution.kernel[0] for convolution in chain))


def hybrid_rates(rates: Sequence[int], repeats: int = 1) -> tuple[int, ...]:
    """Rates for the same units that leave no holes, three by three.

    Hybrid dilated convolution, arXiv:1702.08502, section 3.2, shares the reach of three layers out unevenly: (2, 2, 2)
    becomes (1, 2, 3). Here each three get, of all rates with at most their sum, those whose 3×3 kernels cover their
    extent (:func:`path_counts`), which then also keep the paper's M₂ ≤ 3; first those of the largest sum, then those
    whose largest rate is smallest. The paper's own choice for (4, 4, 4) is (3, 4, 5), which alone leaves four holes of
    25. Three that leave no holes keep their rates, and so do one or two that remain, as in the paper; two alone are
    shared out too. ``repeats`` is the number of dilated convolutions in a unit, which have one rate.

    >>> hybrid_rates((2, 2, 2)), hybrid_rates((4, 4, 4)), hybrid_rates((1, 2, 5, 2))
    ((1, 2, 3), (1, 3, 8), (1, 2, 5, 2))
    """
    checked = checked_rates(rates)
    size = min(GROUP, len(checked))
    groups = [checked[i : i + size] for i in range(0, len(checked), size)]
    shared = (_shared(group, repeats) if len(group) == size > 1 else group for group in groups)
    return tuple(rate for group in shared for rate in group)


def _shared(group: Sequence[int], repeats: int) -> tuple[int, ...]:
    if _is_whole(group, repeats):
        return tuple(group)
    for total in range(sum(group), len(group) - 1, -1):
        candidates = combinations_with_replacement(range(1, total), len(group))
        whole = [rates for rates in candidates if sum(rates) == total and _is_whole(rates, repeats)]
        if whole:
            return min(whole, key=max)
    return (1,) * len(group)


def _is_whole(rates: Sequence[int], repeats: int) -> bool:
    layers = [rate for rate in rates for _ in range(repeats)]
    return 0 not in path_counts(layers)


def with_hybrid_rates(net: SegmentationNetwork, stack: Stack) -> SegmentationNetwork | None:
    """The same system with hybrid rates in a stage, without weights, on the meta device.

    It is what ``create_model(…, rates_at_32=…)`` builds; None where a network has no such option: others' networks, or
    a stage that is dilated by design.
    """
    blueprint = net.blueprint
    if blueprint is None or stack.stage not in (16, 32):
        return None
    units: dict[str, list[int]] = {}
    for module, rate in zip(stack.modules, stack.rates, strict=True):
        units.setdefault(module.rpartition(".")[0], []).append(rate)
    repeats = min(len(layers) for layers in units.values())
    rates = hybrid_rates([max(layers) for layers in units.values()], repeats=repeats)
    options = {**blueprint.options, f"rates_at_{stack.stage}": rates}
    try:
        with torch.device("meta"):
            return build(replace(blueprint, options=options))
    except ArgumentError:
        return None
