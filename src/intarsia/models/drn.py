"""Dilated residual networks as a segmenter."""

import math
from types import MappingProxyType

from pydantic.dataclasses import dataclass
from torch import nn

from intarsia.backbones import Backbone
from intarsia.layers.upsampling import BilinearDeconvolution
from intarsia.models.framing import Cropped
from intarsia.models.options import Form
from intarsia.models.segmentation_network import LastMap, SegmentationNetwork


@dataclass(frozen=True, kw_only=True)
class DRNForm(Form):
    """``learn_upsampling`` frees the deconvolution, which starts bilinear."""

    learn_upsampling: bool = False


FORMS = MappingProxyType({"paper": DRNForm()})


def drn(backbone: Backbone, classes: int, form: DRNForm, auxiliary: bool) -> SegmentationNetwork:
    """A 1×1 convolution on the last map and bilinear upsampling: all the rest is the backbone's.

    Yu, Koltun and Funkhouser, arXiv:1705.09914, section 5.3, and the authors' segment.py: the deconvolution has
    kernel 16, stride 8 and padding 4, a filter for each class, and is not learned. What it gives beyond the image is
    cut off.
    """
    assert not auxiliary, "the catalog says that there is none"
    spec = backbone.spec
    scores = nn.Conv2d(spec.channels[-1], classes, 1)
    nn.init.normal_(scores.weight, std=math.sqrt(2 / classes))  # the authors' code: the outputs count, for once
    nn.init.zeros_(scores.bias)  # pyright: ignore[reportArgumentType]
    upsampling = BilinearDeconvolution(classes, spec.output_stride, learnable=form.learn_upsampling)
    return SegmentationNetwork(backbone, LastMap(), nn.Sequential(scores, upsampling), frame=Cropped())
