"""`--tta` and `--tta-scales`, which two commands have, and other numbers with commas between them."""

from typing import TYPE_CHECKING

from intarsia.errors import ArgumentError

if TYPE_CHECKING:
    from intarsia.inference import Views


def views_of(tta: bool, tta_scales: str | None) -> "Views | None":
    """The views that the command line asks for.

    Raises:
        ArgumentError: the scales are no numbers, or outside what is allowed.
    """
    from intarsia.inference import Views

    if tta_scales is None:
        return Views() if tta else None
    return Views(numbers_of("--tta-scales", tta_scales))


def radii_of(boundary: str) -> tuple[float, ...]:
    """The distances that the command line asks for.

    Raises:
        ArgumentError: they are no numbers, not positive, or one comes twice.
    """
    from intarsia.metrics.boundary import radii_complaint

    radii = numbers_of("--boundary", boundary)
    complaint = radii_complaint(radii)
    if complaint:
        raise ArgumentError(f"`--boundary` (={boundary}) {complaint}")
    return radii


def numbers_of(flag: str, text: str) -> tuple[float, ...]:
    """What one option says.

    >>> numbers_of("--boundary", "1,2.5")
    (1.0, 2.5)

    Raises:
        ArgumentError: they are no numbers.
    """
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ArgumentError(
            f"`{flag}` (={text}) must be numbers with commas between them, such as 0.75,1,1.25."
        ) from None
