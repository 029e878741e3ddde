"""The sections of a report as HTML text. Whatever comes from outside is escaped here."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from intarsia.data import Classes
from intarsia.diagnostics.report.pictures import Example, panels
from intarsia.diagnostics.svg import Point, heat_map, line_chart, rgb
from intarsia.metrics import Scores

_SECONDARY = ("pixel_accuracy", "mean_accuracy", "mean_dice", "frequency_weighted_iou")
_LABELS = {
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "mean_dice": "mean Dice",
    "frequency_weighted_iou": "frequency-weighted IoU",
}


def headline(scores: Scores, baseline: Scores | None, baseline_name: str) -> str:
    """The mean IoU large, the baseline beside it, the rule under it, and four smaller numbers."""
    beside = ""
    if baseline is not None:
        gain = scores.mean_iou - baseline.mean_iou
        sign = "" if math.isnan(gain) else "+" if gain >= 0 else "−"
        beside = (
            f'<p class="beside"><b>{_digits(baseline.mean_iou)}</b> {escape(baseline_name)}<br>'
            f"<b>{sign}{_digits(abs(gain))}</b> difference</p>"
        )
    smaller = "".join(_figure(name, scores, baseline) for name in _SECONDARY)
    return (
        f'<section class="headline"><div class="lead"><p class="number">{_digits(scores.mean_iou)}</p>'
        f'<p class="beside main">mean IoU</p>{beside}</div>'
        f'<p class="note">{escape(scores.rule)}</p><dl class="figures">{smaller}</dl></section>'
    )


def _figure(name: str, scores: Scores, baseline: Scores | None) -> str:
    below = f'<dd class="note">baseline {_digits(getattr(baseline, name))}</dd>' if baseline is not None else ""
    return f"<div><dt>{_LABELS[name]}</dt><dd>{_digits(getattr(scores, name))}</dd>{below}</div>"


def learning_curve(history: Sequence[Mapping[str, float]], baseline: Scores | None, baseline_name: str) -> str:
    """Loss and mean IoU by epoch, in two panels."""
    reference = (baseline_name, baseline.mean_iou) if baseline and not math.isnan(baseline.mean_iou) else None
    charts = [("loss", "Loss", None, None), ("mean_iou", "Mean IoU", 1.0, reference)]
    figures = []
    for key, caption, top, dashed in charts:
        points = [
            Point(epoch["epoch"], epoch[key], _epoch_title(epoch))
            for epoch in history
            if math.isfinite(epoch.get(key, math.nan))
        ]
        if points:
            chart = line_chart(points, f"{caption} by epoch", top, dashed)
            figures.append(f"<figure><figcaption>{caption}</figcaption>{chart}</figure>")
    return section("Learning curve", f'<div class="charts">{"".join(figures)}</div>') if figures else ""


def _epoch_title(epoch: Mapping[str, float]) -> str:
    return " · ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in epoch.items())


def per_class(scores: Scores, baseline: Scores | None, baseline_name: str, classes: Classes) -> str:
    """A bar per class, as long as its IoU, with the baseline as a mark."""
    other = baseline.per_class_iou if baseline is not None else {}
    rows = [
        _class_row(name, rgb(colour), iou, other.get(name), support)
        for (name, iou), support, colour in zip(
            scores.per_class_iou.items(), scores.support.values(), classes.colours, strict=True
        )
    ]
    beside = '<th class="n">baseline</th>' if baseline is not None else ""
    head = f'<tr><th>class</th><th class="wide"></th><th class="n">IoU</th>{beside}<th class="n">pixels</th></tr>'
    legend = f'<p class="note">The thin mark is the {escape(baseline_name)}.</p>' if baseline is not None else ""
    return section(
        "Classes", f'<table class="classes"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>{legend}'
    )


def _class_row(name: str, colour: str, iou: float, other: float | None, support: int) -> str:
    bar = "" if math.isnan(iou) else f'<i class="bar" style="width:{100 * iou:.1f}%;background:{colour}"></i>'
    mark = "" if other is None or math.isnan(other) else f'<i class="mark" style="left:{100 * other:.1f}%"></i>'
    beside = "" if other is None else f'<td class="n quiet">{_digits(other)}</td>'
    return (
        f'<tr><th scope="row" title="{escape(name)}">{_swatch(colour)}{escape(name)}</th>'
        f'<td class="wide"><span class="track">{bar}{mark}</span></td>'
        f'<td class="n">{_digits(iou)}</td>{beside}<td class="n quiet">{support:,}</td></tr>'
    )


def confusion(scores: Scores, classes: Classes) -> str:
    """The confusion matrix, each row divided by the number of its true pixels."""
    true = scores.matrix.sum(axis=1, keepdims=True)
    shares = np.divide(scores.matrix, true, out=np.full(scores.matrix.shape, math.nan), where=true > 0)
    chart = heat_map(shares, scores.names, classes.colours, "Confusion matrix")
    note = "A row is a true class, a column a predicted one; numbers are per cent of the true pixels."
    return section("Confusion", f'<div class="scroll">{chart}</div><p class="note">{note}</p>')


def examples(worst_first: Sequence[Example], classes: Classes) -> str:
    """Image, truth, prediction and errors of each example, in the order given."""
    if not worst_first:
        return ""
    legend = "".join(
        f"<li>{_swatch(rgb(colour))}{escape(name)}</li>"
        for name, colour in zip(classes.names, classes.colours, strict=True)
    )
    pictures = "".join(_example(example, classes) for example in worst_first)
    return section("Examples, the worst first", f'<ul class="legend">{legend}</ul>{pictures}')


def _example(example: Example, classes: Classes) -> str:
    name, shown = escape(example.name), side_by_side(example.name, panels(example, classes))
    caption = f"<figcaption><span>{name}</span><span>mean IoU <b>{_digits(example.mean_iou)}</b></span></figcaption>"
    return f'<figure class="example">{caption}<div class="panels">{shown}</div></figure>'


def side_by_side(name: str, pictures: Sequence[tuple[str, str]]) -> str:
    """Captions and data URIs of what is shown of one image."""
    return "".join(
        f'<div><img src="{uri}" alt="{escape(name)}: {caption}" loading="lazy"><small>{caption}</small></div>'
        for caption, uri in pictures
    )


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Labels and values in two columns."""
    rows = "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>" for label, value in pairs)
    return section("Facts", f'<dl class="facts">{rows}</dl>') if pairs else ""


def commands(lines: Sequence[str]) -> str:
    """What repeats the run. Words are kept whole, for a browser would break ``--model`` after its dashes."""
    words = ([f"<span>{escape(word)}</span>" for word in line.split(" ")] for line in lines)
    shown = "".join(f"<code>{' '.join(line)}</code>" for line in words)
    return section("To repeat it", f"<pre>{shown}</pre>") if lines else ""


def section(title: str, content: str) -> str:
    """A part of the page below its heading, if it has one; both are HTML."""
    heading = f"<h2>{title}</h2>" if title else ""
    return f"<section>{heading}{content}</section>"


def _swatch(colour: str) -> str:
    return f'<i class="swatch" style="background:{colour}"></i>'


def _digits(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
