"""What `--what checkerboard` draws: patterns, the maps that have them, and their spectra."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, UInt8
from torch import Tensor

from intarsia.diagnostics.fields.checkerboard import Resampling, image_gradient
from intarsia.diagnostics.fields.spectrum import artefact_of_large, spectrum
from intarsia.diagnostics.fields.unevenness import unevenness
from intarsia.diagnostics.pages.drawing import enlarged, heat, heat_over, marked
from intarsia.diagnostics.pages.explanation import Figure
from intarsia.diagnostics.subject import Subject
from intarsia.shapes import RGBImage

_PERIODS, _DECADES, _FIGURES = 8, 8, 3


def strength_text(value: float | None) -> str:
    """Of a pattern, as pages write it."""
    return "–" if value is None else f"{value:.3g}"


def most_uneven(steps: Sequence[Resampling]) -> list[Resampling]:
    """The learned steps, those of the strongest patterns first."""
    learned = [step for step in steps if step.own is not None]
    return sorted(learned, key=lambda step: -(step.artefact or 0.0))[:_FIGURES]


def step_figures(step: Resampling) -> list[Figure]:
    """Of a learned step: its pattern in a constant, in its map, and the map's spectrum."""
    assert step.own is not None
    name = step.name.replace(".", "-")
    heading = f"{step.name}: {step.how}, stride {step.stride}"
    found = (
        f"Artefact {strength_text(step.artefact)}." if step.artefact is not None else "Too small a map for a number."
    )
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


def map_figures(
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
        found = strength_text(artefact_of_large(taught, stride))
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
