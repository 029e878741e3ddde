"""torchvision: DeepLab v3 and FCN on ResNets, with or without their auxiliary classifiers."""

from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, renamed, resnet_name, stem_channels

SHARED = [
    (r"backbone\.", "backbone.body."),
    (r"classifier\.4\.", "head."),
    (r"aux_classifier\.([01])\.", r"auxiliary_heads.0.0.\1."),
    (r"aux_classifier\.4\.", "auxiliary_heads.0.2."),
]
DEEPLAB_V3 = [
    (r"classifier\.0\.convs\.4\.1\.", "decoder.aspp.image_pooling.0."),
    (r"classifier\.0\.convs\.4\.2\.", "decoder.aspp.image_pooling.1."),
    (r"classifier\.0\.convs\.(\d)\.", r"decoder.aspp.branches.\1."),
    (r"classifier\.0\.project\.", "decoder.aspp.project."),
    (r"classifier\.1\.", "decoder.refine.0."),
    (r"classifier\.2\.", "decoder.refine.1."),
    *SHARED,
]
FCN = [
    (r"classifier\.0\.", "decoder.convolution.0."),
    (r"classifier\.1\.", "decoder.convolution.1."),
    *SHARED,
]


def read(state: StateDict) -> Reading | None:
    """Recognise by the classifier's names: DeepLab's is a pyramid. Output stride 8 is the only one there."""
    backbone = resnet_name(state, "backbone.")
    if backbone is None or "classifier.4.weight" not in state:
        return None
    classes, channels = state["classifier.4.weight"].shape[0], stem_channels(state, "backbone.")
    auxiliary = "aux_classifier.0.weight" in state
    model, rules = ("fcn", FCN) if "classifier.0.weight" in state else ("deeplabv3", DEEPLAB_V3)
    blueprint = Blueprint(model, backbone, classes, 8, channels, "torchvision", auxiliary)
    return Reading(blueprint, renamed(state, rules))


LAYOUT = Layout("torchvision", read)
