"""`--what receptive-field`: how far each stage could look, and how far it does."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, ImageDraw

from intarsia.diagnostics.fields.dependence import LOGITS, Dependence, dependence
from intarsia.diagnostics.fields.receptive_field import (
    TWO_SIGMA,
    Gaussian,
    TheoreticalField,
    effective_field,
    fit_gaussian,
    local_reach,
    theoretical_fields,
)
from intarsia.diagnostics.grid import grid_of
from intarsia.diagnostics.pages.drawing import heat_over
from intarsia.diagnostics.pages.explanation import Explanation, Figure, Table
from intarsia.diagnostics.subject import Point, Subject
from intarsia.models import SegmentationNetwork
from intarsia.shapes import RGBImage, Window

SIDE = 560  # pixels of a figure
_LINE, _HALO, _RING = (255, 255, 255), (20, 20, 20), (126, 214, 223)

_READ = (
    "The white box is what one position of a map could depend on, by kernels, strides and rates alone; light pixels "
    "are what it does depend on with the weights as they are, and the blue ellipse is a Gaussian's two standard "
    "deviations. The box grows with every layer, the ellipse in a random network only with the square root of their "
    "number, so that a network uses the middle of its field first."
)


@dataclass(frozen=True, eq=False)
class Seen:
    """A map, its position next to the asked pixel, and both of its fields in the picture."""

    theory: TheoreticalField
    box: tuple[int, int, int, int]  # first row, first column, last row, last column
    field: Float64[np.ndarray, "H W"]
    gaussian: Gaussian | None  # none for a position that nothing moves


def explain_receptive_field(subject: Subject) -> Explanation:
    """Theoretical and effective fields of the backbone's stages and of the logits around the asked pixels.

    Raises:
        ArgumentError: the backbone has no such stage as the subject asks for.
    """
    net = subject.network
    rows, columns = subject.image.shape[-2:]
    chosen = subject.stages()
    theory = theoretical_fields(net)
    if subject.stage is not None:
        wanted = net.backbone.spec.nominal_strides[chosen[0]]
        theory = tuple(field for field in theory if field.name == f"stage {wanted}")
    paths = dependence(net, rows, columns)
    figures, tables = [], []
    for x, y in subject.points or ((columns // 2, rows // 2),):
        seen = [_look(subject, paths, field, (x, y)) for field in theory]
        place = f"Around the pixel {x},{y}"
        figures += [_figure(subject.picture, s, f"-{x}-{y}", place) for s in seen]
        tables.append(Table(place, _COLUMNS, [_row(s) for s in seen]))
    return Explanation("How far it looks", _READ, figures, _facts(theory), tables)


def _look(subject: Subject, paths: Dependence, theory: TheoreticalField, point: Point) -> Seen:
    at = position(subject.network, paths, theory, point)
    rows, columns = local_reach(paths, theory.name, *at)
    field = effective_field(subject.network, subject.image, theory.name, at)
    box = int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])
    return Seen(theory, box, field, fit_gaussian(field) if field.any() else None)


def position(net: SegmentationNetwork, paths: Dependence, field: TheoreticalField, point: Point) -> tuple[int, int]:
    """Row and column of the position of a map that is nearest to a pixel (x, y)."""
    if field.name == LOGITS:
        return point[1], point[0]
    image, map_ = paths.positions[0], paths.positions[paths.maps[field.name]]
    grid = grid_of(net, field.stride, (image.rows, image.columns), (map_.rows, map_.columns))
    return grid.position(*point)


def _figure(picture: RGBImage, seen: Seen, suffix: str, heading: str) -> Figure:
    theory, gaussian = seen.theory, seen.gaussian
    name = theory.name.replace(" ", "-") + suffix
    caption = f"{theory.name[0].upper()}{theory.name[1:]}: {theory.rows} × {theory.columns} pixels could matter"
    window = _window(seen.box, picture.shape[:2])
    if gaussian is None:
        sentence = "With these weights no pixel moves it: a layer behind starts at zero, or a ReLU lets nothing pass."
    else:
        share = gaussian.area / (theory.rows * theory.columns)
        sentence = (
            f"{gaussian.inside:.0%} of what does lies in the ellipse (of a Gaussian {TWO_SIGMA:.0%}), which is "
            f"{share:.1%} of the box."
        )
    if max(theory.rows / picture.shape[0], theory.columns / picture.shape[1]) > 1:
        sentence += " The box is larger than the picture."
    if theory.whole:
        sentence += f" The whole image comes in besides, by {_named(theory.whole)}."
    # The root of the mean square: the squares themselves fall off too fast to be seen.
    strength = np.sqrt(seen.field)
    top = float(np.percentile(strength[window], 99.5)) or None
    drawn = heat_over(picture, strength, top)[window]
    return Figure(name, _drawn(drawn, seen, window), caption, sentence, heading)


def _window(box: tuple[int, int, int, int], size: tuple[int, ...]) -> Window:
    """The box with some room around it, within the picture."""
    first, last = box[:2], box[2:]
    room = [max(4, (b - a) // 8) for a, b in zip(first, last, strict=True)]
    down, across = (
        slice(max(0, a - more), min(extent, b + 1 + more))
        for a, b, more, extent in zip(first, last, room, size, strict=True)
    )
    return down, across


def _drawn(pixels: UInt8[np.ndarray, "_ _ 3"], seen: Seen, window: Window) -> UInt8[np.ndarray, "_ _ 3"]:
    rows, columns, _ = pixels.shape
    scale = SIDE / max(rows, columns)
    method = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.BICUBIC
    large = Image.fromarray(pixels).resize((round(columns * scale), round(rows * scale)), method)
    draw = ImageDraw.Draw(large)

    def place(row: float, column: float) -> tuple[float, float]:
        return (column - window[1].start) * scale, (row - window[0].start) * scale

    top, left, bottom, right = seen.box
    corners = (*place(top, left), *place(bottom + 1, right + 1))
    draw.rectangle(corners, outline=_HALO, width=4)
    draw.rectangle(corners, outline=_LINE, width=2)
    if seen.gaussian is not None:
        ring = [place(row + 0.5, column + 0.5) for row, column in ellipse(seen.gaussian)]
        draw.line(ring, fill=_HALO, width=5)
        draw.line(ring, fill=_RING, width=3)
    return np.asarray(large)


def ellipse(gaussian: Gaussian, sigmas: float = 2.0, corners: int = 96) -> Float64[np.ndarray, "N 2"]:
    """Rows and columns of the closed curve at so many standard deviations.

    >>> curve = ellipse(Gaussian((5.0, 9.0), ((4.0, 0.0), (0.0, 1.0)), 0.9))
    >>> curve.max(0).round(2).tolist()
    [9.0, 11.0]
    """
    angles = np.linspace(0, 2 * np.pi, corners + 1)
    values, vectors = np.linalg.eigh(np.array(gaussian.covariance))
    circle = np.stack([np.cos(angles), np.sin(angles)])
    return np.array(gaussian.centre) + sigmas * (vectors * np.sqrt(np.maximum(values, 0)) @ circle).T


_COLUMNS = ("map", "stride", "could see", "of these read", "σ", "2σ ellipse", "of the box", "inside it")


def _row(seen: Seen) -> tuple[str, ...]:
    theory, gaussian = seen.theory, seen.gaussian
    could = theory.name, str(theory.stride), f"{theory.rows} × {theory.columns}", f"{theory.seen[0]} × {theory.seen[1]}"
    if gaussian is None:
        return *could, "–", "–", "–", "–"
    down, across = gaussian.sigma
    share = gaussian.area / (theory.rows * theory.columns)
    return *could, f"{down:.1f}, {across:.1f}", f"{gaussian.area:,.0f} px²", f"{share:.1%}", f"{gaussian.inside:.1%}"


def _facts(theory: tuple[TheoreticalField, ...]) -> list[tuple[str, str]]:
    facts = [(f"field of {field.name}", f"{field.rows} × {field.columns} px") for field in theory]
    whole = [field for field in theory if field.whole]
    if whole:
        facts.append(("the whole image besides, from", f"{whole[0].name} on, by {_named(whole[0].whole)}"))
    return facts


def _named(modules: tuple[str, ...]) -> str:
    """The first few of them."""
    shown = ", ".join(modules[:3])
    return shown + (f" and {len(modules) - 3} more" if len(modules) > 3 else "")
