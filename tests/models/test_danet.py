"""DANet: counts, the original's outputs, what its attention does, refusals."""

from typing import Any

import pytest
import torch
from goldens import golden
from published import all_maps
from torch import nn

from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.layers import resize
from intarsia.models import create_model, load_weights

COUNTS = [
    # backbone, classes, auxiliary, parameters, where the number comes from
    ("resnet101", 19, True, 66_454_779, "junfu1115/DANet without its unused fc"),
    ("resnet50", 19, True, 47_462_651, "junfu1115/DANet without its unused fc"),
    ("resnet50", 19, False, 47_462_651 - 2 * 19 * 513, "the same without conv6 and conv7"),
]


@pytest.mark.parametrize(("backbone", "classes", "auxiliary", "parameters", "source"), COUNTS)
def test_parameter_counts(backbone: str, classes: int, auxiliary: bool, parameters: int, source: str) -> None:
    with torch.device("meta"):
        net = create_model("danet", backbone, classes=classes, auxiliary=auxiliary)
    assert sum(p.numel() for p in net.parameters()) == parameters, source


@pytest.mark.parametrize(("classes", "parameters"), [(19, 23_954_619), (21, 23_957_697)])
def test_the_head_counts_as_the_originals_does(classes: int, parameters: int) -> None:
    with torch.device("meta"):
        net = create_model("danet", "resnet50", classes=classes, auxiliary=True)
    parts = (net.decoder, net.head, net.auxiliary_heads)
    assert sum(p.numel() for part in parts for p in part.parameters()) == parameters


def test_the_originals_weights_give_the_originals_outputs() -> None:
    original = golden("danet_resnet50")
    with pytest.warns(IntarsiaWarning, match="danet on resnet50 at output stride 8, 19 classes, form junfu1115, aux"):
        net = load_weights(create_model("danet", "test_resnet").double(), original.state_dict()).eval()
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str, module: nn.Module) -> None:
        module.register_forward_hook(lambda _, __, output: seen.update({name: output}))

    keep("pam", net.decoder.position[1])
    keep("cam", net.decoder.channel[1])
    net.backbone.register_forward_hook(lambda _, __, maps: seen.update(layer4=maps[-1]))
    image = original.image()
    names = ("main", "aux1", "aux2")
    for name, logits in zip(names, all_maps(net, image), strict=True):
        original.check(name, resize(logits, image.shape[-2:], align_corners=True))
    for name, output in seen.items():
        original.check(name, output)
    assert seen.keys() == {"pam", "cam", "layer4"}
    original.check("main", net(image))


@pytest.mark.parametrize(
    ("branches", "names"),
    [("both", ("position", "channel")), ("position", ("position",)), ("channel", ("channel",)), ("none", ("plain",))],
)
def test_a_decoder_of_fewer_branches_is_the_sum_of_those_it_has(branches: str, names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    whole = create_model("danet", "test_resnet", classes=3).eval()
    net = create_model("danet", "test_resnet", classes=3, branches=branches, auxiliary=True).eval()
    assert tuple(name for name, _ in net.decoder.named_children()) == names
    assert len(net.auxiliary_heads) == len(names)
    features = whole.backbone(torch.randn(1, 3, 64, 64))
    for name in names:  # attention is the identity at first, so that a plain branch can take the weights of any
        state = whole.decoder.get_submodule("position" if name == "plain" else name).state_dict()
        net.decoder.get_submodule(name).load_state_dict(state, strict=name != "plain")
    fused, *sides = net.decoder(features)
    own = {"position": 1, "channel": 2, "plain": 1}
    expected = [whole.decoder(features)[own[name]] for name in names]
    torch.testing.assert_close(sides, expected)
    torch.testing.assert_close(fused, torch.stack(expected).sum(0))


def test_attention_that_starts_at_zero_changes_nothing() -> None:
    """γ = 0: the network is then two plain branches."""
    net = create_model("danet", "test_resnet", multi_grid=(), classes=3).eval()
    image = torch.randn(1, 3, 65, 97)
    whole = net(image)
    for branch in (net.decoder.position, net.decoder.channel):
        branch[1] = nn.Identity()
    torch.testing.assert_close(net(image), whole)


@pytest.mark.parametrize("preference", ["similar", "dissimilar"])
def test_the_switch_reaches_the_attention(preference: str) -> None:
    with torch.device("meta"):
        net = create_model("danet", "test_resnet", multi_grid=(), channel_attention=preference)
    assert net.decoder.channel[1].preference == preference


REFUSED = [
    ({"channel_attention": "both"}, "`channel_attention` .='both'.: input should be 'dissimilar' or 'similar'"),
    ({"reduction": 32}, r"`reduction` \(=32\) leaves 3 of the 96 channels of backbone `test_resnet`.*; use 12 or less"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_refusals(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        create_model("danet", "test_resnet", **{"multi_grid": (), **arguments})
