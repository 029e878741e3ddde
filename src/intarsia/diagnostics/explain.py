"""`intarsia explain`: what a trained network sees in a picture."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from intarsia.diagnostics.pages.affinity import explain_affinity
from intarsia.diagnostics.pages.attention import explain_attention
from intarsia.diagnostics.pages.checkerboard import explain_checkerboard
from intarsia.diagnostics.pages.explanation import Explanation, check_folder, write_explanation
from intarsia.diagnostics.pages.features import explain_features
from intarsia.diagnostics.pages.gridding import explain_gridding
from intarsia.diagnostics.pages.receptive_field import explain_receptive_field
from intarsia.diagnostics.pages.uncertainty import explain_uncertainty
from intarsia.diagnostics.subject import Point, Subject, open_subject
from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.inference import Segmenter, load
from intarsia.inference.source import Source

KINDS: Mapping[str, Callable[[Subject], Explanation]] = MappingProxyType(
    {
        "attention": explain_attention,
        "receptive-field": explain_receptive_field,
        "gridding": explain_gridding,
        "checkerboard": explain_checkerboard,
        "features": explain_features,
        "uncertainty": explain_uncertainty,
        "affinity": explain_affinity,
    }
)

USERS: Mapping[str, Sequence[str]] = MappingProxyType(  # the kinds that make use of an argument
    {
        "at": ("attention", "receptive-field", "gridding", "affinity"),
        "stage": ("receptive-field", "features"),
        "mask": ("attention", "features", "uncertainty", "affinity"),
    }
)


def explain(
    run: str | Path | Segmenter,
    image: Source,
    what: str,
    *,
    out: str | Path | None = None,
    at: Sequence[Point] = (),
    stage: int | None = None,
    mask: str | Path | None = None,
) -> Explanation:
    """Pictures of what a network does with an image, and how to read them.

    Args:
        run: a run's folder, or whatever else :func:`intarsia.load` takes; or what it gives.
        image: a file, an array, a PIL image, or a picture of a built-in set such as ``sample:materials/val-0003``.
        what: one of ``KINDS``.
        out: a folder for the page and its pictures, new or left by an earlier explanation; by default nothing is
            written.
        at: (x, y) of pixels to ask about, from the upper left corner; like ``stage`` and ``mask`` only for the kinds
            that ``USERS`` names.
        stage: the nominal stride of one stage of the backbone; by default all are shown.
        mask: a file with the true mask of ``image``, which takes the place of a built-in picture's own.

    Raises:
        UnknownNameError: ``what`` is none of the kinds.
        ArgumentError: an argument that the kind does not use, a point outside the image, a stage that the backbone has
            not, a folder that holds something else, or a network that has nothing of the kind.
        DataError: the image or the mask cannot be read.
        RunError: the folder is no finished run.
    """
    if what not in KINDS:
        raise UnknownNameError("explanation", what, KINDS, "`intarsia explain --help`")
    _check_used(what, {"at": bool(at), "stage": stage is not None, "mask": mask is not None})
    if out is not None:
        check_folder(out)
    segmenter = run if isinstance(run, Segmenter) else load(run)
    explanation = KINDS[what](open_subject(segmenter, image, at, stage, mask))
    if out is not None:
        write_explanation(out, explanation)
    return explanation


def _check_used(what: str, given: Mapping[str, bool]) -> None:
    for argument, users in USERS.items():
        if given[argument] and what not in users:
            *others, last = users
            raise ArgumentError(
                f"`--{argument}` has no use in the explanation `{what}`; leave it out, or ask for "
                f"{', '.join(others)} or {last}."
            )
