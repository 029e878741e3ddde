"""CoinCheung/BiSeNet: the first BiSeNet on ResNet-18, with or without its training heads."""

from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, normalised, renamed, resnet_name

RULES = [
    (r"cp\.resnet\.", "backbone.body."),
    *normalised(r"cp\.conv_avg", "decoder.tail"),
    *normalised(r"cp\.arm32\.conv", "decoder.refine.0.features"),
    *normalised(r"cp\.arm16\.conv", "decoder.refine.1.features"),
    (r"cp\.arm32\.conv_atten\.", "decoder.refine.0.attention.0."),
    (r"cp\.arm32\.bn_atten\.", "decoder.refine.0.attention.1."),
    (r"cp\.arm16\.conv_atten\.", "decoder.refine.1.attention.0."),
    (r"cp\.arm16\.bn_atten\.", "decoder.refine.1.attention.1."),
    *normalised(r"cp\.conv_head32", "decoder.merge.0"),
    *normalised(r"cp\.conv_head16", "decoder.merge.1"),
    *normalised(r"sp\.conv1", "spatial_path.0"),
    *normalised(r"sp\.conv2", "spatial_path.1"),
    *normalised(r"sp\.conv3", "spatial_path.2"),
    *normalised(r"sp\.conv_out", "spatial_path.3"),
    *normalised(r"ffm\.convblk", "decoder.fusion.fuse"),
    *normalised("ffm", "decoder.fusion.attention"),
    *normalised(r"conv_out\.conv", "head.0"),
    (r"conv_out\.conv_out\.", "head.1."),
    *normalised(r"conv_out32\.conv", "auxiliary_heads.0.0"),
    (r"conv_out32\.conv_out\.", "auxiliary_heads.0.1."),
    *normalised(r"conv_out16\.conv", "auxiliary_heads.1.0"),
    (r"conv_out16\.conv_out\.", "auxiliary_heads.1.1."),
]


def read(state: StateDict) -> Reading | None:
    """Recognise by the names of the two paths."""
    backbone = resnet_name(state, "cp.resnet.")
    if backbone is None or "sp.conv_out.conv.weight" not in state:
        return None
    classes, channels = state["conv_out.conv_out.weight"].shape[0], state["sp.conv1.conv.weight"].shape[1]
    auxiliary = "conv_out16.conv_out.weight" in state
    return Reading(
        Blueprint("bisenet", backbone, classes, 32, channels, "coincheung", auxiliary), renamed(state, RULES)
    )


LAYOUT = Layout("CoinCheung/BiSeNet", read)
