"""Which losses a recipe may name, alone or as a weighted sum, and what they take; no torch."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, ValidationError, field_validator

from intarsia.errors import ArgumentError
from intarsia.validation import first_mistake

LOSSES = ("cross_entropy", "focal", "dice", "lovasz", "ohem", "border_weighted", "aaf")
DEPTH_LOSSES = ("l1", "l2", "berhu", "scale_invariant")
PAIRS = "aaf"  # compares neighbours, so that all labels could change places

# Losses that a batch taken in parts does not add up to, and why.
WHOLE_BATCH = {
    "dice": "compares sums over the pixels of the whole batch",
    "lovasz": "sorts the pixels of the whole batch",
    "ohem": "chooses its pixels among those of the whole batch",
    "aaf": "takes its means over the pairs of the whole batch",
    "berhu": "measures errors by the largest of the whole batch",
}


def loss_terms(loss: str) -> dict[str, float]:
    """The losses of a sum, and what each counts.

    Raises:
        ArgumentError: what stands before a ``*`` is no positive number, or a name is missing.

    >>> loss_terms("cross_entropy+0.5*dice")
    {'cross_entropy': 1.0, 'dice': 0.5}
    """
    return dict(_terms(loss))


def _terms(loss: str) -> list[tuple[str, float]]:
    terms: list[tuple[str, float]] = []
    for term in loss.split("+"):
        factor, star, name = term.rpartition("*")
        try:
            weight = float(factor) if star else 1.0
        except ValueError:
            weight = math.nan
        if not 0 < weight < math.inf:
            raise ArgumentError(f"`{factor}` must be a positive number, as in cross_entropy+0.5*dice")
        if not name.strip():
            raise ArgumentError("A loss is missing before or behind a + or *, as in cross_entropy+0.5*dice")
        terms.append((name.strip(), weight))
    return terms


def check_loss(loss: str, task: str = "auto") -> None:
    """Refuse names that the task has not, names that come twice, and a sum that no label could be learned from.

    >>> check_loss("cross_entropy+aff")
    Traceback (most recent call last):
    intarsia.errors.ArgumentError: There is no loss `aff`, the nearest is aaf; sums are made of cross_entropy, ...
    """
    names = [name for name, _ in _terms(loss)]
    if task == "depth" or set(names) & set(DEPTH_LOSSES):
        _check_depth_loss(loss, task)
        return
    for name in names:
        if name not in LOSSES:
            raise ArgumentError(f"There is no loss `{name}`{_nearest(name, LOSSES)}; sums are made of {_list(LOSSES)}")
        if names.count(name) > 1:
            raise ArgumentError(f"A sum of losses holds each once, and `{name}` comes twice")
    if names == [PAIRS]:
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


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CrossEntropyOptions(_Options):
    """What :func:`intarsia.losses.cross_entropy` takes."""

    label_smoothing: StrictFloat = Field(default=0.0, ge=0, lt=1)


class FocalOptions(_Options):
    """What :func:`intarsia.losses.focal` takes."""

    gamma: StrictFloat = Field(default=2.0, ge=0, allow_inf_nan=False)


class DiceOptions(_Options):
    """What :func:`intarsia.losses.dice` takes."""

    power: Literal[1, 2] = 1


class OHEMOptions(_Options):
    """What :func:`intarsia.losses.ohem_cross_entropy` takes."""

    threshold: StrictFloat = Field(default=0.7, gt=0, le=1)
    min_kept: StrictInt | None = Field(default=None, ge=0)


class PairOptions(_Options):
    """What :class:`intarsia.losses.AdaptiveAffinityField` takes."""

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


OPTIONS: dict[str, type[BaseModel]] = {  # no two losses have an option of the same name
    "cross_entropy": CrossEntropyOptions,
    "focal": FocalOptions,
    "dice": DiceOptions,
    "ohem": OHEMOptions,
    "aaf": PairOptions,
}


def checked_loss_options(loss: str, options: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """The options that were given, by loss, as the losses take them.

    An option stands below its loss or alone, since no two losses have one of the same name.

    Raises:
        ArgumentError: there is no such option, it belongs to no loss of the sum, or its value breaks a rule.

    >>> checked_loss_options("ohem+aaf", {"sizes": [3, 5], "ohem": {"threshold": 1}})
    {'aaf': {'sizes': (3, 5)}, 'ohem': {'threshold': 1.0}}
    """
    terms = loss_terms(loss)
    given: dict[str, dict[str, object]] = {}
    for name, value in options.items():
        owner = name if name in LOSSES else _owner(name, terms)
        values = value if name in LOSSES else {name: value}
        if not isinstance(values, Mapping):
            raise ArgumentError(f"`{name}` (={value!r}) is a loss, and its options have names, such as {name}.gamma")
        for option in values:
            if option not in _known(owner):
                raise ArgumentError(_no_option(str(option), (owner,)))
        given.setdefault(owner, {}).update(values)
    for owner in given:
        if owner not in terms:
            raise ArgumentError(f"They belong to {owner}, which `loss` (={loss!r}) does not hold; leave them out")
    try:
        return {o: OPTIONS[o].model_validate(v).model_dump(exclude_unset=True) for o, v in given.items() if v}
    except ValidationError as error:
        raise ArgumentError(first_mistake(error).removesuffix(".")) from error


def _owner(option: str, terms: Mapping[str, float]) -> str:
    """The loss that has an option."""
    for name in OPTIONS:
        if option in _known(name):
            return name
    raise ArgumentError(_no_option(option, tuple(terms)))


def _no_option(option: str, losses: tuple[str, ...]) -> str:
    known = tuple(name for loss in losses for name in _known(loss))
    has = [f"{loss} has {_list(_known(loss)) if _known(loss) else 'none'}" for loss in losses]
    return f"There is no option `{option}`{_nearest(option, known)}; {', '.join(has)}"


def _known(loss: str) -> tuple[str, ...]:
    return tuple(OPTIONS[loss].model_fields) if loss in OPTIONS else ()


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f", the nearest is {near[0]}" if near else ""


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
