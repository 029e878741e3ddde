"""hszhao/semseg: PSPNet on ResNets with a deep stem, auxiliary head included."""

from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, renamed, resnet_name

RULES = [
    (r"layer0\.([01346])\.", r"backbone.body.conv1.\1."),
    (r"layer0\.7\.", "backbone.body.bn1."),
    (r"layer", "backbone.body.layer"),
    (r"ppm\.features\.(\d+)\.1\.", r"decoder.pooling.levels.\1.0."),
    (r"ppm\.features\.(\d+)\.2\.", r"decoder.pooling.levels.\1.1."),
    (r"cls\.([01])\.", r"decoder.fuse.\1."),
    (r"cls\.4\.", "head."),
    (r"aux\.([01])\.", r"auxiliary_heads.0.0.\1."),
    (r"aux\.4\.", "auxiliary_heads.0.2."),
]


def read(state: StateDict) -> Reading | None:
    """Recognise by the pyramid's names."""
    resnet = resnet_name(state, "")
    if resnet is None or "ppm.features.0.1.weight" not in state:
        return None
    classes, channels = state["cls.4.weight"].shape[0], state["layer0.0.weight"].shape[1]
    auxiliary = "aux.4.weight" in state
    blueprint = Blueprint("pspnet", f"{resnet}_deep_stem", classes, 8, channels, "semseg", auxiliary)
    return Reading(blueprint, renamed(state, RULES))


LAYOUT = Layout("hszhao/semseg", read)
