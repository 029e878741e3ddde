"""Depths of an image by a network: whole, in tiles, in scarce memory; what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from depth_runs import depth_network
from torch import Tensor

from intarsia.data.depth import Depth, write_depth
from intarsia.errors import ArgumentError, DataError, IntarsiaWarning
from intarsia.inference import Execution, Preprocessing
from intarsia.inference.depth import DepthEstimator
from intarsia.inference.depth.estimator import _Told
from intarsia.inference.limits import Limits
from intarsia.inference.tiling import Grid, stitch
from intarsia.models import DepthNetwork


def estimator(net: DepthNetwork | None = None, **fields: Any) -> DepthEstimator:
    return DepthEstimator(net or depth_network(), Preprocessing((0.5,) * 3, (0.25,) * 3), Execution(), **fields)


def lively(form: str) -> DepthNetwork:
    """A network whose head says something also in a form where it begins with nothing."""
    net = depth_network(form=form)
    torch.nn.init.normal_(net.head.transposed.weight, std=0.1)  # pyright: ignore[reportAttributeAccessIssue]
    return net


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
    assert depth.min() < 0, "what is behind the camera is a millimetre before it"
    result = own.predict(image, measured)
    np.testing.assert_allclose(result.depth, depth.clamp_min(0.001), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(result.depth[measured > 0], measured[measured > 0])
    assert result.depth.dtype == np.float32
    assert result.measured is measured


@pytest.mark.parametrize("place", ["sparse/0.png", "0.png", "0.npy"])
def test_measurements_may_be_a_file(place: str, tmp_path: Path) -> None:
    own, (image, measured) = estimator(), scene(33, 50)
    measured = np.rint(measured * 100).astype(np.float32) / 100
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, measured)
    else:
        write_depth(path, measured, 0.01)
        (tmp_path / "depth.json").write_text('{"metres_per_value": 0.01}')
    for told in (path, str(path)):
        result = own.predict(image, told)
        np.testing.assert_allclose(result.measured, measured, rtol=1e-6)
        np.testing.assert_array_equal(result.depth, own.predict(image, result.measured).depth)


def test_a_file_of_whole_numbers_needs_its_unit(tmp_path: Path) -> None:
    image, measured = scene(33, 50)
    write_depth(tmp_path / "0.png", measured)
    with pytest.raises(DataError, match="nothing says how many metres one is"):
        estimator().predict(image, tmp_path / "0.png")


def told_of(own: DepthEstimator, image: np.ndarray, measured: Depth) -> _Told:
    depths = torch.from_numpy(measured)
    return _Told(torch.from_numpy(image), depths, own.net.beginning(depths[None, None]))


@torch.no_grad()
def stitched_error(own: DepthEstimator, grid: Grid, size: tuple[int, int]) -> float:
    """The largest difference between the stitched map and that of one pass, next to the size of the map's values."""
    told = told_of(own, *scene(*size))
    whole = own._one_pass(told)
    parts = stitch(lambda window: own._one_pass(told.cut(window)), size, grid)
    error = max((part - whole[:, rows, columns]).abs().max() for (rows, columns), part in parts)
    return float(error / whole.abs().max())


@pytest.mark.parametrize("form", ["paper", "filled"])
def test_tiles_equal_the_whole_where_the_overlap_exceeds_what_the_network_sees(form: str) -> None:
    own = estimator(lively(form))
    assert own.limits.step == 32
    assert stitched_error(own, Grid(640, 512, 32), (700, 70)) < 1e-5
    assert stitched_error(own, Grid(128, 32, 32), (330, 70)) > 1e-5
    assert stitched_error(own, Grid(650, 517, 3), (700, 70)) > 1e-2, "tiles off the stride compute something else"


def test_a_large_image_is_answered_in_tiles_with_what_was_measured_in_each() -> None:
    own, (image, measured) = estimator(tile=128), scene(200, 150)
    expected = torch.empty(1, 200, 150)
    told, grid = told_of(own, image, measured), own.limits.grid(200, 150)
    assert grid is not None
    for window, part in stitch(lambda window: own._one_pass(told.cut(window)), (200, 150), grid):
        expected[:, *window] = part
    depth = own.predict(image, measured).depth
    np.testing.assert_allclose(depth, expected[0].clamp_min(0.001), rtol=1e-6)
    np.testing.assert_array_equal(depth[measured > 0], measured[measured > 0], "what is blended of two tiles rounds")


@pytest.mark.parametrize(("options", "kept"), [({}, True), ({"measured": "kept"}, False), ({"steps": 0}, False)])
def test_a_measured_depth_is_answered_as_it_is_if_the_form_says_so(options: dict[str, Any], kept: bool) -> None:
    """One that is nearer than a millimetre was raised to it."""
    own, (image, measured) = estimator(depth_network(**options)), scene(33, 50)
    measured[measured > 0] = 0.0004
    depth = own.predict(image, measured).depth
    assert bool((depth[measured > 0] == np.float32(0.0004)).all()) == kept
    assert (depth[measured == 0] >= np.float32(0.001)).all()


def test_a_tile_without_measurements_goes_by_those_of_the_whole_image() -> None:
    """By itself it would begin with nothing; by the whole it begins with depths that were measured elsewhere."""
    own, (image, measured) = estimator(depth_network(form="filled"), tile=128), scene(400, 60)
    measured[130:] = 0
    depth = own.predict(image, measured).depth
    assert 1 < depth[300:].min() <= depth[300:].max() < 5


@pytest.mark.parametrize(
    ("options", "overlap"),
    [({"steps": 24}, 256 + 64), ({"steps": 0}, 256), ({"kernel_size": 7, "steps": 24}, 256 + 192)],
)
def test_tiles_overlap_as_far_as_depths_are_propagated(options: dict[str, Any], overlap: int) -> None:
    assert Limits.of(depth_network(**options), 1, None, None).grid(2049, 2048) == Grid(1024, overlap, 32)


def scarce(images: Tensor, _: object) -> Tensor:
    """A network that answers with the measured depths and a metre, of few pixels at once."""
    if images[0, 0].numel() > 200 * 200:
        raise torch.OutOfMemoryError("CUDA out of memory.")
    return images[:, -1:] + 1


def answering(forward: Callable[[Tensor, object], Tensor]) -> DepthNetwork:
    net = depth_network(measured="kept")
    net.forward = forward
    return net


def test_when_memory_runs_out_tiles_become_smaller() -> None:
    own, (image, measured) = estimator(answering(scarce)), scene(300, 280)
    with pytest.warns(IntarsiaWarning, match="memory of `cpu` does not suffice for 300 × 280 pixels at once") as said:
        results = [own.predict(image, measured) for _ in range(2)]
    assert len(said) == 1
    for result in results:
        np.testing.assert_allclose(result.depth, measured + 1, rtol=1e-6)


def test_a_network_in_training_mode_is_refused() -> None:
    own = estimator()
    own.net.train()
    with pytest.raises(ArgumentError, match="training mode"):
        own.predict(*scene(40, 40))


def test_depths_that_are_not_finite_are_refused() -> None:
    own = estimator(answering(lambda images, _: images[:, -1:] / 0))
    image, measured = scene(20, 10, share=1.0)
    measured[0] = 0
    with pytest.raises(ArgumentError, match="depths are not finite at 200 of 200 pixels: its weights are spoiled"):
        own.predict(image, measured)


def wrong(change: Callable[[Depth], np.ndarray]) -> np.ndarray:
    return change(scene(40, 50)[1])


REFUSED = [
    (wrong(lambda depth: depth[:-1]), r"`measured` \(39, 50\) must have the rows and columns \(40, 50\) of the image"),
    (wrong(lambda depth: depth * 0), "holds no depth at all, only zeros"),
    (wrong(lambda depth: -depth), "finite metres from 0 on: put 0 where nothing was measured"),
    (wrong(lambda depth: np.where(depth > 0, np.float32("nan"), depth)), "finite metres"),
    (wrong(lambda depth: (depth * 1000).astype(np.uint16)), r"`measured` \(uint16\) must be float32, in metres"),
]


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(("measured", "sentence"), REFUSED)
def test_measurements_that_are_none(measured: np.ndarray, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        estimator().predict(scene(40, 50)[0], measured)
