"""DeepLab v2: parallel dilated classifiers, and the same image at several scales."""

import math
from functools import reduce
from types import MappingProxyType
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone
from intarsia.errors import ArgumentError
from intarsia.layers.hybrid_dilation import checked_rates
from intarsia.layers.resizing import resize
from intarsia.models.deeplab_v1 import classifier
from intarsia.models.framing import Resized
from intarsia.models.options import Form
from intarsia.models.segmentation_network import LastMap, SegmentationNetwork

Scale = Annotated[float, Field(gt=0, le=2)]


@dataclass(frozen=True, kw_only=True)
class DeepLabV2Form(Form):
    """``rates`` are those at output stride 8, and half as large at 16.

    ``scales``: the image is also seen at these, up to 2, and the largest score counts. With ``hidden`` channels each
    branch is a whole classifier, fc6 – fc7 – fc8, as on VGG16; otherwise one 3×3 convolution, as on ResNet-101.
    """

    rates: tuple[PositiveInt, ...] = (6, 12, 18, 24)
    scales: tuple[Scale, ...] = (0.75, 0.5)
    hidden: NonNegativeInt = 0
    align_corners: bool = True  # Caffe's Interp


FORMS = MappingProxyType(
    {
        "paper": DeepLabV2Form(),
        "vgg": DeepLabV2Form(hidden=1024, scales=()),
        "kazuto": DeepLabV2Form(align_corners=False),
    }
)


class SummedPyramid(nn.Module):
    """Atrous spatial pyramid pooling of DeepLab v2: a classifier at each rate, and the sum of their scores.

    arXiv:1606.00915, section 3.2, figures 4 and 7.
    """

    def __init__(self, channels: int, classes: int, rates: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        self.rates = checked_rates(rates)
        make = _deep_branch if hidden else _branch
        self.branches = nn.ModuleList(make(channels, classes, rate, hidden) for rate in rates)

    @property
    def fewest_positions(self) -> int:
        """So many that the smallest rate reaches another position than its own."""
        return min(self.rates) + 1

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """The sum over the branches."""
        return torch.stack([branch(x) for branch in self.branches]).sum(0)


def _branch(channels: int, classes: int, rate: int, hidden: int) -> nn.Module:
    return classifier(channels, classes, 3, rate)


def _deep_branch(channels: int, classes: int, rate: int, hidden: int) -> nn.Sequential:
    fc6, fc7 = nn.Conv2d(channels, hidden, 3, padding=rate, dilation=rate), nn.Conv2d(hidden, hidden, 1)
    rest = (nn.ReLU(inplace=True), nn.Dropout(0.5))  # the rate of VGG16, whose layers they are
    return nn.Sequential(fc6, *rest, fc7, nn.ReLU(inplace=True), nn.Dropout(0.5), classifier(hidden, classes))


class MultiScaleNetwork(SegmentationNetwork):
    """The same network on the image at several scales; for each score the largest one counts.

    arXiv:1606.00915, section 4.1.2 (MSC). Smaller maps are resized to that of the image at its own size. If
    ``supervised``, training gets the scores of each scale on their own too, to be trained like their maximum.
    """

    scales: tuple[float, ...] = ()
    supervised: bool = False

    @property
    def fewest_positions(self) -> int:
        """So many that two rows are left at the smallest scale: one position leaves batch norm no variance."""
        return math.ceil(2 / min((1.0, *self.scales)))

    def maps(
        self, images: Float[Tensor, "B C H W"], features: tuple[Float[Tensor, "B _ _ _"], ...] | None = None
    ) -> list[Float[Tensor, "B K _ _"]]:
        """The largest scores; in training, if supervised, those of each scale behind them."""
        align_corners = self.frame.align_corners
        (own,) = super().maps(images, features)
        every = [own]
        for scale in self.scales:
            size = tuple(scaled(length, scale, align_corners) for length in images.shape[-2:])
            (scores,) = super().maps(resize(images, (size[0], size[1]), align_corners))
            every.append(resize(scores, own.shape[-2:], align_corners))
        largest = reduce(torch.maximum, every)
        return [largest, *every] if self.training and self.supervised else [largest]


def scaled(length: int, scale: float, align_corners: bool) -> int:
    """Pixels at another scale: distances between corner pixels scale in Caffe, edges elsewhere.

    >>> scaled(321, 0.75, align_corners=True), scaled(321, 0.75, align_corners=False)
    (241, 240)
    """
    return max(1, int((length - 1) * scale) + 1 if align_corners else int(length * scale))


def deeplab_v2(backbone: Backbone, classes: int, form: DeepLabV2Form, auxiliary: bool) -> SegmentationNetwork:
    """Dilated backbone, summed classifiers at four rates, maximum over scales, bilinear upsampling.

    arXiv:1606.00915. ``auxiliary`` supervises each scale on its own, with weight 1, as the paper does. The dense CRF
    that the paper puts behind it is no part of the network.
    """
    if auxiliary and not form.scales:
        raise ArgumentError(
            "`auxiliary` (=True) of deeplabv2 supervises each of `scales` on its own, and there are none; give scales "
            "such as (0.75, 0.5), or leave `auxiliary` out."
        )
    stride = backbone.spec.output_stride
    if any(rate * 8 % stride for rate in form.rates):
        raise ArgumentError(
            f"`rates` (={form.rates}) are those at output stride 8 and must be even to be halved for {stride}; use "
            "(6, 12, 18, 24), or output_stride=8."
        )
    rates = tuple(rate * 8 // stride for rate in form.rates)
    head = SummedPyramid(backbone.spec.channels[-1], classes, rates, form.hidden)
    net = MultiScaleNetwork(backbone, LastMap(), head, frame=Resized(form.align_corners))
    net.scales, net.supervised = form.scales, auxiliary
    net.auxiliary_weights = (1.0,) * (1 + len(form.scales)) if auxiliary else ()
    return net
