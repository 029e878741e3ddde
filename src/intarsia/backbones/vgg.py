"""VGG16 (arXiv:1409.1556, configuration D) as a fully convolutional network, in the forms of FCN and of DeepLab v1.

Parameter names are Caffe's: conv1_1 … conv5_3, fc6, fc7.
"""

from collections.abc import Iterator

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.body import Body, initialise

WIDTHS = (64, 128, 256, 512, 512)
COUNTS = (2, 2, 3, 3, 3)

Maps = tuple[Float[Tensor, "B _ _ _"], ...]


class _VGG16(nn.Module):
    """The thirteen convolutions; what pools, pads and classifies is the subclass's."""

    def __init__(self, in_channels: int, first_padding: int = 1, last_dilation: int = 1) -> None:
        super().__init__()
        for level, (width, count) in enumerate(zip(WIDTHS, COUNTS, strict=True), start=1):
            dilation = last_dilation if level == len(WIDTHS) else 1
            for number in range(1, count + 1):
                padding = first_padding if level == number == 1 else dilation
                conv = nn.Conv2d(in_channels, width, 3, padding=padding, dilation=dilation)
                self.add_module(f"conv{level}_{number}", conv)
                in_channels = width
        self.dropout6, self.dropout7 = nn.Dropout(0.5), nn.Dropout(0.5)

    def levels(self) -> Iterator[list[nn.Module]]:
        """The convolutions between two poolings, five times."""
        for level, count in enumerate(COUNTS, start=1):
            yield [self.get_submodule(f"conv{level}_{number}") for number in range(1, count + 1)]

    def pooled(self, images: Tensor) -> list[Tensor]:
        """The five maps behind the poolings."""
        maps, x = [], images
        for level, convolutions in enumerate(self.levels(), start=1):
            for conv in convolutions:
                x = F.relu(conv(x))
            x = self.get_submodule(f"pool{level}")(x)
            maps.append(x)
        return maps

    def fully_connected(self, x: Tensor) -> Tensor:
        """Fc6 and fc7, which are convolutions here, each with ReLU and dropout."""
        for number in (6, 7):
            x = self.get_submodule(f"dropout{number}")(F.relu(self.get_submodule(f"fc{number}")(x)))
        return x


class VGG16FCN(_VGG16):
    """FCN's VGG16 (arXiv:1605.06211, section 4.1, and the authors' net.py).

    The first convolution pads 100 pixels, so that the unpadded 7×7 convolution fc6 finds room in an image of any size,
    and pooling rounds up as Caffe's does.
    """

    def __init__(self, in_channels: int, width: int = 4096) -> None:
        super().__init__(in_channels, first_padding=100)
        for level in range(1, 6):
            self.add_module(f"pool{level}", nn.MaxPool2d(2, stride=2, ceil_mode=True))
        self.fc6 = nn.Conv2d(WIDTHS[-1], width, 7)
        self.fc7 = nn.Conv2d(width, width, 1)
        initialise(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Maps:
        """Pool3, pool4 and fc7."""
        maps = self.pooled(images)
        return maps[2], maps[3], self.fully_connected(maps[4])


class VGG16LargeFOV(_VGG16):
    """DeepLab v1's VGG16 (arXiv:1412.7062, sections 3.1 and 4.1): stride 8, a large field of view in few parameters.

    The last two poolings have stride 1; conv5 has dilation 2, fc6 is 3×3 with dilation 12, and both fully connected
    layers have 1024 channels. The 3×3 average behind pool5 is in the authors' prototxt as we remember it, and not in
    the paper.
    """

    def __init__(self, in_channels: int, width: int = 1024) -> None:
        super().__init__(in_channels, last_dilation=2)
        for level in range(1, 6):
            moves = level <= 3
            self.add_module(f"pool{level}", nn.MaxPool2d(3, stride=2 if moves else 1, padding=1, ceil_mode=moves))
        self.pool5a = nn.AvgPool2d(3, stride=1, padding=1)
        self.fc6 = nn.Conv2d(WIDTHS[-1], width, 3, padding=12, dilation=12)
        self.fc7 = nn.Conv2d(width, width, 1)
        initialise(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Maps:
        """Pool1 to pool4 and fc7."""
        maps = self.pooled(images)
        return (*maps[:4], self.fully_connected(self.pool5a(maps[4])))


def vgg16_fcn(in_channels: int) -> Body:
    """FCN's VGG16. Its maps start outside the image: 99 pixels of padding more than keep the size lie around it.

    >>> import torch
    >>> with torch.device("meta"):
    ...     vgg16_fcn(3).origins
    (-95.5, -91.5, 12.5)
    """
    body = VGG16FCN(in_channels)
    extra = 99
    # the middle of 8, 16, 32 pixels; fc6 starts three samples of stride 32 behind
    origins = (3.5 - extra, 7.5 - extra, 15.5 + 3 * 32 - extra)
    return Body(body, (256, 512, body.fc7.out_channels), (8, 16, 32), (8, 16, 32), origins=origins)


def vgg16_largefov(in_channels: int) -> Body:
    """DeepLab v1's VGG16."""
    body = VGG16LargeFOV(in_channels)
    return Body(body, (*WIDTHS[:4], body.fc7.out_channels), (2, 4, 8, 8, 8), (2, 4, 8, 16, 32))
