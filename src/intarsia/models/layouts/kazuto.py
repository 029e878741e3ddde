"""kazuto1011/deeplab-pytorch: DeepLab v1 and v2 on the ResNet-101 of Caffe."""

import re

from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, renamed

NORMALISED = (("conv", "conv"), ("bn", "bn"))
# Levels count from the stem, which is 1, and blocks from 1; ours from the first blocks, and from 0.
NAMES = [
    *((rf"layer1\.conv1\.{part}\.", f"backbone.body.{ours}1.") for part, ours in NORMALISED),
    *(
        (
            rf"layer{level}\.block{block}\.{unit}\.{part}\.",
            f"backbone.body.layer{level - 1}.{block - 1}.{ours}{number}.",
        )
        for level, count in ((2, 3), (3, 4), (4, 23), (5, 3))
        for block in range(1, count + 1)
        for number, unit in enumerate(("reduce", "conv3x3", "increase"), start=1)
        for part, ours in NORMALISED
    ),
    *(
        (rf"layer{level}\.block1\.shortcut\.{part}\.", f"backbone.body.layer{level - 1}.0.downsample.{number}.")
        for level in range(2, 6)
        for number, part in enumerate(("conv", "bn"))
    ),
    (r"fc\.", "head."),
    (r"aspp\.c(\d)\.", r"head.branches.\1."),
]
NOTE = "They expect images in BGR order with values from 0 to 255, less the mean (104.008, 116.669, 122.675)."


def read(state: StateDict) -> Reading | None:
    """Recognise by the names of a bottleneck; ``base.`` or ``scale.`` before them is that of several scales."""
    plain = {re.sub(r"^(base|scale)\.", "", name): tensor for name, tensor in state.items()}
    if "layer4.block23.reduce.conv.weight" not in plain or not {"fc.weight", "aspp.c0.weight"} & plain.keys():
        return None
    channels = plain["layer1.conv1.conv.weight"].shape[1]
    if "fc.weight" in plain:
        model, classes, options = "deeplabv1", plain["fc.weight"].shape[0], {}
    else:
        several = plain.keys() != state.keys()
        model, classes, options = "deeplabv2", plain["aspp.c0.weight"].shape[0], {} if several else {"scales": ()}
    blueprint = Blueprint(model, "resnet101_caffe", classes, 8, channels, "kazuto", options=options)
    return Reading(blueprint, renamed(plain, NAMES), NOTE)


LAYOUT = Layout("kazuto1011/deeplab-pytorch", read)
