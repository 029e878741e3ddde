"""ycszen/TorchSeg: the authors' BiSeNet on Xception39 or a ResNet, with or without its training heads.

Its "speed" networks have the same parameters; their logits stay at an eighth of the image.
"""

from intarsia.models.bisenet import FORMS
from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, normalised, renamed, resnet_name

FORM = "torchseg"
RULES = [
    (r"context_path\.", "backbone.body."),
    *normalised(r"spatial_path\.conv_7x7", "spatial_path.0"),
    *normalised(r"spatial_path\.conv_3x3_1", "spatial_path.1"),
    *normalised(r"spatial_path\.conv_3x3_2", "spatial_path.2"),
    *normalised(r"spatial_path\.conv_1x1", "spatial_path.3"),
    *normalised(r"global_context\.1", "decoder.tail"),
    *normalised(r"arms\.(\d)\.conv_3x3", r"decoder.refine.\1.features"),
    *normalised(r"arms\.(\d)\.channel_attention\.1", r"decoder.refine.\1.attention"),
    *normalised(r"refines\.(\d)", r"decoder.merge.\1"),
    *normalised(r"ffm\.conv_1x1", "decoder.fusion.fuse"),
    (r"ffm\.channel_attention\.1\.conv\.", "decoder.fusion.attention.0."),
    (r"ffm\.channel_attention\.2\.conv\.", "decoder.fusion.attention.2."),
    *normalised(r"heads\.2\.conv_3x3", "head.0"),
    (r"heads\.2\.conv_1x1\.", "head.1."),
    *normalised(r"heads\.([01])\.conv_3x3", r"auxiliary_heads.\1.0"),
    (r"heads\.([01])\.conv_1x1\.", r"auxiliary_heads.\1.1."),
]


def read(state: StateDict) -> Reading | None:
    """Recognise by the names of the two paths; the heads' widths differ from network to network."""
    xception = "context_path.conv1.conv.weight" in state
    backbone = "xception39" if xception else resnet_name(state, "context_path.")
    if backbone is None or "heads.2.conv_1x1.weight" not in state:
        return None
    classes, width = state["heads.2.conv_1x1.weight"].shape[:2]
    found = {"head_channels": width}
    auxiliary = "heads.0.conv_1x1.weight" in state
    if auxiliary:
        found["auxiliary_channels"] = state["heads.0.conv_1x1.weight"].shape[1]
    options = {name: value for name, value in found.items() if getattr(FORMS[FORM], name) != value}
    channels = state["spatial_path.conv_7x7.conv.weight"].shape[1]
    blueprint = Blueprint("bisenet", backbone, classes, 32, channels, FORM, auxiliary, options)
    return Reading(blueprint, renamed(state, RULES))


LAYOUT = Layout("ycszen/TorchSeg", read)
