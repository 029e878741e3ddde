"""What the forms of all systems have in common; forms are validated when they are made."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, PositiveInt, ValidationError
from pydantic.dataclasses import dataclass

from intarsia.backbones.output_stride import Dilation
from intarsia.errors import ArgumentError
from intarsia.validation import first_mistake

Attention = Literal["squeeze_excitation", "non_local", "position", "channel"]
Place = Literal["decoder", 4, 8, 16, 32]
Probability = Annotated[float, Field(ge=0, lt=1)]
Rates = tuple[PositiveInt, ...]
Options = TypeVar("Options", bound=Any)  # a validated dataclass


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a system's backbone is dilated and cut, and where it gets a block of attention that its paper does not have.

    ``dilation``: ``"exact"`` keeps the function of pretrained weights, ``"uniform"`` dilates a stage's first unit too
    (:mod:`intarsia.backbones.output_stride`). ``rates_at_16`` and ``rates_at_32`` give the units of the stages of these
    nominal strides dilation rates of their own, in turn: hybrid dilated convolution (arXiv:1702.08502, section 3.2).
    ``multi_grid`` multiplies the rate of the last stage, unit by unit (DeepLab v3, arXiv:1706.05587, section 3.2.1).
    ``deepest`` is the nominal stride behind whose stages the backbone ends.
    ``attention`` names a block (:mod:`intarsia.models.attention`), ``attention_after`` the nominal stride of the stage
    that it stands behind, or the decoder.
    """

    dilation: Dilation = "exact"
    multi_grid: Rates = ()
    rates_at_16: Rates = ()
    rates_at_32: Rates = ()
    deepest: PositiveInt | None = None
    attention: Attention | None = None
    attention_after: Place = "decoder"

    def unit_rates(self, output_stride: int) -> Mapping[int, Rates]:
        """Nominal stride of a stage → dilation rates of its units, for those stages that have rates of their own."""
        last = tuple(max(1, 32 // output_stride) * factor for factor in self.multi_grid)
        stages = {16: self.rates_at_16, 32: self.rates_at_32 or last}
        return {stride: rates for stride, rates in stages.items() if rates}


def replaced(whose: str, defaults: Options, options: Mapping[str, Any]) -> Options:
    """Options with single fields replaced.

    Raises:
        ArgumentError: there is no such field, or its value breaks a rule.

    >>> replaced("unet", Form(), {"multi_grid": (1, 2)}).multi_grid
    (1, 2)
    """
    known = sorted((f.name for f in fields(defaults)), key=lambda name: name in Form.__annotations__)  # its own first
    for option in options:
        if option not in known:
            raise ArgumentError(f"`{option}` is no option of {whose}; it has {', '.join(known)}.")
    try:
        return replace(defaults, **options)
    except ValidationError as error:
        raise ArgumentError(f"Option of {whose}: {first_mistake(error)}") from error


def rates_at(output_stride: int, rates: Rates) -> Rates:
    """Rates of atrous spatial pyramid pooling, given for output stride 16, at this one: the same reach in pixels.

    DeepLab v3, arXiv:1706.05587, section 3.3. Raises ``ArgumentError`` for rates that are no whole number there.

    >>> rates_at(8, (6, 12, 18))
    (12, 24, 36)
    """
    if any(rate * 16 % output_stride for rate in rates):
        raise ArgumentError(
            f"`rates` (={rates}) are those at output stride 16 and must be even, since a rate at output stride "
            f"{output_stride} is half of it; use (6, 12, 18) or output_stride=16."
        )
    return tuple(rate * 16 // output_stride for rate in rates)
