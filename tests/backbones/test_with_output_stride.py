"""Any convolutional network at a denser grid, or a refusal that names the layer."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from intarsia.backbones import with_output_stride
from intarsia.backbones.survey import survey
from intarsia.errors import ArgumentError


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x1_0", "vgg11", "convnext_tiny"])
def test_torchvisions_networks(name: str) -> None:
    net = torchvision.models.get_model(name, weights=None).eval()
    dense = with_output_stride(net, 8)
    assert dense.state_dict().keys() == net.state_dict().keys()
    assert not dense.training


def test_the_original_stays_and_the_copy_obeys() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.AvgPool2d(4), nn.Conv2d(4, 4, 3, 2, 1)).eval()
    image = torch.randn(1, 3, 64, 64)
    before = net(image)
    dense = with_output_stride(net, 8)
    torch.testing.assert_close(net(image), before)
    torch.testing.assert_close(dense(image)[..., ::2, ::2], before)
    assert dense(image).shape[-1] == 8


class Named(nn.Module):
    """Calls its layers by keyword, and one of them has two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.alias = nn.Conv2d(3, 4, 3, 8, 1), nn.Conv2d(4, 4, 3, 2, 1)
        self.used, self.last = self.alias, nn.Conv2d(4, 4, 3, 1, 1)

    def forward(self, x: Tensor) -> dict[str, list[Tensor]]:
        return {"maps": [self.last(input=self.used(input=self.first(input=x)))]}


def test_layers_called_by_keyword_and_under_two_names() -> None:
    net = Named().eval()
    dense = with_output_stride(net, 8)
    image = torch.randn(1, 3, 64, 96)
    torch.testing.assert_close(dense(image)["maps"][0][..., ::2, ::2], net(image)["maps"][0])
    assert dense.used is dense.alias


def test_strides_beyond_32() -> None:
    net = nn.Sequential(*(nn.Conv2d(3, 3, 3, 2, 1) for _ in range(7)), nn.Conv2d(3, 4, 3, padding=1)).eval()
    dense = with_output_stride(net, 32)
    image = torch.randn(1, 3, 256, 384)
    torch.testing.assert_close(dense(image)[..., ::4, ::4], net(image))


def test_layers_on_a_grid_of_fixed_size_are_left_alone() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 16, 1), nn.AdaptiveAvgPool2d(4), nn.Conv2d(4, 4, 3, 2, 1)).eval()
    assert [layer.name for layer in survey(net)] == ["0"]


class AtTheEnd(nn.Module):
    """Its last stride is in no module, and its map in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 8, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": self.conv(x)[..., ::2, ::2]}


class NormedAtTheEnd(nn.Module):
    """Divides by a mean over the whole map, behind the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, 16, 1)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = self.down(x)
        return (x / x.abs().mean((-2, -1), keepdim=True),)


class Shuffled(nn.Module):
    """Strides by slicing, which no module carries."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 8, 1), nn.Conv2d(4, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)[..., ::2, ::2])


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv2d(3, 3, 3, 1, 1), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(4):
            x = self.again(self.first(x))
        return x


class GlobalNorm(nn.Module):
    """Divides by a mean over the whole map, which a denser map changes."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.after = nn.Conv2d(3, 4, 3, 16, 1), nn.Conv2d(4, 4, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return self.after(x / x.abs().mean((-2, -1), keepdim=True))


REFUSED: list[tuple[Callable[[], nn.Module], str]] = [
    (Shuffled, "layer `second` still has stride 16"),
    (Twice, "Layer `first` is called more than once"),
    (AtTheEnd, "`output out` still has stride 16"),
    (NormedAtTheEnd, "`output 0` no longer computes the same function"),
    (
        lambda: torchvision.models.vit_b_16(weights=None),
        "VisionTransformer cannot have output stride 8: its maps do not",
    ),
    (GlobalNorm, "layer `after` no longer computes the same function"),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, 16, 1), nn.PixelUnshuffle(2)), "cannot have output stride 8"),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, 3, 1)), r"Layer `0` has stride \(3, 3\); only equal powers of two"),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, 16, 1, padding_mode="reflect")), "`0` pads by `reflect`"),
    (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.AvgPool2d(16, divisor_override=3)),
        "`1` divides by 3 whatever it sums",
    ),
    (lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.Upsample(scale_factor=0.5)), "Layer `1` .Upsample. changes the grid"),
    (lambda: nn.Sequential(nn.ReLU()), "has no Conv2d"),
]


@pytest.mark.parametrize(("build", "sentence"), REFUSED)
def test_refusals_name_the_layer(build: Callable[[], nn.Module], sentence: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(ArgumentError, match=sentence):
        with_output_stride(build().eval(), 8)


def test_a_transformers_stride_is_refused() -> None:
    with pytest.raises(ArgumentError, match="SwinTransformer cannot have output stride 8"):
        with_output_stride(torchvision.models.swin_t(weights=None).eval(), 8)


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_name_is_no_network() -> None:
    with pytest.raises(
        ArgumentError, match=r"`net` \(='resnet18'\) must be a torch.nn.Module; `create_backbone` builds"
    ):
        with_output_stride("resnet18", 8)  # pyright: ignore[reportArgumentType, reportType]


class PoolsBesides(nn.Module):
    """A second path whose stride no module carries."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv(x), F.avg_pool2d(x, 16)], dim=1)


def test_maps_that_no_longer_fit_together_are_refused() -> None:
    with pytest.raises(ArgumentError, match="PoolsBesides cannot have output stride 8: its maps do not fit together"):
        with_output_stride(PoolsBesides().eval(), 8)
