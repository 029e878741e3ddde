"""`--what affinity`: what belongs to a pixel, and where neighbours part."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from intarsia.data import overlay
from intarsia.diagnostics.fields.affinity import AffinityField
from intarsia.diagnostics.fields.affinity_likeness import Likeness
from intarsia.diagnostics.fields.affinity_measures import contrast, inside, segment_of
from intarsia.diagnostics.fields.affinity_of_network import Placed, affinities_of
from intarsia.diagnostics.pages.drawing import enlarged, heat_over, marked
from intarsia.diagnostics.pages.explanation import Explanation, Figure, Table
from intarsia.diagnostics.subject import Point, Subject
from intarsia.diagnostics.uncertainty import border_distance
from intarsia.shapes import Mask

POINTS = 4  # by default: with so many a page stays one that is read
BESIDE = 6  # pixels from a border: near enough that an affinity can fail to stop there
_LEAST = 0.005  # of the picture: smaller regions are skipped
_MOST = 0.9  # of a row's shares: a radius that holds so many says how far a propagation reaches

_READ = (
    "Light is what belongs to the ringed pixel; an affinity that knows the objects stops at their borders. Below, "
    "light is where neighbours hold together weakly."
)
_SHARES = (
    " Shares are parts of one: they are shown up to the largest that another pixel has, and negative ones as none."
)
_LIKENESSES = " Likenesses are shown from 0 to 1."


def explain_affinity(subject: Subject) -> Explanation:
    """The affinities of the network's refiner, or of its answer and features, beside those of a dense CRF."""
    mask = subject.mask()
    reference = mask if subject.truth is None else subject.truth
    points = subject.points or points_beside_borders(reference, subject.classes.count)
    fields = affinities_of(subject.network, subject.image, subject.picture, subject.crf)
    names = [_class_name(subject, reference, point) for point in points]
    figures, rows = _seen(subject, mask, points, names), []
    for point, name in zip(points, names, strict=True):
        shown, row = _of_point(subject, fields, point, name)
        figures += shown
        rows += row
    edges, facts = _edges(subject, fields)
    kinds = {placed.field.source.kind for placed in fields}
    read = _READ + (_SHARES if "share" in kinds else "") + (_LIKENESSES if "likeness" in kinds else "")
    meanings = [f" {placed.field.source.name}: {_lowered(placed.field.source.meaning)}" for placed in fields]
    tables = [_table(fields, rows)] if rows else []
    return Explanation("What belongs together", read + "".join(meanings), [*figures, *edges], facts, tables)


def points_beside_borders(mask: Mask, classes: int) -> tuple[Point, ...]:
    """For each of the largest classes a pixel about ``BESIDE`` pixels from its border, as (x, y); largest class first.

    >>> mask = np.zeros((9, 40), np.uint8)
    >>> mask[:, 20:] = 1
    >>> points_beside_borders(mask, 2)
    ((13, 4), (26, 4))
    """
    distance = border_distance(mask)
    areas = np.bincount(mask[mask < classes], minlength=classes)
    points = []
    for label in np.argsort(-areas, kind="stable")[:POINTS]:
        if areas[label] > _LEAST * mask.size:
            away = np.where(mask == label, np.abs(np.minimum(distance, mask.size) - BESIDE), np.inf)
            places = np.argwhere(away == away.min())
            y, x = places[len(places) // 2]
            points.append((int(x), int(y)))
    return tuple(points)


def _seen(subject: Subject, mask: Mask, points: Sequence[Point], names: Sequence[str]) -> list[Figure]:
    figures = [
        Figure("picture", marked(subject.picture, points, names), "The picture and its points"),
        Figure("prediction", enlarged(overlay(subject.picture, mask, subject.classes)), "What the network sees"),
    ]
    if subject.truth is not None:
        shown = overlay(subject.picture, subject.truth, subject.classes)
        figures.append(Figure("truth", enlarged(shown), "The true mask"))
    return figures


def _class_name(subject: Subject, mask: Mask, point: Point) -> str:
    label = int(mask[point[1], point[0]])
    return subject.classes.names[label] if label < subject.classes.count else "ignored"


def _of_point(
    subject: Subject, fields: Sequence[Placed], point: Point, name: str
) -> tuple[list[Figure], list[tuple[str, ...]]]:
    """A heat map a field, and a row of numbers where the true segment is known."""
    (x, y), size, truth = point, subject.picture.shape[:2], subject.truth
    figures, numbers = [], []
    segment = None if truth is None or truth[y, x] == subject.classes.ignore else segment_of(truth, point)
    for placed in fields:
        row, column = placed.grid.position(x, y)
        values = placed.field.of_pixel(column, row)
        top, sentence = _read_off(placed, values, (row, column))
        over = placed.grid.spread(values, *size)
        drawn = marked(heat_over(subject.picture, over, top), [point])
        heading = f"What belongs to {name}, at {x},{y}"
        figures.append(Figure(f"{placed.key}-{x}-{y}", drawn, placed.field.source.name, sentence, heading))
        if segment is not None:
            found = inside(over, segment, point)
            numbers += ["–", "–"] if found is None else map(_per_cent, found)
    if segment is None:
        return figures, []
    return figures, [(f"{name}, {x},{y}", _per_cent(float(segment.mean())), *numbers)]


def _read_off(placed: Placed, values: Float[np.ndarray, "h w"], own: tuple[int, int]) -> tuple[float, str]:
    """What is shown as the lightest, and what the map says in numbers."""
    if placed.field.source.kind == "likeness":
        return 1.0, f"On average {values.mean():.2f}."
    others = values.copy()
    others[own] = 0
    rows, columns = np.indices(values.shape)
    distance = np.hypot(rows - own[0], columns - own[1])
    order = np.argsort(distance, axis=None)
    held = np.cumsum(np.clip(values.ravel()[order], 0, None))
    radius = placed.grid.stride * distance.ravel()[order][np.searchsorted(held, _MOST * held[-1])]
    below = np.clip(-values, 0, None).sum()
    sentence = (
        f"Its own share is {values[own]:.2f}, the largest other {others.max():.3f}; {_per_cent(_MOST)} lie within "
        f"{radius:.0f} pixels."
    )
    return float(others.max()), sentence + (f" Shares below 0 are {below:.2f} together." if below > 0.005 else "")


def _table(fields: Sequence[Placed], rows: Sequence[Sequence[str]]) -> Table:
    columns = ["", "the segment"]
    for placed in fields:
        columns += [placed.field.source.name, "blind"]
    return Table(
        "What stays inside the true segment",
        columns,
        rows,
        "The segment's part of the picture; then of each field the part of a pixel's affinities that lies in its "
        "segment (those below 0 count as none), and what would lie there if affinity knew distances alone: all pixels "
        "equally far away get the same.",
    )


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
    name = f"{source.name}{reach}"
    top = float(np.percentile(edges, 99.5))
    figure = Figure(
        f"edges-{placed.key}{'' if near else f'-{_reach(field)}'}",
        enlarged(heat_over(subject.picture, over, top)),
        name,
        f"{source.weakness} Lightest {top:.2f}, mean {edges.mean():.3f}.",
        "Where neighbours hold together weakly",
    )
    if subject.truth is None:
        return figure, [(f"Edges of {_lowered(name)}, mean", f"{edges.mean():.3f}")]
    found = contrast(over, subject.truth, subject.classes.ignore)
    if found is None:
        return figure, []
    said = f"{found.on_borders:.3f} on true borders, {found.elsewhere:.3f} far from them"
    return figure, [(f"Edges of {_lowered(name)}", said)]


def _reach(field: AffinityField) -> int:
    source = field.source
    return source.reach if isinstance(source, Likeness) else 1


def _lowered(text: str) -> str:
    """For the middle of a sentence; capitals such as CRF stay."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _per_cent(share: float) -> str:
    return f"{100 * share:.0f} %"
