"""junfu1115/DANet: DANet on ResNets with the plain or the deep stem, at output stride 8 with multi-grid."""

from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, renamed, resnet_name, stem_channels

RULES = [
    (r"pretrained\.fc\.", None),  # the classifier that some files carry along
    (r"pretrained\.", "backbone.body."),
    (r"head\.conv5a\.", "decoder.position.0."),
    (r"head\.sa\.(query|key|value)_conv\.", r"decoder.position.1.\1."),
    (r"head\.sa\.", "decoder.position.1."),
    (r"head\.conv51\.", "decoder.position.2."),
    (r"head\.conv5c\.", "decoder.channel.0."),
    (r"head\.sc\.", "decoder.channel.1."),
    (r"head\.conv52\.", "decoder.channel.2."),
    (r"head\.conv6\.", "auxiliary_heads.0."),
    (r"head\.conv7\.", "auxiliary_heads.1."),
    (r"head\.conv8\.", "head."),
]


def read(state: StateDict) -> Reading | None:
    """Recognise by the head's names."""
    backbone = resnet_name(state, "pretrained.")
    if backbone is None or "head.conv8.1.weight" not in state:
        return None
    classes, channels = state["head.conv8.1.weight"].shape[0], stem_channels(state, "pretrained.")
    blueprint = Blueprint("danet", backbone, classes, 8, channels, "junfu1115", auxiliary=True)
    return Reading(blueprint, renamed(state, RULES))


LAYOUT = Layout("junfu1115/DANet", read)
