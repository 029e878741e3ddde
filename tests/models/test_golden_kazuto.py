"""kazuto1011/deeplab-pytorch: its weights load, and its outputs come out."""

import pytest
import torch
from goldens import golden

from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.models import create_model, load_weights
from intarsia.models.layouts import kazuto


@torch.no_grad()
@pytest.mark.parametrize(("name", "more"), [("deeplabv1", ""), ("deeplabv2", r", scales=\(\)")])
def test_logits_at_an_eighth_are_the_originals(name: str, more: str) -> None:
    expected = golden(f"{name}_resnet101")
    asked = create_model(name, "test_resnet", classes=5).double().eval()
    with pytest.warns(IntarsiaWarning, match=f"{name} on resnet101_caffe at .*, 21 classes, form kazuto{more};.*BGR"):
        net = load_weights(asked, expected.state_dict())
    (logits,) = net.maps(expected.image())
    expected.check("main", logits)


@pytest.mark.parametrize("prefix", ["base.", "scale."])
def test_weights_of_several_scales_are_told_by_their_prefix(prefix: str) -> None:
    names = golden("deeplabv2_resnet101").names
    reading = kazuto.read({prefix + name: torch.empty(shape, device="meta") for name, shape in names.items()})
    assert reading is not None
    assert reading.blueprint.options == {}
    with torch.device("meta"):
        assert reading.tensors.keys() == create_model("deeplabv2").state_dict().keys()


def test_other_depths_are_not_recognised() -> None:
    state = {n: torch.empty(s) for n, s in golden("deeplabv2_resnet101").names.items() if "layer4.block23" not in n}
    with pytest.raises(ArgumentError, match="neither this network's nor those of"):
        load_weights(create_model("deeplabv2", "test_resnet"), state)
