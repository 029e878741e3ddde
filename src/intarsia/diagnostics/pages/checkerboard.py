"""`--what checkerboard`: patterns of the strides, forward and backward, before and after training."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor, nn

from intarsia.diagnostics.fields.checkerboard import (
    Resampling,
    check_resamplings,
    downsamplings,
    image_gradient,
    unevenness,
    upsamplings,
)
from intarsia.diagnostics.fields.spectrum import PERIODS, artefact_of_large, pattern_share, spectrum
from intarsia.diagnostics.pages.drawing import enlarged, heat, heat_over, marked
from intarsia.diagnostics.pages.explanation import Explanation, Figure, Table
from intarsia.diagnostics.subject import Subject
from intarsia.models import SegmentationNetwork
from intarsia.models.loading import build
from intarsia.shapes import RGBImage

_READ = (
    "Where a kernel's size is no multiple of its stride, some pixels are made of more taps than others: a "
    "checkerboard. Unevenness is 0 where all pixels of a stride are treated alike and at most 1; “ones” is the "
    "kernel's form alone, “own” its weights. The artefact says how far the map itself stands out at the stride's "
    "frequencies: about 1 is nothing, 10 is ten times its neighbours; “of the map” is the pattern's amplitude over the "
    "map's, which below a hundredth nobody sees; “random” is the same system with random weights, not where training "
    "began. Behind a last resizing with aligned corners patterns are missed. "
    "Forward it shows in the answer, backward in what pixels are taught."
)
_PERIODS, _DECADES, _FIGURES = 8, 8, 3
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
    figures = [figure for step in _most_uneven(finer) for figure in _step_figures(step)]
    figures += _map_figures(subject, logits, finer, coarser)
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
            _strength(None if first is None else first.artefact),
            _strength(step.artefact),
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
            _strength(artefact_of_large(logits, stride)),
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


def _strength(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _most_uneven(steps: Sequence[Resampling]) -> list[Resampling]:
    """The learned steps, those of the strongest patterns first."""
    learned = [step for step in steps if step.own is not None]
    return sorted(learned, key=lambda step: -(step.artefact or 0.0))[:_FIGURES]


def _step_figures(step: Resampling) -> list[Figure]:
    assert step.own is not None
    name = step.name.replace(".", "-")
    heading = f"{step.name}: {step.how}, stride {step.stride}"
    found = f"Artefact {_strength(step.artefact)}." if step.artefact is not None else "Too small a map for a number."
    channel = _loudest(step.map, step.stride)
    return [
        Figure(
            f"{name}-ones",
            enlarged(_tiled(step.overlap.double().numpy())),
            "A constant through a kernel of ones",
            f"Unevenness {unevenness(step.overlap):.2f}.",
            heading,
        ),
        Figure(
            f"{name}-own",
            enlarged(_tiled(np.abs(step.own.numpy()).mean(0))),
            "A constant through its own kernel",
            f"Unevenness {unevenness(step.own):.2f}.",
            heading,
        ),
        Figure(f"{name}-map", enlarged(_ranged(channel)), "Its map, the channel with most pattern", found, heading),
        Figure(
            f"{name}-spectrum",
            spectrum_picture(step.map, step.stride),
            "The spectrum of all channels",
            f"Rings are the frequencies of stride {step.stride}; the middle is no change at all.",
            heading,
        ),
    ]


def _map_figures(
    subject: Subject, logits: Tensor, finer: Sequence[Resampling], coarser: Sequence[Resampling]
) -> list[Figure]:
    """The answer, and the gradient at the image."""
    figures = []
    if finer:
        stride = max(step.stride for step in finer)
        figures = [
            Figure(
                "logits-spectrum",
                spectrum_picture(logits, stride),
                "The spectrum of the answer",
                f"Rings are the frequencies of stride {stride}, the largest step of the way up.",
                "The answer",
            )
        ]
    if coarser:
        stride = coarser[0].stride
        taught = image_gradient(subject.network, subject.image)
        strength = taught.cpu().double().square().sum((0, 1)).sqrt().numpy()
        heading = "What the pixels are taught"
        found = _strength(artefact_of_large(taught, stride))
        sentence = f"Artefact {found} at stride {stride}, that of the first strided layer."
        top = float(np.percentile(strength, 99.5))
        figures += [
            Figure("gradient", enlarged(heat_over(subject.picture, strength, top)), "The gradient", sentence, heading),
            Figure("gradient-near", enlarged(_middle(heat(strength, top))), "Its middle, enlarged", "", heading),
            Figure("gradient-spectrum", spectrum_picture(taught, stride), "Its spectrum", "", heading),
        ]
    return figures


def spectrum_picture(maps: Tensor, stride: int) -> RGBImage:
    """The power of each frequency over eight decades, with rings around those of a stride."""
    power = spectrum(maps).numpy()
    shown = np.log10(np.maximum(power / max(power.max(), 1e-300), 10.0**-_DECADES)) + _DECADES
    rows, columns = shown.shape
    at = {
        ((columns // 2 + j * columns // stride) % columns, (rows // 2 + i * rows // stride) % rows)
        for i in range(stride)
        for j in range(stride)
    } - {(columns // 2, rows // 2)}
    return marked(heat(shown, float(_DECADES)), sorted(at))


def _tiled(pattern: Float64[np.ndarray, "s s"]) -> RGBImage:
    return heat(np.tile(pattern, (_PERIODS, _PERIODS)))


def _loudest(maps: Tensor, stride: int) -> Float64[np.ndarray, "H W"]:
    """The channel of the first image with the strongest pattern; the first where the map is too small to tell."""
    strengths = [artefact_of_large(maps[:1, c : c + 1], stride) or 0.0 for c in range(maps.shape[1])]
    return maps[0, int(np.argmax(strengths))].detach().cpu().double().numpy()


def _ranged(values: Float64[np.ndarray, "H W"]) -> RGBImage:
    low, high = np.percentile(values, (1, 99))
    return heat(np.clip(values - low, 0, None), max(high - low, 1e-12))


def _middle(picture: UInt8[np.ndarray, "_ _ 3"], side: int = 48) -> UInt8[np.ndarray, "_ _ 3"]:
    top, left = (max(0, (size - side) // 2) for size in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def _facts(finer: Sequence[Resampling], coarser: Sequence[Resampling], logits: Tensor) -> list[tuple[str, str]]:
    facts = [
        ("steps to finer maps", str(len(finer))),
        ("of these uneven by form", str(sum(unevenness(step.overlap) > 0 for step in finer))),
        ("steps to coarser maps", str(len(coarser))),
        ("of these uneven by form", str(sum(unevenness(step.overlap) > 0 for step in coarser))),
    ]
    for stride in sorted({step.stride for step in finer}):
        facts.append((f"artefact of the logits at stride {stride}", _strength(artefact_of_large(logits, stride))))
    return facts
