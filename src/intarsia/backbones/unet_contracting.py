"""The contracting path of U-Net (Ronneberger, Fischer and Brox, arXiv:1505.04597, section 2) as a backbone.

Two 3×3 convolutions and 2×2 max pooling, five levels, from 64 channels to 1024. The paper's convolutions are not
padded, so that each takes two pixels off a map, and maps begin inside the image.
"""

import math
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.body import Body

LEVELS = 5


def double_convolution(in_channels: int, channels: int, *, padded: bool, norm: bool) -> nn.Sequential:
    """3×3 convolution and ReLU, twice; ``norm`` puts batch norm between them, in the place of biases."""
    layers: list[nn.Module] = []
    for before in (in_channels, channels):
        layers.append(nn.Conv2d(before, channels, 3, padding=int(padded), bias=not norm))
        layers += [nn.BatchNorm2d(channels)] if norm else []
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def initialise(network: nn.Module) -> None:
    """Normal weights of standard deviation √(2/N), N the inputs of a neuron; the paper's section 3, after He et al."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            taps = math.prod(module.kernel_size) if isinstance(module, nn.Conv2d) else 1
            nn.init.normal_(module.weight, std=math.sqrt(2 / (module.in_channels * taps)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class ContractingPath(nn.Module):
    """Five maps, at strides 1, 2, 4, 8 and 16."""

    def __init__(self, in_channels: int, width: int, *, padded: bool, norm: bool) -> None:
        super().__init__()
        widths = (in_channels, *(width << level for level in range(LEVELS)))
        self.levels = nn.ModuleList(double_convolution(*pair, padded=padded, norm=norm) for pair in pairwise(widths))
        self.pools = nn.ModuleList(nn.MaxPool2d(2) for _ in range(LEVELS - 1))
        initialise(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B _ _ _"], ...]:
        """Convolve twice, pool, and again."""
        maps: list[Tensor] = []
        x = images
        for level, pool in zip(self.levels, [*self.pools, nn.Identity()], strict=True):
            maps.append(level(x))
            x = pool(maps[-1])
        return tuple(maps)


def unet_contracting(in_channels: int, width: int = 64) -> Body:
    """The paper's own: biases, no padding.

    >>> unet_contracting(1, width=4).origins
    (2.0, 6.5, 15.5, 33.5, 69.5)
    """
    origin, origins = 0.0, []
    for level in range(LEVELS):
        stride = 1 << level
        origin += 2 * stride  # two convolutions, a sample each
        origins.append(origin)
        origin += stride / 2  # pooling: the middle of two samples
    return _body(ContractingPath(in_channels, width, padded=False, norm=False), width, tuple(origins))


def unet_contracting_bn(in_channels: int) -> Body:
    """As many re-implementations have it: padded, with batch norm and without biases."""
    return _body(ContractingPath(in_channels, 64, padded=True, norm=True), 64, None)


def _body(network: ContractingPath, width: int, origins: tuple[float, ...] | None) -> Body:
    channels, strides = zip(*((width << level, 1 << level) for level in range(LEVELS)), strict=True)
    return Body(network, channels, strides, strides, origins=origins)
