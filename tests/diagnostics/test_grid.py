"""Where positions lie: against what backbones say of themselves."""

import numpy as np
import pytest
import torch

from intarsia.diagnostics.grid import Grid, grid_of, strides_of
from intarsia.diagnostics.watching import output_of
from intarsia.layers import SqueezeExcitation
from intarsia.models import create_model

NETWORKS = [
    ("deeplabv3", "test_resnet", (65, 74), 0.0),
    ("unet", "test_resnet", (70, 64), 0.0),
    ("unet_paper", "test_unet_contracting", (64, 97), 0.0),  # which mirrors 92 pixels before the first
    ("fcn8s", "vgg16_fcn", (97, 256), 0.5),  # its pooling drops rows, on the right and below only
]


@pytest.mark.parametrize(("name", "backbone", "size", "tolerance"), NETWORKS, ids=lambda value: str(value))
def test_maps_lie_where_backbones_say(name: str, backbone: str, size: tuple[int, int], tolerance: float) -> None:
    with torch.device("meta"):
        net = create_model(name, backbone, classes=3).eval()
        maps = net.backbone(net.frame.extend(torch.empty(1, 3, *size)))
    margin = 92 if name == "unet_paper" else 0
    for map_, stride, origin in zip(maps, net.backbone.spec.strides, net.backbone.spec.origins, strict=True):
        grid = grid_of(net, stride, size, (map_.shape[2], map_.shape[3]))
        assert (grid.rows, grid.columns, grid.stride) == (*map_.shape[2:], stride)
        assert all(abs(first - (origin - margin)) <= tolerance * stride for first in grid.first)


def test_pixels_and_positions() -> None:
    """On a grid that tiles the picture a position is a square of pixels."""
    grid = Grid(3, 4, 4, (1.5, 1.5))
    values = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(grid.spread(values, 12, 16), np.kron(values, np.ones((4, 4))))
    assert [grid.position(x, y) for x, y in [(0, 0), (3, 0), (4, 0), (15, 11), (7, 8)]] == [
        (0, 0),
        (0, 0),
        (0, 1),
        (2, 3),
        (2, 1),
    ]
    rows, columns = grid.places(12, 16)
    assert rows.tolist() == [2, 6, 10]
    assert columns.tolist() == [2, 6, 10, 14]


def test_positions_outside_of_the_picture_are_not_asked_for() -> None:
    grid = Grid(5, 5, 8, (-12.0, -12.0))
    assert grid.places(8, 8)[0].tolist() == [0, 0, 4, 7, 7]
    assert grid.position(7, 0) == (2, 2)
    assert Grid(1, 1, 8, (3.5, 3.5)).position(100, 100) == (0, 0)


@pytest.mark.parametrize(("stage", "stride"), [(4, 4), (16, 16), (32, 16)])
def test_strides_are_measured(stage: int, stride: int) -> None:
    options = {"attention": "squeeze_excitation", "attention_after": stage}
    net = create_model("deeplabv3", "test_resnet", 3, 16, **options).eval()
    (name,) = [name for name, module in net.named_modules() if isinstance(module, SqueezeExcitation)]
    assert strides_of(net, [name]) == {name: stride}
    assert strides_of(net, [f"{name}.excite", "backbone.body.conv1.0"], output_of) == {
        f"{name}.excite": 1,
        "backbone.body.conv1.0": 2,
    }
