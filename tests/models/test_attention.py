"""Blocks of attention in any system, by an option."""

import pytest
import torch

from intarsia.errors import ArgumentError
from intarsia.models import SegmentationNetwork, create_model

STARTING_AS_IDENTITY = ("non_local", "position", "channel")


def tiny(**options: object) -> SegmentationNetwork:
    torch.manual_seed(0)
    return create_model("unet", "test_resnet", classes=3, widths=(16, 16, 16, 16, 16), **options).eval()  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("after", ["decoder", 8, 32])
@pytest.mark.parametrize("attention", ["squeeze_excitation", *STARTING_AS_IDENTITY])
def test_a_block_is_in_the_way_of_the_signal(attention: str, after: str | int) -> None:
    plain, image = tiny(), torch.randn(1, 3, 64, 96)
    net = tiny(attention=attention, attention_after=after)
    own = {name: tensor for name, tensor in net.state_dict().items() if "attention" not in name}
    mine = dict(zip(own, plain.state_dict().values(), strict=True)) if after != "decoder" else None
    if mine is not None:
        net.load_state_dict({**net.state_dict(), **mine})
        same = torch.equal(net(image), plain(image))
        assert same == (attention in STARTING_AS_IDENTITY)
    before = net(image)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "attention" in name or name.startswith("head.0"):
                parameter.add_(0.7)
    assert not torch.equal(net(image), before)


def test_a_stage_feeds_the_next_through_its_block() -> None:
    net = tiny(attention="position", attention_after=8)
    seen: list[torch.Tensor] = []
    block = net.backbone.get_submodule("body.layer2.attention")
    block.register_forward_hook(lambda _, arguments, output: seen.append(output))
    maps = net.backbone(torch.randn(1, 3, 64, 64))
    torch.testing.assert_close(seen[0], maps[net.backbone.spec.index_of(8)])


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match=r"`attention` \(='cbam'\)"):
        tiny(attention="cbam")
    with pytest.raises(ArgumentError, match="`attention_after"):
        tiny(attention="position", attention_after=7)
