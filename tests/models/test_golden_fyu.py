"""fyu/drn's segmenter: its weights load, and its outputs come out."""

import pytest
import torch
from goldens import golden

from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.models import create_model, load_weights


@torch.no_grad()
@pytest.mark.parametrize("backbone", ["drn_c_26", "drn_d_22"])
def test_outputs_are_the_originals(backbone: str) -> None:
    expected = golden(f"drnseg_{backbone}")
    asked = create_model("drn", "test_resnet", classes=5).double().eval()
    with pytest.warns(IntarsiaWarning, match=f"fyu/drn are for drn on {backbone} at output stride 8, 19 classes"):
        net = load_weights(asked, {f"module.{name}": tensor for name, tensor in expected.state_dict().items()})
    low: list[torch.Tensor] = []
    net.head[0].register_forward_hook(lambda *arguments: low.append(arguments[-1]))
    logits = net(expected.image())
    expected.check("main", logits)
    expected.check("low", low[0])
    expected.check("log_softmax", logits.log_softmax(1))


@pytest.mark.parametrize(
    "backbone", ["drn_a_18", "drn_a_50", "drn_c_42", "drn_c_58", "drn_d_24", "drn_d_40", "drn_d_105"]
)
def test_each_drn_is_told_from_the_others(backbone: str) -> None:
    """Our own names turned into theirs and back."""
    from intarsia.models.layouts import fyu

    with torch.device("meta"):
        state = create_model("drn", backbone, classes=4).state_dict()
    kind = backbone[4].upper()
    theirs = {}
    for name, tensor in state.items():
        own = name.removeprefix("backbone.body.")
        for pattern, ours in [*fyu.NAMES[kind], *fyu.HEAD]:
            if own.startswith(ours):
                theirs[pattern.replace("\\", "") + own.removeprefix(ours)] = tensor
    reading = fyu.read(theirs)
    assert reading is not None
    assert (reading.blueprint.backbone, reading.tensors.keys()) == (backbone, state.keys())


def test_a_drn_of_another_depth_is_not_recognised() -> None:
    state = golden("drnseg_drn_c_26").state_dict()
    state |= {name.replace("base.3.0", "base.3.1"): t for name, t in state.items() if name.startswith("base.3.0")}
    with pytest.raises(ArgumentError, match="neither this network's nor those of"):
        load_weights(create_model("drn", "test_resnet"), state)
