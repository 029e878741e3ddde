"""DetNet-59, a backbone made for localisation (Li et al., arXiv:1804.06215): stride 16 to its end.

Stages 1 to 4 are ResNet-50's; stages 5 and 6 are three bottlenecks each with 3×3 convolutions of dilation 2, the first
of which has a 1×1 convolution on its shortcut (section 3.2, block B in figure 2). The paper fixes the new stages' width
at "256" and states 4.8 GFLOPs: with bottlenecks of 256 and outputs of 1024 channels we count 4.85, with outputs of 256
channels 3.28. The former is `detnet59`, the latter `detnet59_256`.
"""

from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.body import Body, initialise
from intarsia.backbones.residual import EXPANSION, Bottleneck

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2))  # ResNet-50's width, blocks, stride of stages 2, 3, 4


class DetNet(nn.Module):
    """Six stages, one map each; ``layer1`` is stage 2, so that ResNet-50's parameters fit by name up to stage 4."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, levels = 64, []
        for stage_width, count, stride in STAGES:
            out = EXPANSION * stage_width
            rest = (Bottleneck(out, stage_width) for _ in range(count - 1))
            levels.append(nn.Sequential(Bottleneck(channels, stage_width, stride), *rest))
            channels = out
        for _ in range(2):
            out = EXPANSION * width
            rest = (Bottleneck(out, width, dilation=2) for _ in range(2))
            levels.append(nn.Sequential(Bottleneck(channels, width, dilation=2, project=True), *rest))
            channels = out
        self.layer1, self.layer2, self.layer3, self.layer4, self.layer5 = levels
        initialise(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B _ _ _"], ...]:
        """The maps of stages 1 to 6."""
        maps = [self.relu(self.bn1(self.conv1(images)))]
        maps.append(self.layer1(self.maxpool(maps[0])))
        for level in (self.layer2, self.layer3, self.layer4, self.layer5):
            maps.append(level(maps[-1]))
        return tuple(maps)


def detnet59(in_channels: int, channels: int = 1024) -> Body:
    """DetNet-59 with that many output channels. Stage 5 stands where a ResNet has its stride-32 stage.

    >>> detnet59(3).strides
    (2, 4, 8, 16, 16, 16)
    """
    return Body(
        DetNet(in_channels, channels // EXPANSION),
        (64, 256, 512, 1024, channels, channels),
        (2, 4, 8, 16, 16, 16),
        (2, 4, 8, 16, 32, 32),
    )
