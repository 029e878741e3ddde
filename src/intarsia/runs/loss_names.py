"""Which losses a recipe may name, alone or as a sum; no torch."""

from difflib import get_close_matches

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, ValidationError, field_validator

from intarsia.errors import ArgumentError
from intarsia.validation import first_mistake

LOSSES = ("cross_entropy", "border_weighted", "ohem", "aaf")
DEPTH_LOSSES = ("l1", "l2", "berhu", "scale_invariant")
PAIRS = "aaf"  # compares neighbours, so that all labels could change places

# Losses that a batch taken in parts does not add up to, and why.
WHOLE_BATCH = {
    "ohem": "chooses its pixels among those of the whole batch",
    "aaf": "takes its means over the pairs of the whole batch",
    "berhu": "measures errors by the largest of the whole batch",
}


def loss_terms(loss: str) -> tuple[str, ...]:
    """The losses of a sum.

    >>> loss_terms("cross_entropy+aaf")
    ('cross_entropy', 'aaf')
    """
    return tuple(loss.split("+"))


def check_loss(loss: str, task: str = "auto") -> None:
    """Refuse names that the task has not, names that come twice, and a sum that no label could be learned from.

    >>> check_loss("cross_entropy+aff")
    Traceback (most recent call last):
    intarsia.errors.ArgumentError: There is no loss `aff`, the nearest is aaf; sums are made of cross_entropy, ...
    """
    terms = loss_terms(loss)
    if task == "depth" or set(terms) & set(DEPTH_LOSSES):
        _check_depth_loss(loss, task)
        return
    for term in terms:
        if term not in LOSSES:
            raise ArgumentError(f"There is no loss `{term}`{_nearest(term, LOSSES)}; sums are made of {_list(LOSSES)}")
        if terms.count(term) > 1:
            raise ArgumentError(f"A sum of losses holds each once, and `{term}` comes twice")
    if terms == (PAIRS,):
        raise ArgumentError("`aaf` only compares neighbours, which name no class; take cross_entropy+aaf")


def _check_depth_loss(loss: str, task: str) -> None:
    if task not in ("auto", "depth"):
        raise ArgumentError(
            f"`{loss}` is a loss of depths, and there are none in a {task}; sums are made of {_list(LOSSES)}"
        )
    if loss not in DEPTH_LOSSES:
        raise ArgumentError(
            f"There is no loss of depths `{loss}`{_nearest(loss, DEPTH_LOSSES)}; it is one of {_list(DEPTH_LOSSES)}, "
            "which make no sums"
        )


class PairOptions(BaseModel):
    """What :class:`intarsia.losses.AdaptiveAffinityField` takes."""

    model_config = ConfigDict(extra="forbid")

    stride: StrictInt = Field(default=1, ge=1)
    sizes: tuple[StrictInt, ...] = (3, 5, 7)
    margin: StrictFloat = Field(default=3.0, gt=0, allow_inf_nan=False)
    weight: StrictFloat = Field(default=1.0, gt=0, allow_inf_nan=False)

    @field_validator("sizes")
    @classmethod
    def _check_sizes(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if not sizes or any(size < 3 or size % 2 == 0 for size in sizes):
            raise ValueError("must be odd numbers from 3 on, such as 3,5,7")
        if len(set(sizes)) < len(sizes):
            raise ValueError("must hold each size once, such as 3,5,7")
        return sizes


def checked_loss_options(loss: str, options: dict[str, object]) -> dict[str, object]:
    """The options that were given, as the loss takes them.

    Raises:
        ArgumentError: there is no such option, it belongs to no loss of the sum, or its value breaks a rule.

    >>> checked_loss_options("ohem+aaf", {"sizes": [3, 5], "margin": 2})
    {'sizes': (3, 5), 'margin': 2.0}
    """
    known = tuple(PairOptions.model_fields)
    for name in options:
        if name not in known:
            raise ArgumentError(f"There is no option `{name}`{_nearest(name, known)}; aaf has {_list(known)}")
    if options and PAIRS not in loss_terms(loss):
        raise ArgumentError(f"They belong to aaf, which `loss` (={loss!r}) does not hold; leave them out")
    try:
        return PairOptions.model_validate(options).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise ArgumentError(first_mistake(error).removesuffix(".")) from error


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f", the nearest is {near[0]}" if near else ""


def _list(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
