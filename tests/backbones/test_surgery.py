"""The law on hand-made networks, each with one trait that surgery could get wrong."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import nn

from intarsia.backbones import create_backbone, with_output_stride
from intarsia.backbones.law import law_deviations
from intarsia.errors import ArgumentError, IntarsiaWarning


def behind(*layers: nn.Module) -> nn.Sequential:
    """The layers at nominal stride 8, between two convolutions that make border and position count."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, 8, 1), *layers, nn.Conv2d(4, 4, 3, 1, 1))


TRAITS = {
    "average with its padding": behind(nn.AvgPool2d(3, 2, 1)),
    "average without its padding": behind(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "average with stride 1": behind(nn.MaxPool2d(2), nn.AvgPool2d(3, 1, 1)),
    "average with stride 1, without padding": behind(nn.MaxPool2d(2), nn.AvgPool2d(3, 1, 1, count_include_pad=False)),
    "ceil": behind(nn.MaxPool2d(2, ceil_mode=True)),
    "overlapping maximum, ceil": behind(nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.MaxPool2d(3, 2, 1, ceil_mode=True)),
    "overlapping average, ceil": behind(nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
    "average with ceil, without padding": behind(nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)),
    "overlapping maximum": behind(nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 1, 1)),
    "oblong kernel": behind(nn.Conv2d(4, 4, (3, 5), 2, (1, 2)), nn.Conv2d(4, 4, (5, 1), 1, (2, 0))),
    "oblong padding": behind(nn.Conv2d(4, 4, (2, 3), 2, (0, 1))),
    "no bias": behind(nn.Conv2d(4, 4, 3, 2, 1, bias=False)),
    "groups": behind(nn.Conv2d(4, 4, 3, 2, 1, groups=4)),
    "own dilation": behind(nn.Conv2d(4, 4, 3, 2, 2, dilation=2), nn.Conv2d(4, 4, 3, 1, 3, dilation=3)),
    "valid, as a word": behind(nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding="valid")),
    "same, as a word": behind(nn.MaxPool2d(2), nn.Conv2d(4, 4, (3, 5), padding="same")),
    "TensorFlow's SAME, oblong": behind(Conv2dSame(4, 4, (3, 6), stride=2), Conv2dSame(4, 4, (2, 5))),
    "TensorFlow's SAME pools": behind(MaxPool2dSame(3, 2), AvgPool2dSame(2, 1)),
    "stride larger than the kernel": behind(nn.Conv2d(4, 4, 1, 2), nn.Conv2d(4, 4, 1, 2)),
    "a stride cut in half": nn.Sequential(nn.Conv2d(3, 4, 7, 4, 3), nn.Conv2d(4, 4, 4, 4), nn.Conv2d(4, 4, 3, 1, 1)),
}


@pytest.mark.parametrize("trait", TRAITS)
def test_the_law_holds_for(trait: str) -> None:
    net = TRAITS[trait].eval()
    image = torch.randn(1, 3, 128, 96, generator=torch.Generator().manual_seed(3))
    assert net(image).shape[-1] < image.shape[-1] // 8, "there is something to dilate"
    assert max(law_deviations(net, with_output_stride(net, 8), image).values()) <= 1e-9


def test_a_valid_convolution_does_not_shift_the_nominal_strides() -> None:
    """Sizes are not exact fractions of the image behind it: the nearest power of two is meant."""
    net = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 4, 3, 16, 1), nn.Conv2d(4, 4, 3, 1, 1)).eval()
    dense = with_output_stride(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), *net[1:]).eval(), 8)
    assert (dense[1].stride, dense[2].dilation) == ((8, 8), (2, 2))
    from intarsia.backbones.survey import survey

    assert [layer.nominal for layer in survey(net)] == [1, 1, 16]


def test_unequal_strides_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"Layer `1` has stride \(1, 2\); only equal powers of two"):
        with_output_stride(behind(nn.Conv2d(4, 4, 3, (1, 2), 1)), 8)


def test_the_original_network_is_untouched() -> None:
    net = TRAITS["average with its padding"].train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    dense = with_output_stride(net, 8)
    assert dense.training
    assert [type(m) for m in net] == [nn.Conv2d, nn.AvgPool2d, nn.Conv2d]
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for n in (net, dense) for m in n.modules())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_precisions_stay(dtype: torch.dtype) -> None:
    net = behind(nn.MaxPool2d(2)).to(dtype).eval()
    dense = with_output_stride(net, 8)
    assert {p.dtype for p in dense.parameters()} == {dtype}


def test_an_untested_network_outside_the_law_is_said_where_weights_are_at_stake(tmp_path: Path) -> None:
    save_file(timm.create_model("resnet50_gn").state_dict(), tmp_path / "own.safetensors")
    with pytest.warns(IntarsiaWarning, match="`resnet50_gn` at output stride 8 computes another function"):
        create_backbone("resnet50_gn", output_stride=8, weights=tmp_path / "own.safetensors")
    create_backbone("resnet50_gn", output_stride=8)


def test_the_spec_carries_the_normalisation() -> None:
    with torch.device("meta"):
        spec = create_backbone("resnet18", in_channels=4).spec
    assert spec.mean == (0.485, 0.456, 0.406, 0.485)
    assert spec.std == (0.229, 0.224, 0.225, 0.229)
