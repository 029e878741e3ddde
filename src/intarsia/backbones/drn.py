"""Dilated residual networks (Yu, Koltun and Funkhouser, arXiv:1705.09914): stride 8 by design.

A is a ResNet whose last two strides became dilation (section 2). Dilated filters leave a grid in the maps; B and C mend
that (section 4): no max pooling, and two more levels whose dilation falls to 1 again, in C without residual sums. D, in
the authors' code only, is C with plain convolutions in levels 1, 2, 7 and 8. Parameter names are those of that code.

Where the code differs from the paper, the code is followed, for its weights: in A the first block of each dilated level
has dilation 1 *twice*, in layer3 and in layer4, where the à-trous law asks for 1 and 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.body import Body, initialise
from intarsia.backbones.residual import EXPANSION, BasicBlock, Bottleneck

Maps = tuple[Float[Tensor, "B _ _ _"], ...]

WIDTHS = (16, 32, 64, 128, 256, 512, 512, 512)
STRIDES = (1, 2, 2, 2, 1, 1, 1, 1)
DILATIONS = (1, 1, 1, 1, 2, 4, 2, 1)
LEVELS = 8


@dataclass(frozen=True)
class DRNForm:
    """``blocks`` of each level; ``bottleneck`` blocks in the levels that a ResNet has, too."""

    kind: Literal["A", "B", "C", "D"]
    blocks: tuple[int, ...]
    bottleneck: bool = False


class DRNA(nn.Module):
    """A ResNet's stem and four levels, the last two dilated; five maps, the stem's first."""

    def __init__(self, form: DRNForm, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, out = 64, EXPANSION if form.bottleneck else 1
        levels: list[nn.Module] = []
        for width, count, stride, dilation in zip(
            (64, 128, 256, 512), form.blocks, (1, 2, 1, 1), (1, 1, 2, 4), strict=True
        ):
            first = _block(form.bottleneck, channels, width, stride, 1)
            rest = [_block(form.bottleneck, out * width, width, 1, dilation) for _ in range(count - 1)]
            levels.append(nn.Sequential(first, *rest))
            channels = out * width
        self.layer1, self.layer2, self.layer3, self.layer4 = levels
        initialise(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Maps:
        """Stem, levels 1 to 4."""
        stem = self.relu(self.bn1(self.conv1(images)))
        return (stem, *_chain([self.layer1, self.layer2, self.layer3, self.layer4], self.maxpool(stem)))


class DRNC(nn.Module):
    """B and C: residual blocks in all eight levels, levels 7 and 8 with (B) or without (C) their sums."""

    def __init__(self, form: DRNForm, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, WIDTHS[0], 7, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        channels = WIDTHS[0]
        for index in range(LEVELS):
            bottleneck = form.bottleneck and 2 <= index < 6
            residual = index < 6 or form.kind == "B"
            level = _level(channels, index, form.blocks[index], bottleneck, residual=residual)
            self.add_module(f"layer{index + 1}", level)
            channels = WIDTHS[index] * (EXPANSION if bottleneck else 1)
        initialise(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Maps:
        """The maps of levels 1 to 8."""
        return _chain(_levels(self), self.relu(self.bn1(self.conv1(images))))


class DRND(nn.Module):
    """Residual blocks in levels 3 to 6, plain convolutions before and behind them."""

    def __init__(self, form: DRNForm, in_channels: int) -> None:
        super().__init__()
        self.layer0 = nn.Sequential(
            nn.Conv2d(in_channels, WIDTHS[0], 7, padding=3, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(inplace=True),
        )
        channels = WIDTHS[0]
        for index in range(LEVELS):
            plain = not 2 <= index < 6
            count = form.blocks[index]
            level = _plain(channels, index, count) if plain else _level(channels, index, count, form.bottleneck)
            self.add_module(f"layer{index + 1}", level)
            channels = WIDTHS[index] * (EXPANSION if form.bottleneck and not plain else 1)
        initialise(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Maps:
        """The maps of levels 1 to 8."""
        return _chain(_levels(self), self.layer0(images))


def _levels(network: nn.Module) -> list[nn.Module]:
    return [network.get_submodule(f"layer{index + 1}") for index in range(LEVELS)]


def _chain(levels: Sequence[nn.Module], x: Tensor) -> Maps:
    maps: list[Tensor] = []
    for level in levels:
        x = level(x)
        maps.append(x)
    return tuple(maps)


def _block(bottleneck: bool, channels: int, width: int, stride: int, dilation: int, residual: bool = True) -> nn.Module:
    if bottleneck:
        return Bottleneck(channels, width, stride, dilation)
    return BasicBlock(channels, width, stride, (dilation, dilation), residual=residual)


def _level(channels: int, index: int, count: int, bottleneck: bool, residual: bool = True) -> nn.Sequential:
    width, dilation = WIDTHS[index], DILATIONS[index]
    out = width * (EXPANSION if bottleneck else 1)
    first = _block(bottleneck, channels, width, STRIDES[index], dilation, residual)
    return nn.Sequential(first, *(_block(bottleneck, out, width, 1, dilation, residual) for _ in range(count - 1)))


def _plain(channels: int, index: int, count: int) -> nn.Sequential:
    width, dilation = WIDTHS[index], DILATIONS[index]
    layers: list[nn.Module] = []
    for number in range(count):
        stride = STRIDES[index] if number == 0 else 1
        layers += [
            nn.Conv2d(width if number else channels, width, 3, stride, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


FORMS = {
    "drn_a_18": DRNForm("A", (2, 2, 2, 2)),
    "drn_a_34": DRNForm("A", (3, 4, 6, 3)),
    "drn_a_50": DRNForm("A", (3, 4, 6, 3), bottleneck=True),
    "drn_a_101": DRNForm("A", (3, 4, 23, 3), bottleneck=True),
    "drn_b_26": DRNForm("B", (1, 1, 2, 2, 2, 2, 1, 1)),
    "drn_c_26": DRNForm("C", (1, 1, 2, 2, 2, 2, 1, 1)),
    "drn_c_42": DRNForm("C", (1, 1, 3, 4, 6, 3, 1, 1)),
    "drn_c_58": DRNForm("C", (1, 1, 3, 4, 6, 3, 1, 1), bottleneck=True),
    "drn_d_22": DRNForm("D", (1, 1, 2, 2, 2, 2, 1, 1)),
    "drn_d_24": DRNForm("D", (1, 1, 2, 2, 2, 2, 2, 2)),
    "drn_d_38": DRNForm("D", (1, 1, 3, 4, 6, 3, 1, 1)),
    "drn_d_40": DRNForm("D", (1, 1, 3, 4, 6, 3, 2, 2)),
    "drn_d_54": DRNForm("D", (1, 1, 3, 4, 6, 3, 1, 1), bottleneck=True),
    "drn_d_56": DRNForm("D", (1, 1, 3, 4, 6, 3, 2, 2), bottleneck=True),
    "drn_d_105": DRNForm("D", (1, 1, 3, 4, 23, 3, 1, 1), bottleneck=True),
    "drn_d_107": DRNForm("D", (1, 1, 3, 4, 23, 3, 2, 2), bottleneck=True),
}


def drn(name: str, in_channels: int) -> Body:
    """One of ``FORMS``.

    >>> drn("drn_a_18", 3).strides, drn("drn_a_18", 3).nominal_strides
    ((2, 4, 8, 8, 8), (2, 4, 8, 16, 32))
    """
    form = FORMS[name]
    out = EXPANSION if form.bottleneck else 1
    if form.kind == "A":
        channels = (64, *(out * width for width in (64, 128, 256, 512)))
        return Body(DRNA(form, in_channels), channels, (2, 4, 8, 8, 8), (2, 4, 8, 16, 32))
    network = DRND(form, in_channels) if form.kind == "D" else DRNC(form, in_channels)
    channels = tuple(width * (out if 2 <= index < 6 else 1) for index, width in enumerate(WIDTHS))
    pointwise = partial(nn.Conv2d, kernel_size=1)  # the same numbers as a linear layer; the weights have four axes
    return Body(network, channels, (1, 2, 4, 8, 8, 8, 8, 8), (1, 2, 4, 8, 16, 32, 32, 32), classifier=pointwise)
