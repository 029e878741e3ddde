"""DANet."""

from collections.abc import Mapping
from functools import reduce
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.errors import ArgumentError
from intarsia.layers.convolutions import convolution
from intarsia.layers.dual_attention import ChannelAttention, PositionAttention, Preference
from intarsia.models.framing import Resized
from intarsia.models.options import Form, Probability, Rates
from intarsia.models.segmentation_network import SegmentationNetwork

Branches = Literal["both", "position", "channel", "none"]
NAMES: Mapping[Branches, tuple[str, ...]] = MappingProxyType(
    {"both": ("position", "channel"), "position": ("position",), "channel": ("channel",), "none": ("plain",)}
)

BRANCH_WEIGHT = 1.0  # the authors' code: three losses, equally weighted


@dataclass(frozen=True, kw_only=True)
class DANetForm(Form):
    """The paper's choices: at output stride 8 the multi-grid gives the last stage's units the rates 4, 8, 16.

    ``branches`` are those that the decoder has (section 4.2.2, table 1, leaves out each); of ``"none"`` a plain one is
    left, the convolutions without attention between them.
    ``channel_attention`` tells whether a channel gathers from ``"similar"`` channels, the paper's equation 3, or from
    ``"dissimilar"`` ones, as the authors' code does: their weights need that. ``reduction`` narrows the backbone's last
    map (2048 → 512); eight channels must be left, so that queries and keys have one.
    """

    multi_grid: Rates = (1, 2, 4)  # section 4.2.3, strategies: a hierarchy of grids 4, 8, 16 in the last stage
    branches: Branches = "both"
    channel_attention: Preference = "similar"
    reduction: PositiveInt = 4
    dropout: Probability = 0.1  # the authors' code
    align_corners: bool = True  # the authors' code


FORMS = MappingProxyType({"paper": DANetForm(), "junfu1115": DANetForm(channel_attention="dissimilar")})


class DANetDecoder(nn.Module):
    """Attention over positions and over channels, side by side; their sum (arXiv:1809.02983, section 3.1, figure 2)."""

    def __init__(self, spec: BackboneSpec, form: DANetForm) -> None:
        super().__init__()
        self.width = spec.channels[-1] // form.reduction
        if self.width < 8:  # queries and keys have an eighth of it
            raise ArgumentError(
                f"`reduction` (={form.reduction}) leaves {self.width} of the {spec.channels[-1]} channels of backbone "
                f"`{spec.name}`, and position attention needs 8; use {max(1, spec.channels[-1] // 8)} or less."
            )
        self.branches = NAMES[form.branches]
        for name in self.branches:  # which stand side by side in the decoder, by their names
            self.add_module(name, _branch(spec.channels[-1], self.width, self._attention(name, form)))

    def _attention(self, name: str, form: DANetForm) -> nn.Module:
        if name == "position":
            return PositionAttention(self.width)
        return ChannelAttention(form.channel_attention) if name == "channel" else nn.Identity()

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> tuple[Float[Tensor, "B D H W"], ...]:
        """The fused map, then that of each branch, position before channel."""
        maps = [self.get_submodule(name)(features[-1]) for name in self.branches]
        return reduce(torch.add, maps), *maps


def danet(backbone: Backbone, classes: int, form: DANetForm, auxiliary: bool) -> SegmentationNetwork:
    """Dilated backbone, two branches of attention, a classifier on their sum and, in training, one on each."""
    decoder = DANetDecoder(backbone.spec, form)
    head, *sides = (_head(decoder.width, classes, form.dropout) for _ in range(1 + len(decoder.branches)))
    return SegmentationNetwork(
        backbone,
        decoder,
        head,
        frame=Resized(form.align_corners),
        auxiliary=[(BRANCH_WEIGHT, side) for side in sides] if auxiliary else (),
    )


def _branch(in_channels: int, width: int, attention: nn.Module) -> nn.Sequential:
    return nn.Sequential(convolution(in_channels, width, 3), attention, convolution(width, width, 3))


def _head(width: int, classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(width, classes, 1))
