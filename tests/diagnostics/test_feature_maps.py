"""Principal components against a singular value decomposition; what strides keep against counting by hand."""

import numpy as np
import pytest
import torch
from standins import patch_network

from intarsia.diagnostics import principal_components, stage_maps
from intarsia.diagnostics.feature_maps import kept
from intarsia.models import create_model


@pytest.mark.parametrize("shape", [(12, 5, 6), (40, 3, 4), (5, 9, 9)], ids=["square", "wide", "tall"])
def test_components_are_those_of_the_singular_values(shape: tuple[int, int, int]) -> None:
    features = np.random.default_rng(0).standard_normal(shape) * np.linspace(1, 3, shape[0])[:, None, None] + 7
    components, shares = principal_components(features.astype(np.float32))
    centred = features.reshape(shape[0], -1) - features.reshape(shape[0], -1).mean(1, keepdims=True)
    _, values, rows = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(shares, values[:3] ** 2 / (values**2).sum(), rtol=1e-5)
    flat = components.reshape(3, -1)
    np.testing.assert_allclose(np.abs(flat), np.abs(values[:3, None] * rows[:3]), atol=1e-4 * values[0])
    assert all(row[np.abs(row).argmax()] > 0 for row in flat)
    np.testing.assert_allclose(flat.mean(1), 0, atol=1e-6 * values[0])


def test_few_directions_leave_zeros() -> None:
    components, shares = principal_components(np.arange(4.0).reshape(1, 2, 2))
    assert shares.tolist() == [1, 0, 0]
    assert not components[1:].any()
    components, shares = principal_components(np.ones((5, 1, 2)))
    assert not components.any()
    assert not shares.any()


def test_stages_are_the_backbones_maps() -> None:
    net = create_model("unet", "test_resnet", 2, widths=(8, 8, 8, 8, 8)).eval()
    image = torch.randn(1, 3, 40, 70)
    maps = stage_maps(net, image)
    assert [m.shape[0] for m in maps] == list(net.backbone.spec.channels)
    assert [64 // m.shape[1] for m in maps] == list(net.backbone.spec.strides)  # the image extended to 64 × 96
    padded = torch.nn.functional.pad(image, (0, 26, 0, 24))
    for found, expected in zip(maps, net.backbone(padded), strict=True):
        np.testing.assert_allclose(found, expected[0].detach().numpy(), rtol=1e-5, atol=1e-6)


def test_stride_one_keeps_all_and_whole_cells_stay() -> None:
    mask = np.random.default_rng(0).integers(0, 3, (13, 9)).astype(np.uint8)
    assert np.array_equal(kept(mask, 1, 3), mask)
    halves = np.zeros((16, 16), np.uint8)
    halves[:, 8:] = 2
    assert np.array_equal(kept(halves, 4, 3), halves)


def test_what_is_smaller_than_a_cell_goes() -> None:
    mask = np.zeros((16, 16), np.uint8)
    mask[5, 5] = 1
    assert kept(mask, 1, 2).sum() == 1
    assert kept(mask, 4, 2).sum() == 0
    mask[:] = 0
    mask[:, 4:8] = 1
    assert kept(mask, 4, 2)[:, 6].all()


def test_ignored_pixels_stay_and_are_no_class() -> None:
    mask = np.full((8, 8), 255, np.uint8)
    mask[:, :1] = 1
    left = kept(mask, 4, 2)
    assert (left[:, 1:] == 255).all()
    assert (left[:, 0] == 1).all()  # though most of the cell is ignored


def test_stage_maps_of_one_map() -> None:
    (found,) = stage_maps(patch_network(), torch.randn(1, 3, 32, 24))
    assert found.shape == (16, 4, 3)
