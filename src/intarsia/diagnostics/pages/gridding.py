"""`--what gridding`: the holes of a network's dilated stage, and what hybrid rates make of them."""

import numpy as np
from jaxtyping import Float64

from intarsia.diagnostics.fields.gridding import (
    Stack,
    dilated_stack,
    hybrid_rates,
    path_counts,
    path_map,
    with_hybrid_rates,
)
from intarsia.diagnostics.fields.receptive_field import theoretical_fields
from intarsia.diagnostics.pages.drawing import enlarged, heat, heat_over
from intarsia.diagnostics.pages.explanation import Explanation, Figure
from intarsia.diagnostics.subject import Subject
from intarsia.layers import hdc_maximum_distance
from intarsia.models import SegmentationNetwork
from intarsia.shapes import RGBImage

_READ = (
    "One output of the stage reads the lit positions of the map that enters it, the lighter the more paths lead there; "
    "black ones it does not read at all. Rates with a common factor leave a grid of holes, so that neighbouring "
    "outputs look at different inputs. Rates that differ, as in hybrid dilated convolution, fill it. Layers before the "
    "stage have looked around already, so the network may read every pixel even where this stage does not. Residual "
    "connections around the layers, which add paths, are left out."
)
_CHART = (560, 190)  # pixels


def explain_gridding(subject: Subject) -> Explanation:
    """Path counts of the deepest dilated stage, as it is and with hybrid rates.

    Raises:
        ArgumentError: no stage of the backbone is dilated.
    """
    net = subject.network
    stack = dilated_stack(net)
    other = with_hybrid_rates(net, stack)
    hybrid = dilated_stack(other) if other is not None else _replaced(stack)
    figures = _figures(subject, stack, "as it is")
    facts = [("stage", f"stage {stack.stage}, whose positions lie {stack.stride} pixels apart")]
    facts += _facts(net, stack, "as it is")
    if hybrid.rates != stack.rates:
        figures += _figures(subject, hybrid, "hybrid")
        facts += _facts(other, hybrid, "hybrid")
        if other is not None:
            assert other.blueprint is not None
            option = f"rates_at_{stack.stage}"
            facts.append(("to build it so", f"create_model(…, {option}={other.blueprint.options[option]})"))
    return Explanation("Which positions reach an output", _READ, figures, facts)


def _replaced(stack: Stack) -> Stack:
    """The same layers with hybrid rates, for a network that cannot be built again."""
    return Stack(stack.stage, stack.stride, stack.modules, hybrid_rates(stack.rates), stack.kernels)


def _figures(subject: Subject, stack: Stack, what: str) -> list[Figure]:
    seen, extent = stack.coverage
    heading = f"{what[0].upper()}{what[1:]}: rates {', '.join(map(str, stack.rates))}"
    name = what.replace(" ", "-")
    holes = "no holes" if seen == extent else f"{extent - seen} of {extent} along an axis are holes"
    return [
        Figure(
            f"{name}-paths", _plane(stack), "Paths to one output", f"{extent} × {extent} positions; {holes}.", heading
        ),
        Figure(
            f"{name}-picture",
            over_picture(subject, stack),
            "The same over the picture",
            f"Each cell is {stack.stride} × {stack.stride} pixels, the middle of which enters the stage.",
            heading,
        ),
        Figure(f"{name}-axis", bars(stack), "Paths along one axis", "", heading),
    ]


def _lightness(counts: Float64[np.ndarray, "E E"]) -> Float64[np.ndarray, "E E"]:
    """Holes 0, a single path already well above them."""
    logs = np.log1p(counts)
    return np.where(counts > 0, 0.3 + 0.7 * logs / logs.max(), 0.0)


def _plane(stack: Stack) -> RGBImage:
    return enlarged(heat(_lightness(path_map(stack.rates, stack.kernels).astype(np.float64)), top=1.0))


def over_picture(subject: Subject, stack: Stack) -> RGBImage:
    """The cells around the asked pixel (by default the middle), as far as the picture goes."""
    rows, columns, _ = subject.picture.shape
    x, y = subject.points[0] if subject.points else (columns // 2, rows // 2)
    counts = _lightness(path_map(stack.rates, stack.kernels).astype(np.float64))
    half = len(counts) // 2
    down, across = (
        np.arange(size) // stack.stride - centre // stack.stride + half for size, centre in ((rows, y), (columns, x))
    )
    inside = np.outer((down >= 0) & (down < len(counts)), (across >= 0) & (across < len(counts)))
    values = counts[np.clip(down, 0, len(counts) - 1)[:, None], np.clip(across, 0, len(counts) - 1)]
    lit = heat_over(subject.picture, np.where(inside, values, 0.0), top=1.0)
    return enlarged(np.where(inside[..., None], lit, subject.picture))


def bars(stack: Stack) -> str:
    """The counts of one axis as an SVG: a bar a position, and a gap where there is a hole."""
    counts = path_counts(stack.rates, stack.kernels)
    width, height = _CHART
    step = width / len(counts)
    parts = [f'<line class="grid" x1="0" x2="{width}" y1="{height - 24}" y2="{height - 24}"/>']
    for place, count in enumerate(counts):
        tall = (height - 48) * count / max(counts)
        title = f"<title>{place - len(counts) // 2:+d}: {count:,} paths</title>"
        parts.append(
            f'<rect class="cell" x="{place * step + 0.1 * step:.1f}" y="{height - 24 - tall:.1f}" '
            f'width="{0.8 * step:.1f}" height="{tall:.1f}">{title}</rect>'
        )
    half = len(counts) // 2
    for place, text in ((0, f"−{half}"), (half, "0"), (len(counts) - 1, f"+{half}")):
        parts.append(f'<text x="{(place + 0.5) * step:.1f}" y="{height - 6}" text-anchor="middle">{text}</text>')
    label = f"Paths along one axis for the rates {', '.join(map(str, stack.rates))}"
    return (
        f'<svg viewBox="0 0 {width} {height}" class="fits" width="{width}" height="{height}" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg>'
    )


def _facts(net: SegmentationNetwork | None, stack: Stack, what: str) -> list[tuple[str, str]]:
    seen, extent = stack.coverage
    facts = [
        (f"{what}: positions read along an axis", f"{seen} of {extent}"),
        (f"{what}: M₂, at most {min(stack.kernels)} by the paper's rule", str(hdc_maximum_distance(stack.rates))),
    ]
    if net is not None:
        field = next(field for field in theoretical_fields(net) if field.name == f"stage {stack.stage}")
        facts.append((f"{what}: rows of pixels read by the network up to there", f"{field.seen[0]} of {field.rows}"))
    return facts
