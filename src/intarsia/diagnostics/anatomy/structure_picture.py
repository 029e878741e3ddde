"""A network's structure as an SVG: computed from left to right, coarser from top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from intarsia.diagnostics.anatomy.structure import Block

BOX = (150, 40)  # pixels
GAP = (34, 12)
MARGIN = 24
SUMMARY = 1 << 20  # the lane of what was pooled, below all others
SCALE = 58  # room on the left for the strides

STYLE = """
text { font: 11px ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
.name { font-weight: 600; } .does { fill: #57606a; } .lane { fill: #6e7781; }
rect { stroke-width: 1.2; }
.image { fill: #f6f8fa; stroke: #8c959f; } .backbone { fill: #ddf0ff; stroke: #3b8bd0; }
.decoder { fill: #fff1d6; stroke: #c98a1b; } .head { fill: #dcf5dd; stroke: #3a9a4a; }
.auxiliary { fill: #f3f0f7; stroke: #8a77ad; stroke-dasharray: 4 3; }
path { fill: none; stroke: #8c959f; stroke-width: 1.3; } line { stroke: #d8dee4; stroke-dasharray: 2 4; }
"""


@dataclass(frozen=True)
class Place:
    """The upper left corner of a block."""

    x: float
    y: float


def picture(blocks: Sequence[Block], title: str) -> str:
    """The SVG of a structure, with its own style sheet, on white."""
    places, lanes = layout(blocks)
    width = max(place.x for place in places) + BOX[0] + MARGIN
    height = max(place.y for place in places) + BOX[1] + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
        *(_lane(stride, y, width) for stride, y in lanes),
        *(
            _arrow(places[source], place)
            for block, place in zip(blocks, places, strict=True)
            for source in block.sources
        ),
        *(_box(block, place) for block, place in zip(blocks, places, strict=True)),
    ]
    return "\n".join([*parts, "</svg>", ""])


def layout(blocks: Sequence[Block]) -> tuple[list[Place], list[tuple[int, float]]]:
    """A place for each block, and the strides with the height that their lane begins at.

    A block stands right of all that feed it; blocks of one stride at one step stand below each other.
    """
    steps: list[int] = []
    for block in blocks:
        steps.append(1 + max((steps[source] for source in block.sources), default=-1))
    rows = _rows(blocks, steps)
    heights: dict[int, int] = {}
    for block, row in zip(blocks, rows, strict=True):
        heights[_stride(block)] = max(heights.get(_stride(block), 0), row + 1)
    tops: dict[int, float] = {}
    y = float(MARGIN)
    for level in sorted(heights):
        tops[level] = y
        y += heights[level] * (BOX[1] + GAP[1]) + GAP[1]
    places = [
        Place(SCALE + MARGIN + steps[i] * (BOX[0] + GAP[0]), tops[_stride(block)] + rows[i] * (BOX[1] + GAP[1]))
        for i, block in enumerate(blocks)
    ]
    return places, sorted(tops.items())


def _rows(blocks: Sequence[Block], steps: Sequence[int]) -> list[int]:
    """Which row of its lane each block stands in: none on another, and none in the way of a skip along its row."""
    rows = [0] * len(blocks)
    taken: set[tuple[int, int, int]] = set()  # lane, step, row
    late = sorted(range(len(blocks)), key=lambda i: blocks[i].part == "auxiliary")  # the side exits stand below
    for index in late:
        lane, step = _stride(blocks[index]), steps[index]
        while (lane, step, rows[index]) in taken or _struck(index, rows, blocks, steps):
            rows[index] += 1
        taken.add((lane, step, rows[index]))
    return rows


def _struck(index: int, rows: Sequence[int], blocks: Sequence[Block], steps: Sequence[int]) -> bool:
    """Whether a line between two blocks of the same lane would run through this one."""
    lane, step, row = _stride(blocks[index]), steps[index], rows[index]
    return any(
        steps[source] < step < steps[target] and rows[source] == row and _stride(blocks[source]) == lane
        for target, block in enumerate(blocks)
        for source in block.sources
        if _stride(block) == lane and index not in (source, target)
    )


def _stride(block: Block) -> int:
    return SUMMARY if block.stride is None else block.stride


def _lane(stride: int, y: float, width: float) -> str:
    label = f"1:{stride}" if stride < SUMMARY else "pooled"
    rule = f'<line x1="0" x2="{width:g}" y1="{y - GAP[1] / 2:g}" y2="{y - GAP[1] / 2:g}"/>'
    return f'{rule}<text class="lane" x="{MARGIN}" y="{y + 24:g}">{label}</text>'


def _box(block: Block, place: Place) -> str:
    x, y = place.x, place.y
    said = " · ".join(text for text in (block.does, str(block.channels)) if text)
    return (
        f'<rect class="{block.part}" x="{x:g}" y="{y:g}" width="{BOX[0]}" height="{BOX[1]}" rx="5"/>'
        f'<text class="name" x="{x + 8:g}" y="{y + 16:g}">{escape(_short(block.name))}</text>'
        f'<text class="does" x="{x + 8:g}" y="{y + 31:g}">{escape(_short(said))}</text>'
    )


def _short(text: str, characters: int = 23) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _arrow(source: Place, target: Place) -> str:
    x1, y1 = source.x + BOX[0], source.y + BOX[1] / 2
    x2, y2 = target.x, target.y + BOX[1] / 2
    bend = min(60.0, max(16.0, (x2 - x1) / 2))
    return f'<path d="M{x1:g} {y1:g} C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"/>'
