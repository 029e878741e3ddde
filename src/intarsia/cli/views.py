"""`--tta` and `--tta-scales`, which two commands have."""

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
    try:
        scales = tuple(float(scale) for scale in tta_scales.split(","))
    except ValueError:
        raise ArgumentError(
            f"`--tta-scales` (={tta_scales}) must be numbers with commas between them, such as 0.75,1,1.25."
        ) from None
    return Views(scales)
