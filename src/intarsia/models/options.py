"""What the forms of all systems have in common; forms are validated when they are made."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass

from intarsia.backbones.output_stride import Dilation

Probability = Annotated[float, Field(ge=0, lt=1)]
Rates = tuple[PositiveInt, ...]


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the backbone of a system is dilated.

    ``dilation``: ``"exact"`` keeps the function of pretrained weights, ``"uniform"`` dilates a stage's first unit too
    (:mod:`intarsia.backbones.output_stride`). ``rates_at_16`` and ``rates_at_32`` give the units of the stages of these
    nominal strides dilation rates of their own, in turn: hybrid dilated convolution (arXiv:1702.08502, section 3.2).
    ``multi_grid`` multiplies the rate of the last stage, unit by unit (DeepLab v3, arXiv:1706.05587, section 3.2.1).
    """

    dilation: Dilation = "exact"
    multi_grid: Rates = ()
    rates_at_16: Rates = ()
    rates_at_32: Rates = ()

    def unit_rates(self, output_stride: int) -> Mapping[int, Rates]:
        """Nominal stride of a stage → dilation rates of its units, for those stages that have rates of their own."""
        last = tuple(max(1, 32 // output_stride) * factor for factor in self.multi_grid)
        stages = {16: self.rates_at_16, 32: self.rates_at_32 or last}
        return {stride: rates for stride, rates in stages.items() if rates}
