"""The blocks of the papers, each usable on its own."""

from intarsia.layers.aspp import ASPP
from intarsia.layers.convolutions import PooledBatchNorm2d, convolution, separable_convolution
from intarsia.layers.dilated import DilatedAvgPool2d, DilatedConv2d, DilatedMaxPool2d
from intarsia.layers.padding import Sides, same_padding
from intarsia.layers.pyramid_pooling import PyramidPooling
from intarsia.layers.resizing import pad_to_multiple, resize

__all__ = [
    "ASPP",
    "DilatedAvgPool2d",
    "DilatedConv2d",
    "DilatedMaxPool2d",
    "PooledBatchNorm2d",
    "PyramidPooling",
    "Sides",
    "convolution",
    "pad_to_multiple",
    "resize",
    "same_padding",
    "separable_convolution",
]
