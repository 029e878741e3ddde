"""Charts as SVG text: a line over epochs and a heat map. Colours and type come from the page's style sheet."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from jaxtyping import Float64
from numpy import ndarray

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 42, 14, 16, 38
_LABEL_CHARACTERS = 18
_CHARACTER = 6.6  # the width of an average character at the 12.5 pixels of a label


@dataclass(frozen=True)
class Point:
    """A value of one epoch and the text that appears when the pointer rests on it."""

    epoch: float
    value: float
    title: str


def ticks(low: float, high: float, about: int, whole: bool = False) -> list[float]:
    """About so many round values that cover [low, high]; the outermost may lie beyond it.

    >>> ticks(0, 1.83, 5)
    [0.0, 0.5, 1.0, 1.5, 2.0]
    >>> ticks(1, 20, 5, whole=True)
    [0.0, 5.0, 10.0, 15.0, 20.0]
    """
    span = high - low if high > low else 1.0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor * about >= span * 0.999)
    if whole:
        step = max(1.0, 2.0 if step == 2.5 else step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, max(last, first + 1) + 1)]


def line_chart(
    points: Sequence[Point],
    label: str,
    top: float | None,
    reference: tuple[str, float] | None,
    unit: str = "epoch",
    quantity: str = "",
) -> str:
    """A line with a dot at each epoch, or at each step of another unit.

    Args:
        points: at least one, in the order of their epochs.
        label: what the chart is called for those who cannot see it.
        top: the upper end of the value axis; by default a round value above the largest.
        reference: a name and a value to draw as a dashed line, or None.
        unit: what stands under the axis.
        quantity: what stands above the value axis, if its caption does not say it.
    """
    values = [point.value for point in points]
    marks = ticks(min(0.0, *values), max(values) if top is None else top, about=5)
    first, last = points[0].epoch, points[-1].epoch

    def x(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((epoch - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (marks[-1] - value) / (marks[-1] - marks[0])

    places = [(x(point.epoch), y(point.value)) for point in points]
    parts = [
        *(_value_tick(y(mark), f"{mark:g}") for mark in marks),
        *(_epoch_tick(x(mark), f"{mark:g}") for mark in ticks(first, last, 6, whole=True) if first <= mark <= last),
        f'<text class="unit" x="{WIDTH - RIGHT}" y="{HEIGHT - 5}" text-anchor="end">{escape(unit)}</text>',
        f'<text class="unit" x="2" y="{TOP - 5}">{escape(quantity)}</text>' if quantity else "",
        _reference(y(reference[1]), *reference, [y(mark) for mark in marks]) if reference else "",
        f'<polyline class="line" points="{" ".join(f"{px:.1f},{py:.1f}" for px, py in places)}"/>',
        _last_value(*places[-1], f"{values[-1]:.3f}"),
        *(_dot(*place, point.title, len(points)) for place, point in zip(places, points, strict=True)),
    ]
    return _svg(WIDTH, HEIGHT, label, parts)


def _value_tick(y: float, text: str) -> str:
    rule = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return rule + f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'


def _epoch_tick(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{text}</text>'


def _reference(y: float, name: str, value: float, grid: Sequence[float]) -> str:
    """A dashed line, named below it unless a line of the grid would strike through the name."""
    struck = any(y + 3 < line < y + 19 for line in grid)
    rule = f'<line class="reference" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    place = f'x="{WIDTH - RIGHT}" y="{y - 7 if struck else y + 15:.1f}" text-anchor="end"'
    return f'{rule}<text class="halo" {place}>{escape(name)} {value:.3f}</text>'


def _last_value(x: float, y: float, text: str) -> str:
    return f'<text class="last halo" x="{x:.1f}" y="{max(y - 9, 12):.1f}" text-anchor="end">{text}</text>'


def _dot(x: float, y: float, title: str, count: int) -> str:
    radius = 3 if count <= 40 else 1.2
    target = f'<circle class="target" cx="{x:.1f}" cy="{y:.1f}" r="9"><title>{escape(title)}</title></circle>'
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>' + target


def bar_groups(
    groups: Mapping[str, Mapping[str, float]], label: str, unit: str, notes: Mapping[str, str] | None = None
) -> str:
    """Groups of bars side by side, of which the first of each has its value on top and the others are paler.

    Args:
        groups: under each group's name the values of the same bars, from 0 on; nan has no bar.
        label: what the chart is called for those who cannot see it.
        unit: of the values, in the texts that appear when the pointer rests on a bar.
        notes: what stands below the names of groups.
    """
    names = list(next(iter(groups.values())))
    values = [value for bars in groups.values() for value in bars.values() if math.isfinite(value)]
    marks = ticks(0.0, max(values, default=1.0) or 1.0, about=5)
    bar = max(16, min(36, 420 // (len(groups) * (len(names) + 1))))  # wide where there are few
    wide = bar * len(names) + 26
    width, foot = LEFT + wide * len(groups) + RIGHT, BOTTOM + 14

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - foot) * (1 - value / marks[-1])

    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>'
        for mark in marks
    ]
    for place, (group, bars) in enumerate(groups.items()):
        left = LEFT + place * wide + 13
        middle = left + bar * len(names) / 2
        parts.append(f'<text x="{middle:g}" y="{y(0) + 18:g}" text-anchor="middle">{escape(group)}</text>')
        if notes:
            below = escape(notes.get(group, ""))
            parts.append(f'<text class="small" x="{middle:g}" y="{y(0) + 34:g}" text-anchor="middle">{below}</text>')
        for index, (name, value) in enumerate(bars.items()):
            if math.isfinite(value):
                title = f"{group}, {name}: {value:.4g} {unit}"
                parts.append(_bar(left + index * bar, y(value), y(0), bar - 3, index, title))
        first = next(iter(bars.values()), math.nan)
        if math.isfinite(first):
            place_of = f'x="{left + (bar - 3) / 2:g}" y="{y(first) - 6:.1f}" text-anchor="middle"'
            parts.append(f'<text class="last halo" {place_of}>{first:.{3 if bar > 24 else 2}g}</text>')
    return _svg(width, HEIGHT, label, parts, natural=True)


def _bar(x: float, top: float, base: float, width: int, index: int, title: str) -> str:
    return (
        f'<rect class="column shade{min(index, 3)}" x="{x:g}" y="{top:.1f}" width="{width}" '
        f'height="{base - top:.1f}"><title>{escape(title)}</title></rect>'
    )


def heat_map(
    shares: Float64[ndarray, "K K"], names: Sequence[str], colours: Sequence[tuple[int, int, int]], label: str
) -> str:
    """Cells that darken with their share in [0, 1], with the share in per cent where a cell has room for it.

    Args:
        shares: a row per true class; nan in the rows of classes that are never true.
        names: of the classes, down the left side and along the top.
        colours: of the classes, as swatches beside the names.
        label: what the map is called for those who cannot see it.
    """
    count = len(names)
    cell = min(54, max(9, 660 // count))
    labels = [name if len(name) <= _LABEL_CHARACTERS else name[: _LABEL_CHARACTERS - 1] + "…" for name in names]
    longest = max(map(len, labels)) * _CHARACTER
    left, top = round(longest) + 26, round(longest * 0.72) + 16
    slanted = round(longest * 0.72)  # how far the last slanted name reaches beyond its column
    parts = []
    for index, (text, colour) in enumerate(zip(labels, colours, strict=True)):
        middle = (index + 0.5) * cell
        parts += [
            f'<text x="{left - 24}" y="{top + middle + 4:g}" text-anchor="end">{escape(text)}</text>',
            f'<rect class="swatch" x="{left - 17}" y="{top + middle - 4:g}" width="9" height="9" '
            f'fill="{rgb(colour)}"/>',
            f'<text transform="translate({left + middle + 3:g} {top - 8}) rotate(-45)">{escape(text)}</text>',
        ]
    for row, true in enumerate(names):
        for column, predicted in enumerate(names):
            place = left + column * cell, top + row * cell
            parts.append(_cell(*place, cell, float(shares[row, column]), f"{true} → {predicted}"))
    return _svg(left + count * cell + slanted, top + count * cell + 2, label, parts, natural=True)


def _cell(x: float, y: float, size: int, share: float, title: str) -> str:
    shade = 0.0 if math.isnan(share) else share**0.7  # lifts the few per cent of a confusion above the blank cells
    said = "never true" if math.isnan(share) else f"{100 * share:.2f} %"
    side = size - 1.5
    rect = (
        f'<rect class="cell" x="{x}" y="{y}" width="{side}" height="{side}" '
        f'fill-opacity="{0.05 + 0.95 * shade:.3f}"><title>{escape(title)}: {said}</title></rect>'
    )
    if size < 20 or math.isnan(share) or share < 0.005:
        return rect
    tone = "on dark" if shade > 0.55 else "on" if share >= 0.05 else "on faint"
    small, drop = (' style="font-size:9.5px"', 3.5) if size < 30 else ("", 4.5)
    return (
        f'{rect}<text class="{tone}"{small} x="{x + side / 2:g}" y="{y + side / 2 + drop:g}">{100 * share:.0f}</text>'
    )


def rgb(colour: Sequence[int]) -> str:
    """A colour as style sheets write it.

    >>> rgb((255, 128, 0))
    '#ff8000'
    """
    return "#" + "".join(f"{int(channel):02x}" for channel in colour)


def _svg(width: int, height: int, label: str, parts: Sequence[str], natural: bool = False) -> str:
    # A map that is a little wider than a phone shrinks to fit; a larger one is scrolled.
    fits = "fits" if width <= 640 else "scrolls"
    size = f' class="{fits}" width="{width}" height="{height}"' if natural else ""
    return f'<svg viewBox="0 0 {width} {height}"{size} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
