"""wkentaro/pytorch-fcn: FCN-32s, 16s and 8s in the names of Caffe's layers."""

from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, renamed

NAMES = [
    (r"(?=conv\d_\d\.|fc[67]\.)", "backbone.body."),
    (r"score_fr\.", "decoder.scores.0."),
    (r"score_pool4\.", "decoder.scores.1."),
    (r"score_pool3\.", "decoder.scores.2."),
    (r"upscore2\.", "decoder.upsamplings.0."),
    (r"upscore_pool4\.", "decoder.upsamplings.1."),
    (r"upscore(16|8)?\.", "head."),
]
MODELS = {"upscore.weight": "fcn32s", "upscore16.weight": "fcn16s", "upscore8.weight": "fcn8s"}
NOTE = (
    "They expect images in BGR order with values from 0 to 255, less the mean (104.00699, 116.66877, 122.67892). "
    "FCN8sAtOnce has the same names as FCN8s and is read as that."
)


def read(state: StateDict) -> Reading | None:
    """Recognise by the last deconvolution, whose name tells the net."""
    model = next((model for name, model in MODELS.items() if name in state), None)
    if model is None or "score_fr.weight" not in state or "conv1_1.weight" not in state:
        return None
    classes, channels = state["score_fr.weight"].shape[0], state["conv1_1.weight"].shape[1]
    return Reading(Blueprint(model, "vgg16_fcn", classes, 32, channels, "wkentaro"), renamed(state, NAMES), NOTE)


LAYOUT = Layout("wkentaro/pytorch-fcn", read)
