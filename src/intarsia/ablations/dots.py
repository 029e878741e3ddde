"""A chart of every seed as a dot and of their mean as a bar, one row a variant, as an SVG of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite

from intarsia.diagnostics.svg import ticks

WIDTH, LEFT, RIGHT = 720, 230, 64  # the labels' room and the means'
ROW, HEAD, FOOT = 30, 26, 40

STYLE = """
text { font: 13px ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
.ground { fill: #ffffff; } .quiet { fill: #59636e; } .head { font-weight: 600; }
.grid { stroke: #d8dee4; } .dot { fill: #0969da; fill-opacity: 0.55; } .mean { stroke: #cf222e; stroke-width: 2.5; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .ground { fill: #0d1117; } .quiet { fill: #9198a1; }
  .grid { stroke: #30363d; } .dot { fill: #58a6ff; } .mean { stroke: #ff7b72; }
}
"""


@dataclass(frozen=True)
class Row:
    """A variant's label and its score for each seed."""

    label: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return sum(self.values) / len(self.values)


@dataclass(frozen=True)
class Panel:
    """Rows of one score, with a heading."""

    title: str
    rows: tuple[Row, ...]


def dot_chart(panels: Sequence[Panel], label: str, unit: str, decimals: int = 1) -> str:
    """The SVG: light or dark as the reader's system is; all panels share one axis.

    A value that is no finite number has no dot, and no mean bar stands in its row.

    Args:
        panels: at least one, each with at least one row.
        label: what the chart is called for those who cannot see it.
        unit: of the axis.
        decimals: of the means.
    """
    values = [value for panel in panels for row in panel.rows for value in row.values if isfinite(value)] or [0.0]
    marks = ticks(min(values), max(values), about=6)
    height = sum(HEAD + ROW * len(panel.rows) for panel in panels) + FOOT
    parts = [_axis(marks, height, unit)]
    top = 0
    for panel in panels:
        parts.append(f'<text class="head" x="16" y="{top + 19}">{escape(panel.title)}</text>')
        top += HEAD
        for row in panel.rows:
            parts.append(_row(row, marks, top + ROW / 2, decimals))
            top += ROW
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
            f"<title>{escape(label)}</title><style>{STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _place(value: float, marks: Sequence[float]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - marks[0]) / (marks[-1] - marks[0])


def _axis(marks: Sequence[float], height: int, unit: str) -> str:
    bottom = height - FOOT + 4
    lines = [
        f'<line class="grid" x1="{_place(mark, marks):.1f}" x2="{_place(mark, marks):.1f}" y1="{HEAD}" y2="{bottom}"/>'
        f'<text class="quiet" x="{_place(mark, marks):.1f}" y="{bottom + 17}" text-anchor="middle">{mark:g}</text>'
        for mark in marks
    ]
    return "".join([*lines, f'<text class="quiet" x="16" y="{bottom + 17}">{escape(unit)}</text>'])


def _row(row: Row, marks: Sequence[float], middle: float, decimals: int) -> str:
    written = f"{row.mean:.{decimals}f}"
    dots = [
        f'<circle class="dot" cx="{_place(value, marks):.1f}" cy="{middle:g}" r="5.5">'
        f"<title>seed {seed}: {value:.2f}</title></circle>"
        for seed, value in enumerate(row.values)
        if isfinite(value)
    ]
    bars = [
        f'<line class="mean" x1="{mean:.1f}" x2="{mean:.1f}" y1="{middle - 9:g}" y2="{middle + 9:g}"/>'
        for mean in [_place(row.mean, marks)]
        if isfinite(mean)
    ]
    return "".join(
        [
            f'<text x="{LEFT - 14}" y="{middle + 4.5:g}" text-anchor="end">{escape(row.label)}</text>',
            *dots,
            *bars,
            f'<text class="quiet" x="{WIDTH - 12}" y="{middle + 4.5:g}" text-anchor="end">{written}</text>',
        ]
    )
