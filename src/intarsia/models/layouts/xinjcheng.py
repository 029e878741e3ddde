"""XinJCheng/CSPN: the authors' depth completion on a ResNet with bottlenecks."""

from intarsia.layers.up_projection import transposed_weight
from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, Rule, StateDict, renamed, resnet_name

FORM = "xinjcheng"
NOTE = "Its last channel of input is measured depth in metres, zero where there is none."


def _up_projection(theirs: str, ours: str) -> list[Rule]:
    return [
        (rf"{theirs}\.conv1\.", f"{ours}.up.transposed."),
        (rf"{theirs}\.bn1\.", f"{ours}.norm."),
        (rf"{theirs}\.conv1_1\.", f"{ours}.join.0."),
        (rf"{theirs}\.bn1_1\.", f"{ours}.join.1."),
        (rf"{theirs}\.conv2\.", f"{ours}.refine.0."),
        (rf"{theirs}\.bn2\.", f"{ours}.refine.1."),
        (rf"{theirs}\.sc_conv1\.", f"{ours}.shortcut.transposed."),
        (rf"{theirs}\.sc_bn1\.", f"{ours}.shortcut_norm."),
    ]


RULES: list[Rule] = [
    (r"conv1_1\.", "backbone.body.conv1."),
    (r"bn1\.", "backbone.body.bn1."),
    (r"layer([1-4])\.", r"backbone.body.layer\1."),
    (r"conv2\.", "decoder.project.0."),
    (r"bn2\.", "decoder.project.1."),
    *(rule for i in range(4) for rule in _up_projection(rf"gud_up_proj_layer{i + 1}", f"decoder.stages.{i}")),
    (r"gud_up_proj_layer5\.conv1\.", "head.transposed."),
    (r"gud_up_proj_layer6\.conv1\.", "guide.transposed."),
    *(rule for i in range(4) for rule in _up_projection(rf"up_proj_layer{i + 1}", f"unused.stages.{i}")),
    (r"conv3\.", "unused.head."),
    (r"post_process_layer\.", None),  # a constant that joins the state dict in the first forward pass
]
BEHIND_ZEROS = ".transposed.weight"


def read(state: StateDict) -> Reading | None:
    """Recognise by the stem and the head of the guidance."""
    backbone = resnet_name(state, "")
    if backbone is None or not {"conv1_1.weight", "gud_up_proj_layer6.conv1.weight"} <= state.keys():
        return None
    blueprint = Blueprint("cspn_depth", backbone, 1, 32, state["conv1_1.weight"].shape[1], FORM)
    tensors = renamed(state, RULES)
    for name in tensors:
        if name.endswith(BEHIND_ZEROS):
            tensors[name] = transposed_weight(tensors[name])
    return Reading(blueprint, tensors, NOTE)


LAYOUT = Layout("XinJCheng/CSPN", read)
