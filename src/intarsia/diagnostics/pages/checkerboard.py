"""`--what checkerboard`: patterns of the strides, forward and backward, before and after training."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from intarsia.diagnostics.fields.checkerboard import Resampling, check_resamplings, downsamplings, upsamplings
from intarsia.diagnostics.fields.spectrum import PERIODS, artefact_of_large, pattern_share
from intarsia.diagnostics.fields.unevenness import unevenness
from intarsia.diagnostics.pages.checkerboard_pictures import map_figures, most_uneven, step_figures, strength_text
from intarsia.diagnostics.pages.explanation import Explanation, Table
from intarsia.diagnostics.subject import Subject
from intarsia.models import SegmentationNetwork
from intarsia.models.loading import build

_READ = (
    "Where a kernel's size is no multiple of its stride, some pixels are made of more taps than others: a "
    "checkerboard. Unevenness is 0 where all pixels of a stride are treated alike and at most 1; “ones” is the "
    "kernel's form alone, “own” its weights. The artefact says how far the map itself stands out at the stride's "
    "frequencies: about 1 is nothing, 10 is ten times its neighbours; “of the map” is the pattern's amplitude over the "
    "map's, which below a hundredth nobody sees; “random” is the same system with random weights, not where training "
    "began. Behind a last resizing with aligned corners patterns are missed. "
    "Forward it shows in the answer, backward in what pixels are taught."
)
_COLUMNS = ("step", "kind", "stride", "ones", "own: random", "trained", "artefact: random", "trained", "of the map")
_NAME = 26  # characters
Look = Callable[[nn.Module, Tensor], tuple[Resampling, ...]]


def explain_checkerboard(subject: Subject) -> Explanation:
    """Every step to a finer or a coarser map, in the network as it is and as it was before training.

    Raises:
        ArgumentError: the network never changes resolution.
    """
    net, image = subject.network, subject.image
    finer, coarser = upsamplings(net, image), downsamplings(net, image)
    check_resamplings(net, finer, coarser)
    fresh = _untrained(net, image)
    logits = net(image).detach()
    figures = [figure for step in most_uneven(finer) for figure in step_figures(step)]
    figures += map_figures(subject, logits, finer, coarser)
    tables = [
        Table(title, _COLUMNS, rows)
        for title, rows in (
            ("Forward: steps to finer maps", _rows(finer, _of(fresh, image, upsamplings)) + _logit_rows(finer, logits)),
            ("Backward: steps to coarser maps", _rows(coarser, _of(fresh, image, downsamplings))),
        )
        if rows
    ]
    return Explanation("Patterns of the strides", _READ, figures, _facts(finer, coarser, logits), tables)


def _untrained(net: SegmentationNetwork, image: Tensor) -> SegmentationNetwork | None:
    """The same system with random weights of seed 0, not a run's first ones; none of a network that others built."""
    blueprint = net.blueprint
    if blueprint is None:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = build(replace(blueprint, auxiliary=False))
    return fresh.to(image.device).eval()


def _of(net: SegmentationNetwork | None, image: Tensor, look: Look) -> tuple[Resampling, ...]:
    return () if net is None else look(net, image)


def _rows(trained: Sequence[Resampling], fresh: Sequence[Resampling]) -> list[tuple[str, ...]]:
    before = list(fresh) if len(fresh) == len(trained) else [None] * len(trained)
    return [
        (
            _short(step.name or "the answer"),
            step.how,
            str(step.stride),
            f"{unevenness(step.overlap):.2f}",
            _uneven(first),
            _uneven(step),
            strength_text(None if first is None else first.artefact),
            strength_text(step.artefact),
            _share(step.map, step.stride),
        )
        for step, first in zip(trained, before, strict=True)
    ]


def _logit_rows(finer: Sequence[Resampling], logits: Tensor) -> list[tuple[str, ...]]:
    """The answer itself at each stride that the network went through."""
    return [
        (
            "logits",
            "",
            str(stride),
            "",
            "",
            "",
            "",
            strength_text(artefact_of_large(logits, stride)),
            _share(logits, stride),
        )
        for stride in sorted({step.stride for step in finer})
    ]


def _share(map_: Tensor, stride: int) -> str:
    """The pattern's amplitude over the map's."""
    return f"{pattern_share(map_, stride):.2g}" if min(map_.shape[-2:]) >= PERIODS * stride else "–"


def _short(name: str) -> str:
    return name if len(name) <= _NAME else "…" + name[1 - _NAME :]


def _uneven(step: Resampling | None) -> str:
    return "–" if step is None or step.own is None else f"{unevenness(step.own):.2f}"


def _facts(finer: Sequence[Resampling], coarser: Sequence[Resampling], logits: Tensor) -> list[tuple[str, str]]:
    facts = [
        ("steps to finer maps", str(len(finer))),
        ("of these uneven by form", str(sum(unevenness(step.overlap) > 0 for step in finer))),
        ("steps to coarser maps", str(len(coarser))),
        ("of these uneven by form", str(sum(unevenness(step.overlap) > 0 for step in coarser))),
    ]
    for stride in sorted({step.stride for step in finer}):
        facts.append((f"artefact of the logits at stride {stride}", strength_text(artefact_of_large(logits, stride))))
    return facts
