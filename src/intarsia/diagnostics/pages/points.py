"""What an explanation that asks about pixels begins with: where they are, what the network sees, the true mask."""

from collections.abc import Sequence

from intarsia.data import overlay
from intarsia.diagnostics.pages.drawing import enlarged, marked
from intarsia.diagnostics.pages.explanation import Figure
from intarsia.diagnostics.subject import Point, Subject
from intarsia.shapes import Mask


def seen(subject: Subject, mask: Mask, points: Sequence[Point], reference: Mask) -> list[Figure]:
    """The picture with its points, named by the classes that ``reference`` has there; ``mask`` over it; the truth."""
    names = [class_at(subject, reference, point) for point in points]
    figures = [
        Figure("picture", marked(subject.picture, points, names), "The picture and its points"),
        Figure("prediction", enlarged(overlay(subject.picture, mask, subject.classes)), "What the network sees"),
    ]
    if subject.truth is not None:
        shown = overlay(subject.picture, subject.truth, subject.classes)
        figures.append(Figure("truth", enlarged(shown), "The true mask"))
    return figures


def class_at(subject: Subject, mask: Mask, point: Point) -> str:
    """The name of a pixel's class in a mask."""
    label = int(mask[point[1], point[0]])
    return subject.classes.names[label] if label < subject.classes.count else "ignored"
