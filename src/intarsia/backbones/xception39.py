"""Xception39, the light backbone of BiSeNet (Yu et al., arXiv:1808.00897, section 4).

The paper names the network and does not draw it; this is the authors' code: a stem of 8 channels, then stages of 4, 8
and 4 blocks, each block three separable 3×3 convolutions with a shortcut. Between a depthwise convolution and its
pointwise one there is neither batch norm nor ReLU. Parameter names are those of that code.
"""

from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.body import Body, initialise

STEM = 8
EXPANSION = 4
STAGES = ((16, 4), (32, 8), (64, 4))  # width and blocks


class ConvolutionNorm(nn.Module):
    """Convolution, batch norm and, unless a sum follows, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """Convolve, normalise, rectify."""
        return self.relu(self.bn(self.conv(x)))


class Separable(nn.Module):
    """Depthwise 3×3, pointwise 1×1, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, *, relu: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False)
        self.point_wise_cbr = ConvolutionNorm(in_channels, out_channels, 1, relu=relu)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """Filter each channel, then mix them."""
        return self.point_wise_cbr(self.conv1(x))


class Block(nn.Module):
    """Three separable convolutions; the shortcut of a strided block is a fourth."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.proj = Separable(in_channels, out_channels, stride, relu=False) if stride > 1 else nn.Identity()
        self.residual_branch = nn.Sequential(
            Separable(in_channels, width, stride),
            Separable(width, width),
            Separable(width, out_channels, relu=False),
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """Branch plus shortcut, rectified."""
        return self.relu(self.proj(x) + self.residual_branch(x))


class Xception39(nn.Module):
    """Stem and three stages; four maps."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv1 = ConvolutionNorm(in_channels, STEM, 3, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, stages = STEM, []
        for width, count in STAGES:
            out = EXPANSION * width
            stages.append(nn.Sequential(Block(channels, width, 2), *(Block(out, width, 1) for _ in range(count - 1))))
            channels = out
        self.layer1, self.layer2, self.layer3 = stages
        initialise(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B _ _ _"], ...]:
        """Stem (stride 2) and stages (8, 16, 32)."""
        stem = self.conv1(images)
        first = self.layer1(self.maxpool(stem))
        second = self.layer2(first)
        return stem, first, second, self.layer3(second)


def xception39(in_channels: int) -> Body:
    """Xception39 without its classifier: 299,448 parameters for RGB."""
    channels = (STEM, *(EXPANSION * width for width, _ in STAGES))
    return Body(Xception39(in_channels), channels, (2, 8, 16, 32), (2, 8, 16, 32))
