"""What a map depends on, read off the code, is what not-a-number spreads to when the code runs."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intarsia.diagnostics.fields.dependence import dependence
from intarsia.errors import ArgumentError
from intarsia.models import CATALOG, create_model

ROWS, COLUMNS = 96, 64


def spread(net: nn.Module, row: int, column: int, rows: int, columns: int, step: int = 1) -> list[np.ndarray]:
    """Which stripes of rows, then of columns, make an output position NaN if they are: one image for each of them.

    In float64, whose convolutions are plain sums; weights of zero pass NaN on as well.
    """
    seen = []
    for axis, size in ((-2, rows), (-1, columns)):
        images = torch.rand(size // step, 3, rows, columns, dtype=torch.float64)
        for i in range(size // step):
            images[i].narrow(axis, i * step, step)[:] = torch.nan
        with torch.no_grad():
            seen.append(net.double().eval()(images)[:, :, row, column].isnan().any(1).numpy())
    return seen


def rate(*rates: int) -> nn.Sequential:
    return nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=r, dilation=r) for r in rates))


class Called(nn.Module):
    """A function as a network, behind a convolution."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.convolution, self.function = nn.Conv2d(3, 4, 3, padding=1), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.convolution(x))


def attention(x: Tensor) -> Tensor:
    rows = x.flatten(2)
    return (rows @ (rows.mT @ rows).softmax(-1)).unflatten(2, x.shape[-2:])


def channels_last(x: Tensor) -> Tensor:
    x = F.layer_norm(x.permute(0, 2, 3, 1), (4,))
    return F.linear(x, torch.ones(4, 4, dtype=x.dtype, device=x.device)).permute(0, 3, 1, 2)


def channel_shuffle(x: Tensor) -> Tensor:
    return x.view(len(x), 2, 2, *x.shape[-2:]).transpose(1, 2).reshape(x.shape)


def blurred(x: Tensor) -> Tensor:
    return F.conv2d(x, torch.ones(4, 4, 5, 5, dtype=x.dtype, device=x.device), padding=2)


def write_channels(x: Tensor) -> Tensor:
    blur = blurred(x)
    x[:, :1] += blur[:, :1]
    return x


def write_twice(x: Tensor) -> Tensor:
    """Into the base, which a view shows as well."""
    view = x[:, 1:3]
    x += blurred(x)
    return view * 1


def write_rows(x: Tensor) -> Tensor:
    large = x.new_zeros(1, 4, 2 * x.shape[2], 2 * x.shape[3]) if len(x) == 1 else x.new_zeros(0)
    large[..., ::2, ::2] = x
    return large


def write_some(x: Tensor) -> Tensor:
    part = x[..., 4:20]
    x[..., 8:24] += blurred(x.clone())[..., 8:24]
    return part + 0


NETWORKS: dict[str, nn.Module] = {
    "dilated": rate(2, 2, 2),
    "hybrid": rate(1, 2, 5),
    "strided": nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2, 2, ceil_mode=True)),
    "unpadded": nn.Sequential(nn.Conv2d(3, 4, (5, 3), stride=(2, 1)), nn.MaxPool2d((3, 1), 1, dilation=(2, 1))),
    "deconvolution": nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), nn.ConvTranspose2d(4, 4, 3, 2, 1)),
    "even deconvolution": nn.Sequential(nn.Conv2d(3, 3, 1), nn.AvgPool2d(4), nn.ConvTranspose2d(3, 4, 8, 4, 2)),
    "normed": nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU(inplace=True), nn.Hardswish()),
    "shuffled": nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)),
    "mirrored": nn.Sequential(nn.ReflectionPad2d(5), nn.Conv2d(3, 4, 5), nn.ReplicationPad2d((1, 2, 0, 3))),
    "grouped norm": nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)),
    "binned": nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d((7, 5)), nn.Upsample((96, 64))),
    "gated": Called(lambda x: x * x.mean((-2, -1), keepdim=True).sigmoid()),
    "attention": Called(lambda x: attention(F.avg_pool2d(x, 8))),
    "channels last": Called(channels_last),
    "channels shuffled": Called(channel_shuffle),
    "halves added": Called(lambda x: x[..., : ROWS // 2, :] + x[..., ROWS // 2 :, :]),
    "every third": Called(lambda x: x[..., 1::3, 2:-4:2]),
    "turned": Called(lambda x: x.mT.flatten(2)[:, :, :96].unflatten(2, (12, 8))),
    "summed channels": Called(lambda x: x.sum(1, keepdim=True) + x.mean(1)[:, None]),
    "written channels": Called(write_channels),
    "written twice": Called(write_twice),
    "row and column": Called(lambda x: x[..., :1] + x[..., :1, :]),
    "concatenated": Called(lambda x: torch.cat([x, x.mean((2, 3), keepdim=True).expand_as(x)], 1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_operations(name: str) -> None:
    net = NETWORKS[name]
    paths = dependence(net, ROWS, COLUMNS)
    map_ = net.double()(torch.rand(1, 3, ROWS, COLUMNS).double()).shape[-2:]
    for row, column in ((map_[0] // 2, map_[1] // 3), (0, map_[1] - 1)):
        if name == "turned":  # rows and columns are mixed: more is claimed than is so, never less
            continue
        reach = paths.reach("logits", row, column)
        for claimed, found in zip(reach, spread(net, row, column, ROWS, COLUMNS), strict=True):
            np.testing.assert_array_equal(claimed, found)


def test_what_is_not_known_reads_everything() -> None:
    paths = dependence(NETWORKS["turned"], ROWS, COLUMNS)
    assert all(seen.all() for seen in paths.reach("logits", 0, 0))
    assert not any(seen.any() for seen in paths.reach("logits", 0, 0, local=True))


def test_bilinear_interpolation_reads_what_its_gradient_says() -> None:
    """NaN passes through weights of zero, a gradient does not; rounding may make one neighbour more."""
    for align_corners, scale in ((False, 4), (True, 4), (False, 3), (False, 0.5)):
        net = nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=align_corners)
        paths = dependence(nn.Sequential(nn.Conv2d(1, 1, 1), net), 12, 9)
        size = net(torch.zeros(1, 1, 12, 9)).shape[-2:]
        for row in range(size[0]):
            x = torch.zeros(1, 1, 12, 9, requires_grad=True)
            net(x)[0, 0, row, size[1] // 2].backward()
            assert x.grad is not None
            read, _ = paths.reach("logits", row, size[1] // 2)
            moved = x.grad[0, 0].abs().amax(1).numpy() > 0
            assert (moved <= read).all()
            if not align_corners and scale != 3:
                np.testing.assert_array_equal(read, moved)


@pytest.mark.parametrize("name", CATALOG)
def test_every_system(name: str) -> None:
    rows, columns = 64, 48
    step = 16 if name == "unet_paper" else 4  # it extends every image by 184 pixels
    net = create_model(name, classes=2, **CATALOG[name].tiny)
    paths = dependence(net, rows, columns)
    stage = f"stage {net.backbone.spec.nominal_strides[1]}"
    claimed = paths.reach("logits", 37, 30), paths.reach(stage, 4, 2)
    found = [spread(net, 37, 30, rows, columns, step)]
    net.forward = lambda x: net.features(net.frame.extend(x))[-len(net.backbone.spec.channels) :][1]
    found.append(spread(net, 4, 2, rows, columns, step))
    for ours, theirs in zip(claimed, found, strict=True):
        for axis in (0, 1):
            np.testing.assert_array_equal(ours[axis].reshape(-1, step).any(1), theirs[axis])
    assert not claimed[1][0].all()


@pytest.mark.parametrize(
    ("name", "options", "modules"),
    [
        ("unet", {}, ()),
        ("pspnet", {}, ("decoder.pooling",)),
        ("danet", {}, ("decoder.position.1", "decoder.channel.1")),
        ("deeplabv3", {}, ("decoder.aspp",)),
        ("unet", {"attention": "non_local"}, None),
    ],
)
def test_what_brings_in_the_whole_image_is_named(name: str, options: Any, modules: tuple[str, ...] | None) -> None:
    net = create_model(name, classes=2, **{**CATALOG[name].tiny, **options})
    found = dependence(net, ROWS, COLUMNS).looks_at_everything("logits")
    if modules is None:
        assert len(found) == 1
        assert type(net.get_submodule(found[0])).__name__ == "NonLocal"
    else:
        assert found == modules


@pytest.mark.parametrize("function", [write_rows, write_some, lambda x: x[..., :32, :32] + x[..., :32, :32].mT])
def test_what_is_written_elsewhere_is_not_missed(function: Any) -> None:
    """More may be claimed than is so, never less: held against the gradient."""
    net = Called(function)
    paths = dependence(net, 40, 36)
    image = torch.rand(1, 3, 40, 36, requires_grad=True)
    for row, column in ((0, 4), (10, 2)):
        (gradient,) = torch.autograd.grad(net(image)[0, :, row, column].sum(), image)
        moved = gradient[0].abs().amax(0) > 0
        rows, columns = paths.reach("logits", row, column)
        assert moved.any()
        assert not moved[~rows].any()
        assert not moved[:, ~columns].any()


def test_what_does_not_come_from_the_image_is_said() -> None:
    with pytest.raises(ArgumentError, match="The map `logits` of the network does not come from the image"):
        dependence(Called(torch.zeros_like), 8, 8)


def test_the_network_is_not_touched() -> None:
    net = create_model("danet", classes=2, **CATALOG["danet"].tiny).train()
    before = {name: parameter.clone() for name, parameter in net.state_dict().items()}
    dependence(net, 64, 64)
    assert net.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert all(torch.equal(before[name], now) for name, now in net.state_dict().items())


def test_a_refused_image_is_said_in_one_sentence() -> None:
    with pytest.raises(ArgumentError, match="does not take an image of 4×4 pixels"):
        dependence(nn.Sequential(nn.Conv2d(3, 4, 7), nn.Conv2d(4, 4, 7)), 4, 4)
