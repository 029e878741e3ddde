"""The gates of a network, drawn."""

from collections.abc import Iterable, Mapping
from html import escape

import numpy as np
from jaxtyping import Float
from torch import nn

from intarsia.diagnostics.grid import grid_of, strides_of
from intarsia.diagnostics.pages.drawing import enlarged, heat_over
from intarsia.diagnostics.pages.explanation import Figure
from intarsia.diagnostics.subject import Subject
from intarsia.diagnostics.watching import Keep, input_of, output_of, watched
from intarsia.layers import AttentionRefinement, FeatureFusion, SqueezeExcitation

BINS = 40
_LEFT, _CELL, _ROW, _FOOT, _LABEL = 230, 10, 20, 30, 34

Gates = Mapping[str, Float[np.ndarray, "_"]]


def gate_chart(found: Gates) -> Figure:
    """A row a block: how many of its channels have which gate, from 0 on the left to 1 on the right."""
    parts = [part for row, (name, values) in enumerate(found.items()) for part in _gate_row(row, name, values)]
    bottom = len(found) * _ROW
    parts += [
        f'<text x="{_LEFT + share * BINS * _CELL:g}" y="{bottom + 18}" text-anchor="middle">{share:g}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    width, height = _LEFT + BINS * _CELL + 12, bottom + _FOOT
    svg = (
        f'<svg viewBox="0 0 {width} {height}" class="fits" width="{width}" height="{height}" role="img" '
        f'aria-label="Gates of each block">{"".join(parts)}</svg>'
    )
    sentence = "A row is a block, from the image on downwards; the darker a cell, the more channels have this gate."
    return Figure("gates", svg, "The gates of each block, from shut (0) to open (1)", sentence, "Gates")


def _gate_row(row: int, name: str, values: Float[np.ndarray, "_"]) -> Iterable[str]:
    y = row * _ROW
    shown = name if len(name) <= _LABEL else "…" + name[1 - _LABEL :]
    yield f'<text x="{_LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(shown)}</text>'
    yield f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + BINS * _CELL}" y1="{y + _ROW - 1}" y2="{y + _ROW - 1}"/>'
    counts, edges = np.histogram(values, BINS, (0, 1))
    for bin_, count in enumerate(counts):
        if count:
            title = f"{escape(name)}: {count} of {len(values)} channels from {edges[bin_]:.3f} to {edges[bin_ + 1]:.3f}"
            yield (
                f'<rect class="cell" x="{_LEFT + bin_ * _CELL}" y="{y + 2}" width="{_CELL - 1}" height="{_ROW - 4}" '
                f'fill-opacity="{0.15 + 0.85 * (count / counts.max()) ** 0.5:.3f}"><title>{title}</title></rect>'
            )


def gated_channels(subject: Subject, found: Gates) -> list[Figure]:
    """The most open and the most shut channel of each block outside of the backbone, before its gate."""
    figures = []
    for name in found:
        if name.startswith("backbone.body") and "attention" not in name:
            continue  # a network may have dozens of its own
        path, keep = _before(subject.network.get_submodule(name), name)
        maps = watched(subject.network, subject.image, [path], keep)[path][0][0].float().cpu().numpy()
        for what, channel in (("open", int(found[name].argmax())), ("shut", int(found[name].argmin()))):
            figures.append(_channel(subject, name, path, maps[channel], what, channel, float(found[name][channel])))
    return figures


def _before(block: nn.Module, name: str) -> tuple[str, Keep]:
    """Where the map is found that the gates multiply."""
    if isinstance(block, AttentionRefinement):
        return f"{name}.features", output_of
    if isinstance(block, FeatureFusion):
        return f"{name}.fuse", output_of
    assert isinstance(block, SqueezeExcitation)
    return name, input_of


def _channel(
    subject: Subject, name: str, path: str, values: Float[np.ndarray, "h w"], what: str, channel: int, gate: float
) -> Figure:
    rows, columns = subject.picture.shape[:2]
    stride = strides_of(subject.network, [path])[path]
    grid = grid_of(subject.network, stride, (rows, columns), (values.shape[0], values.shape[1]))
    drawn = heat_over(subject.picture, grid.spread(values - values.min(), rows, columns))
    caption = f"The most {what} channel, {channel}: gate {gate:.3f}"
    return Figure(f"{name}-{what}-{channel}", enlarged(drawn), caption, "", f"Gates: {name}")
