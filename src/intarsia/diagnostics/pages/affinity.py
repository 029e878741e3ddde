"""`--what affinity`: what belongs to a pixel, and where neighbours part."""

from collections.abc import Sequence

import numpy as np

from intarsia.data import overlay
from intarsia.diagnostics.fields.affinity import AffinityField
from intarsia.diagnostics.fields.affinity_likeness import Likeness
from intarsia.diagnostics.fields.affinity_measures import contrast
from intarsia.diagnostics.fields.affinity_of_network import Placed, affinities_of
from intarsia.diagnostics.pages.affinity_numbers import inside_table, lowered, read_off, said_of
from intarsia.diagnostics.pages.drawing import enlarged, heat_over, marked
from intarsia.diagnostics.pages.explanation import Explanation, Figure
from intarsia.diagnostics.pages.points import class_at, seen
from intarsia.diagnostics.subject import Point, Subject
from intarsia.diagnostics.uncertainty import border_distance
from intarsia.shapes import Mask

POINTS = 4  # by default: with so many a page stays one that is read
BESIDE = 3  # pixels from a border: within the reach of every propagation, which can fail to stop there
_LEAST = 0.005  # of the picture: smaller regions are skipped
_RIM = 8  # of its side: no point is chosen so near to the picture's rim
_LEAST_HALF, _ROOM = 16, 3.0  # pixels around a point, and radii of its shares

_READ = (
    "Light is what belongs to the ringed pixel; an affinity that knows the objects stops at their borders. Below, "
    "light is where neighbours hold together weakly."
)
_SHARES = (
    " Shares are parts of one: they are shown up to the largest that another pixel has, and negative ones as none; in "
    "their edges dark is where the propagation moves values."
)
_LIKENESSES = " Likenesses are shown from 0 to 1."


def explain_affinity(subject: Subject) -> Explanation:
    """The affinities of the network's refiner, or of its answer and features, beside those of a dense CRF."""
    mask = subject.mask()
    reference = mask if subject.truth is None else subject.truth
    points = subject.points or points_beside_borders(reference, subject.classes.count)
    fields = affinities_of(subject.network, subject.image, subject.picture, subject.crf)
    names = [class_at(subject, reference, point) for point in points]
    figures = seen(subject, mask, points, reference)
    for point, name in zip(points, names, strict=True):
        figures += _of_point(subject, reference, fields, point, f"What belongs to {name}, at {point[0]},{point[1]}")
    edges, facts = _edges(subject, fields)
    kinds = {placed.field.source.kind for placed in fields}
    read = _READ + (_SHARES if "share" in kinds else "") + (_LIKENESSES if "likeness" in kinds else "")
    meanings = [f" {placed.field.source.name}: {lowered(placed.field.source.meaning)}" for placed in fields]
    tables = inside_table(subject.truth, subject.classes.ignore, fields, dict(zip(points, names, strict=True)))
    return Explanation("What belongs together", read + "".join(meanings), [*figures, *edges], facts, tables)


def points_beside_borders(mask: Mask, classes: int) -> tuple[Point, ...]:
    """For each of the largest classes a pixel about ``BESIDE`` pixels from its border, as (x, y); largest class first.

    Of all such pixels the first class has the middle one, and each other class the one farthest from those before;
    pixels at the picture's rim are taken where there are no others.

    >>> mask = np.zeros((9, 40), np.uint8)
    >>> mask[:, 20:] = 1
    >>> points_beside_borders(mask, 2)
    ((16, 4), (23, 1))
    """
    distance, rim = np.minimum(border_distance(mask), mask.size), min(mask.shape) // _RIM
    inner = np.pad(np.zeros([extent - 2 * rim for extent in mask.shape]), rim, constant_values=mask.size)
    areas = np.bincount(mask[mask < classes], minlength=classes)
    chosen: list[Point] = []
    for label in np.argsort(-areas, kind="stable")[:POINTS]:
        if areas[label] > _LEAST * mask.size:
            away = np.where(mask == label, np.abs(distance - BESIDE) + inner, np.inf)
            places = np.argwhere(away == away.min())[:, ::-1]
            apart = [np.hypot(*(places - point).T) for point in chosen]
            x, y = places[np.min(apart, axis=0).argmax() if apart else len(places) // 2]
            chosen.append((int(x), int(y)))
    return tuple(chosen)


def _of_point(subject: Subject, reference: Mask, fields: Sequence[Placed], point: Point, heading: str) -> list[Figure]:
    """A heat map a field; of propagations, which reach some pixels only, the surroundings, beside those of the mask."""
    (x, y), size = point, subject.picture.shape[:2]
    maps = [placed.field.of_pixel(*placed.position(x, y)) for placed in fields]
    reads = [read_off(placed, values, placed.position(x, y)) for placed, values in zip(fields, maps, strict=True)]
    radius = max((read.radius for read in reads if read.radius is not None), default=None)
    half = max(size) if radius is None else max(_LEAST_HALF, round(_ROOM * radius))
    window = slice(max(0, y - half), y + half + 1), slice(max(0, x - half), x + half + 1)
    inside = [(x - window[1].start, y - window[0].start)]
    figures = []
    if radius is not None:
        around = marked(overlay(subject.picture, reference, subject.classes)[window], inside)
        caption = "Around it, what the network sees" if subject.truth is None else "Around it, the true mask"
        figures.append(Figure(f"around-{x}-{y}", around, caption, heading=heading))
    for placed, values, read in zip(fields, maps, reads, strict=True):
        over = heat_over(subject.picture, placed.grid.spread(values, *size), read.top)[window]
        name = f"{placed.key}-{x}-{y}"
        figures.append(Figure(name, marked(over, inside), placed.field.source.name, read.sentence, heading))
    return figures


def _edges(subject: Subject, fields: Sequence[Placed]) -> tuple[list[Figure], list[tuple[str, str]]]:
    """Each field of edges over the picture, and how much lighter it is on true borders."""
    figures, facts = [], []
    for placed in fields:
        for field in (placed.field, *placed.farther):
            figure, found = _edge(subject, placed, field)
            figures.append(figure)
            facts += found
    return figures, facts


def _edge(subject: Subject, placed: Placed, field: AffinityField) -> tuple[Figure, list[tuple[str, str]]]:
    source, near = field.source, field is placed.field
    edges = field.edges()
    over = placed.grid.spread(edges, *subject.picture.shape[:2])
    reach = "" if near and not placed.farther else f", {2 * _reach(field) + 1}×{2 * _reach(field) + 1}"
    top = float(np.percentile(edges, 99.5))
    found = None if subject.truth is None else contrast(over, subject.truth, subject.classes.ignore)
    numbers = f"{edges.mean():.3f} on average" if found is None else said_of(found)
    figure = Figure(
        f"edges-{placed.key}{'' if near else f'-{_reach(field)}'}",
        enlarged(heat_over(subject.picture, over, top)),
        f"{source.name}{reach}",
        f"{source.weakness} Lightest {top:.2f}; {numbers}.",
        "Where neighbours hold together weakly",
    )
    return figure, [(f"Edges of {lowered(source.name)}{reach}", numbers)]


def _reach(field: AffinityField) -> int:
    source = field.source
    return source.reach if isinstance(source, Likeness) else 1
