"""segmentation_models_pytorch: Unet (DeepLabV3Plus and PSPNet as well) on ResNets."""

from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, renamed, resnet_name

UNET = [
    (r"encoder\.fc\.", None),
    (r"encoder\.", "backbone.body."),
    (r"decoder\.blocks\.(\d+)\.conv1\.(\d)", r"decoder.stages.\1.0.\2"),
    (r"decoder\.blocks\.(\d+)\.conv2\.(\d)", r"decoder.stages.\1.1.\2"),
    (r"segmentation_head\.0\.", "head."),
]


def read(state: StateDict) -> Reading | None:
    """Recognise by the decoder's names."""
    backbone = resnet_name(state, "encoder.")
    if backbone is None or "segmentation_head.0.weight" not in state:
        return None
    classes, channels = state["segmentation_head.0.weight"].shape[0], state["encoder.conv1.weight"].shape[1]
    if "decoder.blocks.0.conv1.0.weight" in state:
        return Reading(Blueprint("unet", backbone, classes, 32, channels, "smp"), renamed(state, UNET))
    return None


LAYOUT = Layout("segmentation_models_pytorch", read)
