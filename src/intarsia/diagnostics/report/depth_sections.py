"""The sections of a report on depths as HTML text. Whatever comes from outside is escaped here."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from intarsia.data.depth.pictures import colours_of, metres, ticks
from intarsia.diagnostics.report.depth_pictures import DepthExample, depth_panels
from intarsia.diagnostics.report.sections import section, side_by_side
from intarsia.diagnostics.svg import Point, bar_groups, line_chart, rgb
from intarsia.metrics.depth import DepthScores

_FEW = 0.005  # of the pixels: too few for bars of their own
_STEPS = 16  # colours in a bar's gradient


def headline(scores: Mapping[str, DepthScores]) -> str:
    """The network's RMSE large, the best of the others beside it, the rule under it, and smaller numbers."""
    network, best = next(iter(scores.values())), best_fill(scores)
    beside = verdict = ""
    if best is not None:
        name, gain = best, scores[best].rmse - network.rmse
        sign = "−" if gain >= 0 else "+"
        beside = (
            f'<p class="beside"><b>{_digits(scores[name].rmse)} m</b> {escape(name)} fill, the best without learning'
            "<br>"
            f"<b>{sign}{_digits(abs(gain))} m</b> difference</p>"
        )
        if gain < 0:
            verdict = f'<p class="note"><b>The network does not beat the {escape(name)} fill here.</b></p>'
    figures = [
        ("MAE", _metres(network.mae)),
        ("REL", _digits(network.rel)),
        ("iRMSE", f"{_digits(network.irmse, 1)} /km"),
    ]
    figures += [(f"δ < {threshold}", _digits(network.delta[threshold])) for threshold in ("1.02", "1.25")]
    smaller = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    return (
        f'<section class="headline"><div class="lead"><p class="number">{_digits(network.rmse)}</p>'
        f'<p class="beside main">m RMSE</p>{beside}</div>{verdict}'
        f'<p class="note">{escape(network.protocol)}</p><dl class="figures">{smaller}</dl></section>'
    )


def best_fill(scores: Mapping[str, DepthScores]) -> str | None:
    """The name of the best of those behind the network; None if none has a score."""
    others = {name: own.rmse for name, own in list(scores.items())[1:] if math.isfinite(own.rmse)}
    return min(others, key=others.__getitem__, default=None)


def learning_curve(history: Sequence[Mapping[str, float]], best: tuple[str, float] | None) -> str:
    """Loss and RMSE by epoch, in two panels; `best` is drawn beside the RMSE."""
    figures = []
    for key, caption, dashed in (("loss", "Loss", None), ("rmse", "RMSE, metres", best)):
        points = [
            Point(epoch["epoch"], epoch[key], " · ".join(f"{name} {value:.4g}" for name, value in epoch.items()))
            for epoch in history
            if math.isfinite(epoch.get(key, math.nan))
        ]
        if points:
            top = None if dashed is None else max(dashed[1], *(point.value for point in points))
            chart = line_chart(points, f"{caption} by epoch", top, dashed)
            figures.append(f"<figure><figcaption>{caption}</figcaption>{chart}</figure>")
    return section("Learning curve", f'<div class="charts">{"".join(figures)}</div>') if figures else ""


def methods(scores: Mapping[str, DepthScores]) -> str:
    """A row for the network and for each fill, with all scores."""
    thresholds = list(next(iter(scores.values())).delta)
    names = ("RMSE", "MAE", "REL", "iRMSE", "iMAE", *(f"δ {threshold}" for threshold in thresholds))
    head = "".join(f'<th class="n">{name}</th>' for name in names)
    rows = "".join(_method_row(name, own) for name, own in scores.items())
    note = "RMSE and MAE in metres, iRMSE and iMAE in 1/km; the fills learn nothing and see the same measurements."
    table = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return section("Beside what needs no learning", f'<div class="scroll">{table}</div><p class="note">{note}</p>')


def _method_row(name: str, scores: DepthScores) -> str:
    shown = [_digits(value) for value in (scores.rmse, scores.mae, scores.rel)]
    shown += [_digits(value, 1) for value in (scores.irmse, scores.imae)]
    shown += [_digits(value) for value in scores.delta.values()]
    cells = "".join(f'<td class="n">{value}</td>' for value in shown)
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'


def by_distance(scores: Mapping[str, DepthScores]) -> str:
    """RMSE against distance: a group of bars for each part of the distances that holds more than a few pixels.

    Errors of a few pixels would set the axis; their parts are named below.
    """
    parts = {name: own.by_distance for name, own in scores.items()}
    network = next(iter(parts.values()))
    if not network:
        return ""
    pixels = sum(own.pixels for own in network.values())
    few = [part for part, own in network.items() if own.pixels < _FEW * pixels]
    groups = {
        _dashed(part): {name: own[part].rmse if part in own else math.nan for name, own in parts.items()}
        for part in network
        if part not in few
    }
    notes = {_dashed(part): f"{100 * own.pixels / pixels:.0f} % of pixels" for part, own in network.items()}
    keys = "".join(
        f'<li><i class="key shade{min(index, 3)}"></i>{escape(name)}</li>' for index, name in enumerate(parts)
    )
    chart = bar_groups(groups, "RMSE by distance", "m", notes)
    left_out = f"{' and '.join(map(_dashed, few))}: less than {100 * _FEW:g} % of pixels, without bars." if few else ""
    note = f'<p class="note">{left_out}</p>' if few else ""
    return section(
        "RMSE by true distance, metres",
        f'<ul class="legend">{keys}</ul><div class="scroll">{chart}</div>{note}',
    )


def examples(worst_first: Sequence[DepthExample], limit: float) -> str:
    """Image, measurements, truth, prediction and errors of each example, in the order given."""
    if not worst_first:
        return ""
    note = (
        '<p class="note">Depths of one image share their colours, near ones warm and bright. Errors are prediction '
        "minus truth, in the same colours for all images: red is too near, blue too far, white is right; farther off "
        "than the bar's end looks like its end. Black is unknown.</p>"
    )
    return section("Examples, the worst first", note + "".join(_example(example, limit) for example in worst_first))


def _example(example: DepthExample, limit: float) -> str:
    name, shown = escape(example.name), side_by_side(example.name, depth_panels(example, limit))
    caption = f"<figcaption><span>{name}</span><span>RMSE <b>{_metres(example.rmse)}</b></span></figcaption>"
    near, far = example.shrunk().range()
    scales = _scale("depth", near, far, "depth") + _scale("error", -limit, limit, "prediction − truth")
    kind = "broad" if example.is_broad else "five"
    return (
        f'<figure class="example">{caption}<div class="panels {kind}">{shown}</div>'
        f'<div class="scales">{scales}</div></figure>'
    )


def _scale(kind: str, low: float, high: float, label: str) -> str:
    """A bar of colours with metres below it."""
    colours = colours_of(kind)
    stops = ", ".join(rgb(colours[round(255 * i / (_STEPS - 1))].tolist()) for i in range(_STEPS))
    marks = "".join(
        f'<span style="left:{100 * (value - low) / (high - low):.1f}%">{metres(value, kind).replace("-", "−")}</span>'
        for value in ticks(low, high, 5)
    )
    bar = f'<i style="background:linear-gradient(to right, {stops})"></i>'
    return (
        f'<div class="scale" role="img" aria-label="{label}: {low:.3g} to {high:.3g} m">{bar}<div>{marks}</div></div>'
    )


def _dashed(part: str) -> str:
    return part.replace("-", "–")


def _metres(value: float) -> str:
    return f"{_digits(value)} m"


def _digits(value: float, decimals: int = 3) -> str:
    return "–" if math.isnan(value) else f"{value:.{decimals}f}"
