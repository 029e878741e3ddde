"""The two residual blocks of ResNet (arXiv:1512.03385, figure 5), with dilation, under torchvision's names."""

from jaxtyping import Float
from torch import Tensor, nn

EXPANSION = 4  # a bottleneck's output over its width


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """The shortcut where the number of channels or the grid changes: 1×1 convolution, batch norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class BasicBlock(nn.Module):
    """Two 3×3 convolutions. ``residual=False`` leaves out the sum, and keeps the parameters of a shortcut.

    ``dilations`` are those of the two convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        dilations: tuple[int, int] = (1, 1),
        *,
        residual: bool = True,
    ) -> None:
        super().__init__()
        first, second = dilations
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=first, dilation=first, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=second, dilation=second, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        changes = stride != 1 or in_channels != channels
        # Without the sum nothing uses this branch. DRN-C-58 has it all the same (layer7.0, 2048 → 512), and its
        # parameters are in the published weights: kept, so that those load and the count agrees.
        self.downsample = projection(in_channels, channels, stride) if changes else None
        self.residual = residual

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """Convolve twice; add the shortcut."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        return self.relu(out)


class Bottleneck(nn.Module):
    """1×1, 3×3 (which carries stride and dilation), 1×1 convolution.

    ``project`` puts a projection on the shortcut where the shape would not ask for one (DetNet's block B).
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        dilation: int = 1,
        *,
        project: bool = False,
    ) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        changes = project or stride != 1 or in_channels != out_channels
        self.downsample = projection(in_channels, out_channels, stride) if changes else None

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """Reduce, convolve, expand; add the shortcut."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))
