"""segmentation_models_pytorch: Unet, DeepLabV3, DeepLabV3Plus and PSPNet on ResNets.

Its state dicts do not tell output strides, rates or how the decoder interpolates: those are taken for its defaults.
"""

import torch
from torch import Tensor

from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, renamed, resnet_name, stem_channels

ENDS = [
    (r"encoder\.fc\.", None),
    (r"encoder\.", "backbone.body."),
    (r"segmentation_head\.0\.", "head."),
]
UNET = [
    (r"decoder\.blocks\.(\d+)\.conv1\.(\d)", r"decoder.stages.\1.0.\2"),
    (r"decoder\.blocks\.(\d+)\.conv2\.(\d)", r"decoder.stages.\1.1.\2"),
    *ENDS,
]
DEEPLAB_V3 = [
    (r"decoder\.aspp\.convs\.4\.1\.", "decoder.aspp.image_pooling.0."),
    (r"decoder\.aspp\.convs\.4\.2\.", "decoder.aspp.image_pooling.1."),
    (r"decoder\.aspp\.convs\.", "decoder.aspp.branches."),
    (r"decoder\.conv\.", "decoder.refine.0."),
    (r"decoder\.bn\.", "decoder.refine.1."),
    *ENDS,
]
DEEPLAB_V3_PLUS = [
    (r"decoder\.aspp\.0\.convs\.4\.1\.", "decoder.aspp.image_pooling.0."),
    (r"decoder\.aspp\.0\.convs\.4\.2\.", "decoder.aspp.image_pooling.1."),
    (r"decoder\.aspp\.0\.convs\.0\.", "decoder.aspp.branches.0."),
    (r"decoder\.aspp\.0\.convs\.(\d)\.0\.", r"decoder.aspp.branches.\1."),  # both halves of a separable convolution
    (r"decoder\.aspp\.0\.convs\.(\d)\.1\.", r"decoder.aspp.branches.\1.2."),  # its batch norm
    (r"decoder\.aspp\.0\.", "decoder.aspp."),
    (r"decoder\.aspp\.1\.", "decoder.deepen."),
    (r"decoder\.aspp\.2\.", "decoder.deepen.2."),
    (r"decoder\.block1\.", "decoder.narrow."),
    (r"decoder\.block2\.0\.", "decoder.refine.0."),
    (r"decoder\.block2\.1\.", "decoder.refine.0.2."),
    *ENDS,
]
PSPNET = [
    (r"encoder\.layer[34]\.", None),  # never run: the pyramid pools the map at stride 8
    (r"decoder\.psp\.blocks\.(\d+)\.pool\.1\.", r"decoder.pooling.levels.\1."),
    (r"decoder\.conv\.", "decoder.fuse."),
    *ENDS,
]
SIGNS = (  # a name that only this model has, the model, its rules, its default output stride
    ("decoder.blocks.0.conv1.0.weight", "unet", UNET, 32),
    ("decoder.aspp.convs.0.0.weight", "deeplabv3", DEEPLAB_V3, 8),
    ("decoder.aspp.0.convs.1.0.1.weight", "deeplabv3plus", DEEPLAB_V3_PLUS, 16),
    ("decoder.psp.blocks.0.pool.1.0.weight", "pspnet", PSPNET, 8),
)


def read(state: StateDict) -> Reading | None:
    """Recognise by the decoder's names."""
    backbone = resnet_name(state, "encoder.")
    if backbone is None or "segmentation_head.0.weight" not in state:
        return None
    classes, channels = state["segmentation_head.0.weight"].shape[0], stem_channels(state, "encoder.")
    for sign, model, rules, output_stride in SIGNS:
        if sign in state:
            blueprint = Blueprint(model, backbone, classes, output_stride, channels, "smp")
            tensors = _in_our_order(renamed(state, rules))
            return Reading(blueprint, tensors, untold=frozenset({"output_stride", "options"}))
    return None


def _in_our_order(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Its pyramid lies in front of the map, ours behind it."""
    fuse = tensors.get("decoder.fuse.0.weight")
    if fuse is not None:
        pyramid, own = fuse.chunk(2, dim=1)
        tensors["decoder.fuse.0.weight"] = torch.cat([own, pyramid], dim=1)
    return tensors


LAYOUT = Layout("segmentation_models_pytorch", read)
