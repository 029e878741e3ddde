"""Tiles: the plan, the stitching, and the whole image's answer from its parts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from standins import pointwise

from intarsia.data import Classes
from intarsia.errors import ArgumentError
from intarsia.inference import Execution, Preprocessing, Segmenter
from intarsia.inference.limits import REFINED_TILE_FLOATS, WHOLE_PIXELS, Limits
from intarsia.inference.tiling import Grid, stitch
from intarsia.models import SegmentationNetwork, create_model
from intarsia.shapes import Window

GRIDS = [Grid(64, 32, 32), Grid(64, 32, 32, 1), Grid(128, 32, 32), Grid(96, 32, 16), Grid(128, 64, 8, 1), Grid(8, 2, 1)]


def picture(rows: int, columns: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, columns, channels)).astype(np.uint8)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 66, 100, 150, 333, 640])
@pytest.mark.parametrize("grid", GRIDS)
def test_spans_cover_each_position_with_weight_one(size: int, grid: Grid) -> None:
    spans, total = grid.spans(size), torch.zeros(size)
    for span in spans:
        total[span.first : span.last] += span.weights()
        assert 0 <= span.start <= span.first < span.last <= span.stop <= size
        assert span.start % grid.step == 0
        assert span.stop - span.start <= grid.tile + grid.extra
        if span.head:
            assert span.first - span.start >= (grid.overlap - grid.ramp) // 2
        if span.tail:
            assert span.stop - span.last >= (grid.overlap - grid.ramp) // 2
    torch.testing.assert_close(total, torch.ones(size))
    assert len(spans) == 1 or size > grid.tile + grid.extra


@pytest.mark.parametrize("size", [(7, 5), (64, 200), (333, 270)])
@pytest.mark.parametrize("grid", GRIDS)
def test_parts_cover_each_pixel_once_and_agree_with_the_whole(size: tuple[int, int], grid: Grid) -> None:
    image = torch.from_numpy(picture(*size))
    answer = torch.full((3, *size), -1.0)
    for (rows, columns), part in stitch(lambda tile: image[tile].permute(2, 0, 1).float(), size, grid):
        assert (answer[:, rows, columns] == -1).all()
        answer[:, rows, columns] = part
    torch.testing.assert_close(answer, image.permute(2, 0, 1).float())


def test_neighbours_pass_into_each_other_without_a_step() -> None:
    """Tiles that know nothing of each other: each answers with its own mean."""
    image = torch.zeros(300, 300, 1, dtype=torch.uint8)
    image[:, 150:] = 200
    answer = torch.zeros(1, 300, 300)

    def mean(window: Window) -> torch.Tensor:
        return image[window].float().mean().expand(1, *image[window].shape[:2])

    for (rows, columns), part in stitch(mean, (300, 300), Grid(64, 32, 4)):
        answer[:, rows, columns] = part
    assert answer.max() - answer.min() > 150
    assert answer.diff(dim=2).abs().max() <= 200 / Grid(64, 32, 4).ramp + 1e-3


def unet(classes: int = 3) -> SegmentationNetwork:
    torch.manual_seed(0)
    return create_model("unet", "test_resnet", classes, widths=(8, 8, 8, 8, 8)).eval()


def segmenter(net: SegmentationNetwork, tile: int | None = None) -> Segmenter:
    spec = net.backbone.spec
    return Segmenter(net, Preprocessing(spec.mean, spec.std), Classes.numbered(3), Execution(), tile=tile)


def receptive_radius(net: SegmentationNetwork, size: int = 512) -> int:
    """How far, along the rows, a pixel's answer depends on the image: from its gradient."""
    image = torch.randn(1, 3, size, 64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    middle = slice(size // 2, size // 2 + 32)  # every place within a stride
    net(image)[:, :, middle].sum().backward()
    assert image.grad is not None
    touched = image.grad.abs().amax((0, 1, 3)).nonzero().flatten()
    return int(max(middle.start - touched.min(), touched.max() - middle.stop + 1))


@torch.no_grad()
def stitched_error(net: SegmentationNetwork, grid: Grid, size: tuple[int, int] = (470, 650)) -> float:
    """The largest difference between the stitched map and that of one pass, next to the size of the map's values."""
    own = segmenter(net)
    image = torch.from_numpy(picture(*size))
    whole = own._one_pass(image)
    parts = stitch(lambda window: own._one_pass(image[window]), size, grid)
    error = max((part - whole[:, rows, columns]).abs().max() for (rows, columns), part in parts)
    return float(error / whole.abs().max())


def test_tiles_equal_the_whole_where_the_overlap_exceeds_the_receptive_field() -> None:
    net, grid = unet(), Grid(384, 192, 32)
    assert receptive_radius(net) <= (grid.overlap - grid.ramp) // 2
    assert stitched_error(net, grid) < 1e-5
    assert stitched_error(net, Grid(128, 32, 32)) > 1e-5
    assert stitched_error(net, Grid(390, 201, 3)) > 1e-2, "tiles off the stride compute something else"


def test_with_aligned_corners_a_tile_has_one_pixel_more() -> None:
    """DeepLab v3+ without its image pooling: only where samples lie can make tiles differ from the whole."""
    torch.manual_seed(0)
    options = {"aspp_channels": 16, "decoder_channels": 16, "low_level_channels": 8, "rates": (1, 2, 3)}
    net = create_model("deeplabv3plus", "test_resnet", 3, **options).eval()
    for parameter in net.decoder.aspp.image_pooling.parameters():  # pyright: ignore[reportAttributeAccessIssue]
        torch.nn.init.zeros_(parameter)
    limits = segmenter(net).limits
    assert (limits.step, limits.extra) == (16, 1)
    grid = Grid(384, 288, 16, 1)
    assert receptive_radius(net, 1025) <= (grid.overlap - grid.ramp) // 2
    assert stitched_error(net, grid, (481, 657)) < 1e-5
    assert stitched_error(net, replace(grid, extra=0), (481, 657)) > 1e-3
    assert 1e-5 < stitched_error(net, grid, (470, 650)) < 1e-2, "the whole image's own samples are moved"


def test_tiles_of_a_network_that_sees_the_whole_image_differ() -> None:
    torch.manual_seed(0)
    options = {"aspp_channels": 16, "decoder_channels": 16, "low_level_channels": 8}
    net = create_model("deeplabv3plus", "test_resnet", 3, **options).eval()
    assert 1e-5 < stitched_error(net, Grid(384, 192, 16, 1)) < 0.2


def test_a_segmenter_answers_alike_in_tiles_and_whole() -> None:
    image, net = picture(800, 1000), unet()
    whole, tiled = segmenter(net).predict(image), segmenter(net, tile=768).predict(image)
    assert whole.logits is not None
    assert tiled.logits is not None
    np.testing.assert_allclose(tiled.logits, whole.logits, atol=1e-5)
    assert (tiled.mask == whole.mask).mean() > 0.9999
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, atol=1e-5)


def test_an_image_within_a_tile_is_computed_whole_to_the_bit() -> None:
    image, net = picture(130, 97), unet()
    whole, tiled = segmenter(net).predict(image), segmenter(net, tile=160).predict(image)
    np.testing.assert_array_equal(tiled.logits, whole.logits)


def test_a_segmenter_sees_no_more_than_its_tile() -> None:
    own = pointwise(tile=64)
    parts = list(own.parts(picture(150, 200)))
    assert len(parts) > 9
    assert max(max(size) for size in own.net.backbone.body.seen) == 64
    covered = np.zeros((150, 200), int)
    for window, logits in parts:
        covered[window] += 1
        assert logits.shape[1:] == covered[window].shape
    assert (covered == 1).all()


def test_large_images_are_tiled_and_small_ones_are_not() -> None:
    limits = Limits.of(unet(), 21, None, None)
    assert limits.grid(2048, 2048) is None
    assert limits.grid(2048, 2049) == Grid(1024, 256, 32)


def test_tiles_overlap_further_where_a_refiner_carries_further() -> None:
    def grid(tile: int | None, **refiner: Any) -> Grid | None:
        net = create_model("unet", "test_resnet", classes=4, widths=(8, 8, 8, 8, 8), **refiner)
        return Limits.of(net, 4, None, tile).grid(5000, 5000)

    assert grid(None, refiner="crf") == Grid(1024, 256 + 224, 32)
    assert grid(None, refiner="crf", refiner_options={"appearance_sxy": 12}) == Grid(1024, 256 + 32, 32)
    assert grid(None, refiner="cspn", refiner_options={"steps": 24}) == Grid(1024, 256 + 64, 32)
    assert grid(None, refiner="spn") == Grid(1024, 256 + 128, 32)
    assert grid(None, refiner="spn", refiner_options={"normalisation": "always"}) == Grid(1024, 512, 32)
    assert grid(160, refiner="spn") == Grid(160, 64, 32)  # no more than half of it


def test_a_refiner_that_takes_much_memory_makes_tiles_of_smaller_images() -> None:
    def largest(**refiner: Any) -> int:
        net = create_model("unet", "test_resnet", **{"classes": 4, **refiner})
        limits = Limits.of(net, refiner.get("classes", 4), None, None)
        return next(side for side in range(2048, 0, -64) if limits.grid(side, side) is None)

    assert largest() == largest(refiner="spn") == largest(refiner="cspn") == 2048
    assert largest(refiner="spn", refiner_options={"shared": False}) < 2048
    assert largest(refiner="crf") == largest()
    assert largest(refiner="crf", classes=60) < largest(classes=60) == 2048
    assert largest(refiner="crf", classes=1) == 2048
    many = Limits.of(unet(), 150, None, None)
    assert many.grid(1024, 2048) is None, "evaluated whole, as is the custom"
    assert many.grid(2048, 2048) == Grid(640, 160, 32)
    assert WHOLE_PIXELS == 2048**2


def test_a_refiner_that_takes_much_memory_makes_smaller_tiles() -> None:
    def tile(**refiner: Any) -> int:
        net = create_model("unet", "test_resnet", classes=2, refiner="spn", refiner_options=refiner)
        return Limits.of(net, 2, None, None).grid(5000, 5000).tile  # pyright: ignore[reportOptionalMemberAccess]

    assert tile() == 1024
    side, floats = tile(channels=128, shared=False), (3 * 4 * 128 + 12 * 128) // 4
    assert side**2 * floats <= REFINED_TILE_FLOATS < (side + 32) ** 2 * floats


def test_a_tile_smaller_than_the_strides_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"`tile` \(=100\) must be at least 128 pixels, 4 times the"):
        segmenter(unet(), tile=100)


def test_the_protocol_says_when_there_are_tiles() -> None:
    assert segmenter(unet()).protocol == (
        "One pass of the network over each image. "
        "Images of more than 4.2 megapixels in tiles of 1024 pixels that overlap by 256."
    )
    assert segmenter(unet(), tile=500).protocol.endswith(
        "Images of more than 480 pixels a side in tiles of 480 pixels that overlap by 96."
    )


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_tiles_run_as_the_execution_says(layout: str) -> None:
    own = segmenter(unet(), tile=128)
    execution = Execution("cpu", "bfloat16", layout)  # pyright: ignore[reportArgumentType]
    other = replace(own, net=execution.place(unet()), execution=execution)
    image = picture(200, 200)
    difference = np.abs(other.predict(image).logits - own.predict(image).logits)
    assert 0 < difference.max() < 0.2
