"""`--what attention`: where positions look, which channels meet, and which are let through."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from intarsia.diagnostics.attention_maps import (
    Between,
    attention_between,
    attention_grid,
    blocks_of,
    channel_attention,
    position_attention,
)
from intarsia.diagnostics.gates import GATED, gates
from intarsia.diagnostics.grid import grid_of, strides_of
from intarsia.diagnostics.pages.drawing import enlarged, heat, heat_over, marked
from intarsia.diagnostics.pages.explanation import Explanation, Figure, Table
from intarsia.diagnostics.pages.gates import gate_chart, gated_channels
from intarsia.diagnostics.pages.points import class_at, seen
from intarsia.diagnostics.subject import Point, Subject
from intarsia.diagnostics.watching import output_of, watched
from intarsia.errors import ArgumentError
from intarsia.layers import ChannelAttention, NonLocal, PositionAttention
from intarsia.shapes import Mask

CLASSES = 6  # with so many at most a page stays one that is read
_LEAST = 0.005  # of the picture: smaller regions are skipped

_READ = {
    "position": "Each heat map shows one pixel's attention: the lighter a place, the more the ringed pixel takes from "
    "it; 1 × is what every place would get if all were equal. γ is how much of what was gathered is added.",
    "channel": "A row of the square matrix is a channel, its light cells are the channels that it gathers; beside it "
    "stand the channels that tell one class best from the rest.",
    "gates": "A gate multiplies a channel: at 1 the channel passes, at 0 it is shut.",
}


def explain_attention(subject: Subject) -> Explanation:
    """Position and non-local attention for the points, channel attention, and gates: whatever the network has.

    Raises:
        ArgumentError: it has nothing of that.
    """
    net = subject.network
    positional = blocks_of(net, (PositionAttention, NonLocal))
    channels, gated = blocks_of(net, ChannelAttention), blocks_of(net, GATED)
    if not (positional or channels or gated):
        raise ArgumentError(
            f"{_described(subject)} has no attention and no gates; danet, bisenet and any model with "
            "the option `attention` have some, such as `--options.attention position`."
        )
    mask = subject.mask()
    points = subject.points or chosen_points(mask, len(subject.classes.names))
    reference = mask if subject.truth is None else subject.truth
    figures, facts = seen(subject, mask, points, reference), []
    tables: list[Table] = []
    for name in positional:
        more, numbers, table = _positions(subject, name, points, reference)
        figures, facts, tables = figures + more, facts + numbers, [*tables, table]
    for name in channels:
        figures += _channels(subject, name, mask)
    if gated:
        found = gates(net, subject.image)
        figures += [gate_chart(found), *gated_channels(subject, found)]
        tables.append(_gate_table({name: list(map(float, values)) for name, values in found.items()}))
    kinds = {"position": positional, "channel": channels, "gates": gated}
    read = " ".join(_READ[kind] for kind, names in kinds.items() if names)
    return Explanation("What the network attends to", read, figures, facts, tables)


def chosen_points(mask: Mask, classes: int) -> tuple[Point, ...]:
    """For each of the largest classes the pixel that lies deepest in it, as (x, y); the largest class comes first.

    >>> mask = np.zeros((7, 9), np.uint8)
    >>> mask[:, 6:] = 1
    >>> chosen_points(mask, 2)
    ((3, 3), (7, 3))
    """
    areas = np.bincount(mask[mask < classes], minlength=classes)
    largest = [int(label) for label in np.argsort(-areas, kind="stable") if areas[label] > _LEAST * mask.size]
    points = []
    for label in largest[:CLASSES]:
        depth = np.asarray(distance_transform_edt(np.pad(mask == label, 1)))[
            1:-1, 1:-1
        ]  # the picture's rim is a border too
        deepest = np.argwhere(depth == depth.max())
        y, x = deepest[len(deepest) // 2]
        points.append((int(x), int(y)))
    return tuple(points)


def _described(subject: Subject) -> str:
    plan, spec = subject.network.blueprint, subject.network.backbone.spec
    return f"`{plan.model}` on backbone `{spec.name}`" if plan else f"The network on backbone `{spec.name}`"


def _positions(
    subject: Subject, block: str, points: Sequence[Point], reference: Mask
) -> tuple[list[Figure], list[tuple[str, str]], Table]:
    """A heat map a point, and who attends to whom."""
    net, image, heading = subject.network, subject.image, f"Position attention: {block}"
    rows = position_attention(net, image, points, block)
    grid = attention_grid(net, image, block)
    between = attention_between(net, image, reference, subject.classes.count, block)
    figures = []
    for (x, y), row in zip(points, rows, strict=True):
        times = grid.spread(row * row.size, *subject.picture.shape[:2])
        name, own = class_at(subject, reference, (x, y)), _own_share(subject, reference, (x, y), times)
        figures.append(
            Figure(
                f"{block}-{x}-{y}",
                marked(heat_over(subject.picture, times), [(x, y)]),
                f"{name}, at {x},{y}",
                f"The lightest place gets {times.max():.1f} × its even share.{own}",
                heading,
            )
        )
    facts = [(f"γ of {block}", _gamma(net.get_submodule(block))), *_preferences(subject, block, between)]
    return figures, facts, _between_table(subject, block, between)


def _own_share(subject: Subject, reference: Mask, point: Point, times: np.ndarray) -> str:
    label = reference[point[1], point[0]]
    own, others = reference == label, (reference != label) & (reference != subject.classes.ignore)
    if label == subject.classes.ignore or not others.any():
        return ""
    return f" Its own class gets {times[own].mean():.2f} ×, the others {times[others].mean():.2f} ×."


def _gamma(module: torch.nn.Module) -> str:
    """How much of what was gathered is added."""
    if isinstance(module, PositionAttention | ChannelAttention):
        return f"{module.gamma.item():.4f}"
    assert isinstance(module, NonLocal)
    scale = module.norm.weight if isinstance(module.norm, torch.nn.BatchNorm2d) else module.restore.weight
    return f"{scale.abs().mean().item():.4f} (mean)"


def _present(between: Between) -> list[int]:
    return [label for label in range(len(between.seen)) if between.seen[label] and between.looking[label]]


def _between_table(subject: Subject, block: str, between: Between) -> Table:
    """The mean attention of each class to each; 1 is even."""
    present = _present(between)
    names = [subject.classes.names[label] for label in present]
    by = "network sees" if subject.truth is None else "true mask shows"
    rows = [(name, *(f"{between.weights[i, j]:.2f}" for j in present)) for name, i in zip(names, present, strict=True)]
    sentence = f"The mean attention of the class on the left to the class above; 1 is even. Classes are what the {by}."
    return Table(f"Who attends to whom: {block}", ("", *names), rows, sentence)


def _preferences(subject: Subject, block: str, between: Between) -> list[tuple[str, str]]:
    """For each class its attention inside and outside of itself."""
    return [
        (
            f"{block}: {subject.classes.names[label]} attends to itself",
            f"{between.inside(label):.2f} ×, to others {between.outside(label):.2f} ×",
        )
        for label in _present(between)
    ]


def _channels(subject: Subject, block: str, mask: Mask) -> list[Figure]:
    """The matrix, and for each class the channel that stands out."""
    net, image, heading = subject.network, subject.image, f"Channel attention: {block}"
    weights = channel_attention(net, image, block)
    figures = [
        Figure(
            f"{block}-matrix",
            enlarged(heat(weights, float(np.percentile(weights, 99.5)))),
            f"{len(weights)} × {len(weights)} channels",
            f"A row gathers from the columns. γ = {_gamma(net.get_submodule(block))}.",
            heading,
        )
    ]
    maps = watched(net, image, [block], output_of)[block][0][0].float().cpu().numpy()
    size = subject.picture.shape[:2]
    grid = grid_of(net, strides_of(net, [block])[block], (size[0], size[1]), (maps.shape[1], maps.shape[2]))
    down, across = grid.places(*size)
    small = mask[down[:, None], across]
    for label in np.unique(small[small < subject.classes.count])[:CLASSES]:
        inside = small == label
        if inside.all():
            continue
        contrast = (maps[:, inside].mean(1) - maps[:, ~inside].mean(1)) / (maps.std((1, 2)) + 1e-12)
        channel = int(np.argmax(contrast))
        values = np.clip(maps[channel] - maps[channel].min(), 0, None)
        figures.append(
            Figure(
                f"{block}-channel-{channel}-{label}",
                enlarged(heat_over(subject.picture, grid.spread(values, *size))),
                f"Channel {channel} stands out for {subject.classes.names[label]}",
                f"{contrast[channel]:.1f} standard deviations brighter inside than outside.",
                heading,
            )
        )
    return figures


def _gate_table(found: dict[str, list[float]]) -> Table:
    rows = [
        (name, str(len(values)), *(f"{value:.3f}" for value in (min(values), float(np.mean(values)), max(values))))
        for name, values in found.items()
    ]
    return Table("Gates", ("block", "channels", "least", "mean", "largest"), rows)
