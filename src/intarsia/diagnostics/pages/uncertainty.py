"""`--what uncertainty`: where a network hesitates, how much of that lies along borders, and whether it errs there."""

import numpy as np
from jaxtyping import Bool, Float64

from intarsia.data import overlay
from intarsia.diagnostics.pages.drawing import enlarged, heat_over
from intarsia.diagnostics.pages.explanation import Explanation, Figure
from intarsia.diagnostics.subject import Subject
from intarsia.diagnostics.svg import Point, line_chart
from intarsia.diagnostics.uncertainty import (
    PASSES,
    Hesitation,
    border_distance,
    class_shares,
    dropout_disagreement,
    dropouts_of,
    entropy,
    margin,
    mirror_disagreement,
)
from intarsia.inference.result import labels_of
from intarsia.shapes import Mask

NEAR = 4  # pixels from a border
_FAR = 32  # pixels: where the chart ends
_FEWEST = 50  # pixels behind a dot of the chart

_READ = (
    "Light is where the network hesitates. Along borders that is the price of a coarse grid; inside a region it is "
    "doubt about the class. Entropy and margin ask how sure one answer sounds; the other maps ask whether the answer "
    "stays the same when something changes that should not matter."
)


def explain_uncertainty(subject: Subject) -> Explanation:
    """Entropy, margin, mirror and (if there is some) dropout, against the borders of the prediction and the errors."""
    net, image = subject.network, subject.image
    logits = subject.logits()
    shares, mask = class_shares(logits), labels_of(logits, subject.classes)
    doubt = entropy(shares)
    maps = {
        "entropy": (doubt, "Entropy", "0 is certain, 1 means that all classes are level"),
        "margin": (1 - margin(shares), "1 − margin", "1 means that two classes are level"),
        "mirror": (mirror_disagreement(net, image), "Mirror image", "the share of the answer that changes class"),
    }
    if dropouts_of(net):
        found = dropout_disagreement(net, image)
        maps["dropout"] = (found, f"Dropout, {PASSES} passes", "how much the passes contradict each other")
    seen = enlarged(overlay(subject.picture, mask, subject.classes))
    figures = [
        Figure("picture", enlarged(subject.picture), "The picture"),
        Figure("prediction", seen, "What the network sees"),
        *(
            Figure(
                name,
                enlarged(heat_over(subject.picture, values)),
                caption,
                f"{meaning[0].upper()}{meaning[1:]}; lightest {values.max():.2f}, mean {values.mean():.3f}.",
                "Where it hesitates",
            )
            for name, (values, caption, meaning) in maps.items()
        ),
    ]
    facts = [(f"{caption}, mean", f"{values.mean():.3f}") for values, caption, _ in maps.values()]
    distance = border_distance(mask)
    if np.isfinite(distance).all():
        figures.append(_border_chart(doubt, distance))
        facts += _at_borders(doubt, distance)
    if subject.truth is not None:
        facts += _errors(doubt, mask, subject.truth, subject.truth != subject.classes.ignore)
    return Explanation("Where the network hesitates", _READ, figures, facts)


def _border_chart(doubt: Hesitation, distance: Float64[np.ndarray, "H W"]) -> Figure:
    steps = np.floor(distance).astype(int)
    points = [
        Point(
            step, float(doubt[steps == step].mean()), f"{step} pixels from a border: {doubt[steps == step].mean():.3f}"
        )
        for step in range(min(_FAR, int(steps.max())) + 1)
        if (steps == step).sum() >= _FEWEST or step == 0
    ]
    chart = line_chart(points, "Entropy by distance from a border", None, None, "pixels")
    return Figure("borders", chart, "Mean entropy by the distance from the prediction's nearest border", "", "Borders")


def _at_borders(doubt: Hesitation, distance: Float64[np.ndarray, "H W"]) -> list[tuple[str, str]]:
    near = distance <= NEAR
    parts = [("within", near), ("farther than", ~near)]
    facts = [
        (f"Entropy {where} {NEAR} pixels {'of' if where == 'within' else 'from'} a border", f"{doubt[part].mean():.3f}")
        for where, part in parts
        if part.any()
    ]
    share = doubt[near].sum() / max(doubt.sum(), 1e-12)
    return [
        *facts,
        ("Of all entropy, near borders", f"{100 * share:.0f} %, on {100 * near.mean():.0f} % of the pixels"),
    ]


def _errors(doubt: Hesitation, mask: Mask, truth: Mask, known: Bool[np.ndarray, "H W"]) -> list[tuple[str, str]]:
    """How many of the errors lie where the entropy is highest."""
    wrong, doubt = (mask != truth)[known], doubt[known]
    if not wrong.any():
        return [("Wrong pixels", "none")]
    highest = np.argsort(-doubt, kind="stable")[: max(1, len(doubt) // 10)]
    return [
        ("Wrong pixels", f"{100 * wrong.mean():.1f} %"),
        ("Wrong in the tenth of highest entropy", f"{100 * wrong[highest].mean():.1f} %"),
        ("Of all errors, in that tenth", f"{100 * wrong[highest].sum() / wrong.sum():.0f} %"),
    ]
