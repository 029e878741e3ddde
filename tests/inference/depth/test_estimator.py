"""Depths of an image by a network: whole, in tiles, in scarce memory; what is refused."""

from typing import Any

import numpy as np
import torch

from intarsia.data.depth import Depth
from intarsia.inference import Execution, Preprocessing
from intarsia.inference.depth import DepthEstimator
from intarsia.inference.tiling import Grid, stitch
from intarsia.models import DepthNetwork, create_model


def network(**options: Any) -> DepthNetwork:
    torch.manual_seed(0)
    net = create_model("cspn_depth", "test_resnet", **{"steps": 3, **options})
    assert isinstance(net, DepthNetwork)
    return net.eval()


def estimator(net: DepthNetwork | None = None, **fields: Any) -> DepthEstimator:
    return DepthEstimator(net or network(), Preprocessing((0.5,) * 3, (0.25,) * 3), Execution(), **fields)


def scene(rows: int, columns: int, share: float = 0.05) -> tuple[np.ndarray, Depth]:
    draw = np.random.default_rng(0)
    image = draw.integers(0, 256, (rows, columns, 3)).astype(np.uint8)
    depths = draw.uniform(1, 5, (rows, columns)).astype(np.float32)
    return image, np.where(draw.random((rows, columns)) < share, depths, np.float32(0))


def test_the_network_is_told_normalised_colours_and_metres_as_they_are() -> None:
    own, (image, measured) = estimator(), scene(33, 50)
    pictures = (torch.from_numpy(image).permute(2, 0, 1) / 255 - 0.5) / 0.25
    with torch.no_grad():
        depth = own.net(torch.cat([pictures, torch.from_numpy(measured)[None]])[None])[0, 0]
    result = own.predict(image, measured)
    np.testing.assert_allclose(result.depth, depth.clamp_min(0.001), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(result.depth[measured > 0], measured[measured > 0])
    assert result.depth.dtype == np.float32
    assert result.measured is measured


@torch.no_grad()
def stitched_error(own: DepthEstimator, grid: Grid, size: tuple[int, int]) -> float:
    image, measured = (torch.from_numpy(array) for array in scene(*size))
    whole = own._one_pass(image, measured)
    parts = stitch(lambda window: own._one_pass(image[window], measured[window]), size, grid)
    error = max((part - whole[:, rows, columns]).abs().max() for (rows, columns), part in parts)
    return float(error / whole.abs().max())


def test_tiles_equal_the_whole_where_the_overlap_exceeds_what_the_network_sees() -> None:
    own = estimator()
    assert own.limits.step == 32
    assert stitched_error(own, Grid(640, 512, 32), (700, 70)) < 1e-5
    assert stitched_error(own, Grid(128, 32, 32), (330, 70)) > 1e-5
    assert stitched_error(own, Grid(650, 517, 3), (700, 70)) > 1e-2, "tiles off the stride compute something else"
