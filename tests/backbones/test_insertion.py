"""Blocks behind any stage: the next stage sees them, and copies, exports and compiled networks have them."""

import copy

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones import Backbone, create_backbone
from intarsia.backbones.insertion import insert_after_stage
from intarsia.errors import ArgumentError

IMAGE = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


class Scale(nn.Module):
    """An attention whose effect can be told: everything times ``factor``."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return self.factor * x


def with_block(name: str, stage: int, factor: float) -> tuple[Backbone, Backbone]:
    torch.manual_seed(0)
    plain = create_backbone(name).eval()
    attended = copy.deepcopy(plain)
    insert_after_stage(attended, stage, Scale(factor))
    return plain, attended


STAGES = [
    ("test_resnet", 16),  # nn.Sequential stages
    ("vgg11", 16),  # a pooling's output
    ("xception39", 8),  # our own
    ("xception65", 16),  # maps collected by timm's hooks
    ("mobilenetv2_100", 16),
    ("convnext_tiny", 16),
]


@pytest.mark.parametrize(("name", "stage"), STAGES)
@torch.no_grad()
def test_the_next_stage_sees_it(name: str, stage: int) -> None:
    plain, zero = with_block(name, stage, 0.0)
    _, unit = with_block(name, stage, 1.0)
    index = plain.spec.index_of(stage)
    maps, zeroed = plain(IMAGE), zero(IMAGE)
    torch.testing.assert_close(unit(IMAGE), maps)
    torch.testing.assert_close(zeroed[:index], maps[:index])
    assert zeroed[index].abs().max() == 0
    assert not torch.allclose(zeroed[index + 1], maps[index + 1])
    names = [n for n, _ in zero.named_parameters() if n.endswith("attention.factor")]
    assert len(names) == 1


@pytest.mark.parametrize(("name", "stage"), [("test_resnet", 16), ("vgg11", 16)])  # within a Sequential; by a hook
class TestTravels:
    """A block goes where its backbone goes."""

    def test_copies_have_their_own(self, name: str, stage: int) -> None:
        _, zero = with_block(name, stage, 0.0)
        twin = copy.deepcopy(zero)
        for n, parameter in twin.named_parameters():
            if n.endswith("attention.factor"):
                nn.init.ones_(parameter)
        index = zero.spec.index_of(stage)
        assert zero(IMAGE)[index].abs().max() == 0 < twin(IMAGE)[index].abs().max()

    @pytest.mark.usefixtures("unchecked_shapes")
    def test_exported(self, name: str, stage: int) -> None:
        _, double = with_block(name, stage, 2.0)
        exported = torch.export.export(double, (IMAGE,)).module()
        torch.testing.assert_close(exported(IMAGE), double(IMAGE))

    @pytest.mark.usefixtures("unchecked_shapes")
    def test_compiled(self, name: str, stage: int) -> None:
        _, double = with_block(name, stage, 2.0)
        compiled = torch.compile(double, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(IMAGE), double(IMAGE))


def test_refusals() -> None:
    backbone = create_backbone("test_resnet")
    channels = backbone.spec.channels[backbone.spec.index_of(16)]
    with pytest.raises(ArgumentError, match="has no feature map at stride 64"):
        insert_after_stage(backbone, 64, Scale(1.0))
    with pytest.raises(ArgumentError, match=r"Conv2d does not fit behind stage 16 of backbone `test_resnet`"):
        insert_after_stage(backbone, 16, nn.Conv2d(channels + 1, channels, 1))
    with pytest.raises(ArgumentError, match=r"Conv2d behind stage 16 .* must keep the shape"):
        insert_after_stage(backbone, 16, nn.Conv2d(channels, channels, 3))
    insert_after_stage(backbone, 16, Scale(1.0))
    with pytest.raises(ArgumentError, match="There is a block behind stage 16 of backbone `test_resnet` already"):
        insert_after_stage(backbone, 16, Scale(1.0))
    with pytest.raises(ArgumentError, match=r"comes from `features_denseblock3` \(DenseBlock\), which calls all"):
        insert_after_stage(create_backbone("densenet121"), 16, Scale(1.0))


def test_a_map_that_no_module_gives_is_refused() -> None:
    class Doubled(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return tuple(2 * m for m in self.body(x))

    backbone = create_backbone("test_resnet")
    with pytest.raises(ArgumentError, match="No single module gives the map of stage 16"):
        insert_after_stage(Backbone(Doubled(backbone.body), backbone.spec, "scratch"), 16, Scale(1.0))
