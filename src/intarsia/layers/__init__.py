"""The blocks of the papers, each usable on its own."""

from intarsia.layers.aspp import ASPP
from intarsia.layers.attention import attend
from intarsia.layers.attention_refinement import AttentionRefinement, FeatureFusion
from intarsia.layers.convolutions import PooledBatchNorm2d, convolution, separable_convolution
from intarsia.layers.dilated import DilatedAvgPool2d, DilatedConv2d, DilatedMaxPool2d
from intarsia.layers.dual_attention import ChannelAttention, PositionAttention
from intarsia.layers.hybrid_dilation import coverage, hdc_maximum_distance
from intarsia.layers.non_local import NonLocal
from intarsia.layers.padding import Sides, same_padding
from intarsia.layers.pyramid_pooling import PyramidPooling
from intarsia.layers.resizing import pad_to_multiple, resize
from intarsia.layers.squeeze_excitation import SqueezeExcitation
from intarsia.layers.upsampling import (
    BilinearDeconvolution,
    DenseUpsamplingConvolution,
    ResizeConvolution,
    SubPixel,
    bilinear_filter,
)

__all__ = [
    "ASPP",
    "AttentionRefinement",
    "BilinearDeconvolution",
    "ChannelAttention",
    "DenseUpsamplingConvolution",
    "DilatedAvgPool2d",
    "DilatedConv2d",
    "DilatedMaxPool2d",
    "FeatureFusion",
    "NonLocal",
    "PooledBatchNorm2d",
    "PositionAttention",
    "PyramidPooling",
    "ResizeConvolution",
    "Sides",
    "SqueezeExcitation",
    "SubPixel",
    "attend",
    "bilinear_filter",
    "convolution",
    "coverage",
    "hdc_maximum_distance",
    "pad_to_multiple",
    "resize",
    "same_padding",
    "separable_convolution",
]
