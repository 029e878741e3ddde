"""What `--what affinity` says in numbers: how far shares reach, what stays inside segments, how edges lie."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from intarsia.diagnostics.fields.affinity_measures import FAR, Contrast, Inside, inside, segment_of
from intarsia.diagnostics.fields.affinity_of_network import Placed
from intarsia.diagnostics.pages.explanation import Table
from intarsia.diagnostics.subject import Point
from intarsia.diagnostics.uncertainty import border_distance
from intarsia.shapes import Mask

SAMPLES = 16  # pixels beside borders: each costs every field a row
_MOST = 0.9  # of a row's shares: a radius that holds so many says how far a propagation reaches
_VISIBLE = 0.005  # of shares below zero


class Read(NamedTuple):
    """Of one pixel's affinities: what is drawn as the lightest, a sentence, and of shares how far they reach."""

    top: float
    sentence: str
    radius: float | None


def read_off(placed: Placed, values: Float[np.ndarray, "h w"], own: tuple[int, int]) -> Read:
    """Of the affinities of the position in column and row ``own``; the radius is in pixels of the picture."""
    if placed.field.source.kind == "likeness":
        return Read(1.0, f"On average {values.mean():.2f}.", None)
    x, y = own
    others = values.copy()
    others[y, x] = 0
    rows, columns = np.indices(values.shape)
    distance = np.hypot(rows - y, columns - x).ravel()
    order = np.argsort(distance, kind="stable")
    held = np.cumsum(np.clip(values.ravel()[order], 0, None))
    radius = placed.grid.stride * float(distance[order][np.searchsorted(held, _MOST * held[-1])])
    below = np.clip(-values, 0, None).sum()
    sentence = (
        f"Its own share is {values[y, x]:.2f}, the largest other {others.max():.3f}; {per_cent(_MOST)} lie within "
        f"{radius:.0f} pixels."
    )
    negative = f" Shares below 0 are {below:.2f} together." if below > _VISIBLE else ""
    return Read(float(others.max()), sentence + negative, radius)


def inside_table(truth: Mask | None, ignore: int, fields: Sequence[Placed], points: Mapping[Point, str]) -> list[Table]:
    """For each point, and on average beside borders, what stays inside the true segment; empty without a true mask."""
    if truth is None:
        return []
    rows = [
        (f"{name}, {x},{y}", *_row(truth, fields, [(x, y)])) for (x, y), name in points.items() if truth[y, x] != ignore
    ]
    sampled = sampled_beside_borders(truth, ignore)
    if sampled:
        rows.append((f"mean of {len(sampled)} pixels beside borders", *_row(truth, fields, sampled)))
    if not rows:
        return []
    columns = ["", "the segment"]
    for placed in fields:
        columns += [placed.field.source.name, "blind"]
    sentence = (
        "The segment's part of the picture; then of each field the part of a pixel's affinities with others that lies "
        "in its segment (those below 0 count as none), and what would lie there if affinity knew distances alone: all "
        "pixels equally far away get the same."
    )
    return [Table("What stays inside the true segment", columns, rows, sentence)]


def sampled_beside_borders(truth: Mask, ignore: int) -> list[Point]:
    """Up to ``SAMPLES`` pixels within ``FAR`` pixels of the true borders, evenly from all in reading order.

    >>> mask = np.array([[0] * 10 + [1] * 10], np.uint8)
    >>> sampled_beside_borders(mask, 255)[:3]
    [(5, 0), (6, 0), (7, 0)]
    """
    places = np.argwhere((border_distance(truth) <= FAR) & (truth != ignore))
    chosen = places[np.linspace(0, len(places), min(len(places), SAMPLES), endpoint=False).astype(int)]
    return [(int(x), int(y)) for y, x in chosen]


def _row(truth: Mask, fields: Sequence[Placed], points: Sequence[Point]) -> list[str]:
    """Means over some points."""
    segments = {point: segment_of(truth, point) for point in points}
    texts = [per_cent(float(np.mean([segment.mean() for segment in segments.values()])))]
    for placed in fields:
        found: list[Inside] = []
        for point, segment in segments.items():
            x, y = placed.position(*point)
            values = placed.field.of_pixel(x, y).copy()
            values[y, x] = 0
            part = inside(placed.grid.spread(values, *truth.shape), segment, point)
            if part is not None:
                found.append(part)
        texts += [per_cent(float(mean)) for mean in np.mean(found, axis=0)] if found else ["–", "–"]
    return texts


def said_of(found: Contrast) -> str:
    """In words.

    >>> said_of(Contrast(0.5, 0.25))
    '0.500 on true borders, 0.250 far from them'
    """
    return f"{found.on_borders:.3f} on true borders, {found.elsewhere:.3f} far from them"


def lowered(text: str) -> str:
    """For the middle of a sentence; capitals such as CRF stay.

    >>> lowered("The share"), lowered("CRF kernel")
    ('the share', 'CRF kernel')
    """
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def per_cent(share: float) -> str:
    """Whole.

    >>> per_cent(0.256)
    '26 %'
    """
    return f"{100 * share:.0f} %"
