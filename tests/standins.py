"""Networks whose answers can be worked out by hand, and that know their limits."""

import torch
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.data import Classes
from intarsia.inference import Execution, Preprocessing, Segmenter
from intarsia.models import SegmentationNetwork
from intarsia.models.segmentation_network import LastMap


class Pointwise(nn.Module):
    """Gives the image itself as its only feature map, if it has at most ``most_pixels``; notes the sizes it saw."""

    def __init__(self, most_pixels: float) -> None:
        super().__init__()
        self.most_pixels = most_pixels
        self.seen: list[tuple[int, int]] = []

    def forward(self, images: Tensor) -> tuple[Tensor]:
        rows, columns = images.shape[-2:]
        if rows * columns > self.most_pixels:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.seen.append((rows, columns))
        return (images,)


class Finest(nn.Module):
    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        return features[0]


def pointwise(
    classes: int = 3, channels: int = 3, most_pixels: float = float("inf"), outputs: int | None = None, **fields: object
) -> Segmenter:
    """A segmenter that looks at single pixels: one random linear layer."""
    mean, std = (0.5,) * channels, (0.25,) * channels
    backbone = Backbone(Pointwise(most_pixels), BackboneSpec("x", (channels,), (1,), (1,), mean, std), "scratch")
    head = nn.Conv2d(channels, outputs or classes, 1)
    nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(0))
    assert head.bias is not None
    nn.init.zeros_(head.bias)
    net = SegmentationNetwork(backbone, Finest(), head).eval()
    return Segmenter(net, Preprocessing(mean, std), Classes.numbered(classes), Execution(), **fields)  # pyright: ignore[reportArgumentType]


class Patches(nn.Module):
    """Squares of ``side`` pixels become positions of some channels, by one convolution: the fastest backbone."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, channels, side, side)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.patches(images),)


def patch_network(*blocks: nn.Module, channels: int = 16, side: int = 8, classes: int = 3) -> SegmentationNetwork:
    """Patches, the blocks as ``decoder.1``, ``decoder.2``, …, and a classifier; in evaluation mode."""
    torch.manual_seed(0)
    spec = BackboneSpec("patches", (channels,), (side,), (side,), (0.5,) * 3, (0.5,) * 3)
    backbone = Backbone(Patches(channels, side), spec, "")
    decoder = nn.Sequential(LastMap(), *blocks)
    return SegmentationNetwork(backbone, decoder, nn.Conv2d(channels, classes, 1)).eval()
