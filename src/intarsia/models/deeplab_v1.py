"""DeepLab v1 with a large field of view."""

from types import MappingProxyType

from pydantic.dataclasses import dataclass
from torch import nn

from intarsia.backbones import Backbone
from intarsia.models.framing import Resized
from intarsia.models.options import Form
from intarsia.models.segmentation_network import LastMap, SegmentationNetwork, stage_head


@dataclass(frozen=True, kw_only=True)
class DeepLabV1Form(Form):
    """The paper's choices; ``kazuto`` is kazuto1011/deeplab-pytorch, made for ResNet-101."""

    align_corners: bool = True  # Caffe's Interp


FORMS = MappingProxyType({"paper": DeepLabV1Form(), "kazuto": DeepLabV1Form(align_corners=False)})


def deeplab_v1(backbone: Backbone, classes: int, form: DeepLabV1Form, auxiliary: bool) -> SegmentationNetwork:
    """A 1×1 convolution, fc8, on the last map, and bilinear upsampling by 8.

    Chen et al., arXiv:1412.7062, section 3; the holes are in the backbone, ``vgg16_largefov``. What the paper calls
    DeepLab-CRF-LargeFOV has a dense CRF behind it, which is no part of the network.
    """
    spec = backbone.spec
    return SegmentationNetwork(
        backbone,
        LastMap(),
        classifier(spec.channels[-1], classes),
        frame=Resized(form.align_corners),
        auxiliary=stage_head(spec, classes) if auxiliary else (),
    )


def classifier(channels: int, classes: int, kernel: int = 1, rate: int = 1) -> nn.Conv2d:
    """A convolution to the classes as DeepLab v1 and v2 begin it: normal weights of standard deviation 0.01."""
    convolution = nn.Conv2d(channels, classes, kernel, padding=rate * (kernel // 2), dilation=rate)
    nn.init.normal_(convolution.weight, std=0.01)
    nn.init.zeros_(convolution.bias)  # pyright: ignore[reportArgumentType]
    return convolution
