"""Pull-push: what is measured stays, the rest lies between, at any size, whatever the unit."""

import numpy as np
import pytest
import torch
from torch import Tensor

from intarsia.data import generator_for
from intarsia.data.depth import Measuring, linear_fill, measure, nearest_fill, open_depth
from intarsia.layers.filling import pull_push

SIZES = [(1, 1), (1, 9), (7, 5), (21, 33), (64, 48)]


def few(size: tuple[int, int], share: float = 0.1, batch: int = 2) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    depths, chances = torch.rand(2, batch, 1, *size, generator=draw, dtype=torch.float64)
    measured = torch.where(chances < share, 1 + 4 * depths, 0)
    measured[:, :, 0, 0] = 3.0
    return measured


@pytest.mark.parametrize("size", SIZES)
def test_measured_pixels_stay_and_others_lie_between(size: tuple[int, int]) -> None:
    measured = few(size)
    filled = pull_push(measured)
    assert torch.equal(filled[measured > 0], measured[measured > 0])
    for one, of_one in zip(filled, measured, strict=True):
        known = of_one[of_one > 0]
        assert known.min() - 1e-12 <= one.min() <= one.max() <= known.max() + 1e-12


@pytest.mark.parametrize("size", SIZES)
def test_a_constant_scene_is_exact(size: tuple[int, int]) -> None:
    filled = pull_push(2.5 * few(size, 0.02).sign())
    torch.testing.assert_close(filled, torch.full_like(filled, 2.5))


def test_it_does_not_depend_on_the_unit() -> None:
    torch.testing.assert_close(pull_push(0.3 * few((21, 33))), 0.3 * pull_push(few((21, 33))))


def test_images_of_a_batch_do_not_meet() -> None:
    measured = few((21, 33))
    torch.testing.assert_close(pull_push(measured), torch.cat([pull_push(one[None]) for one in measured]))


def test_what_lies_alone_fills_all_and_nothing_fills_nothing() -> None:
    measured = torch.zeros(2, 1, 21, 33)
    measured[0, 0, 13, 20] = 4.0
    assert pull_push(measured)[0].eq(4).all()
    assert pull_push(measured)[1].eq(0).all()


def test_on_the_real_scene_it_is_about_as_good_as_the_linear_fill() -> None:
    sample = open_depth("sample:motorcycle").split("val")[1]
    depth = sample.depth()
    measured = measure(depth, sample.image(), Measuring("count", 500), generator_for(0))
    ours = pull_push(torch.from_numpy(measured)[None, None])[0, 0].numpy()
    ours, linear, nearest = (
        float(np.sqrt(np.mean((fill - depth)[depth > 0] ** 2)))
        for fill in (ours, linear_fill(measured), nearest_fill(measured))
    )
    assert ours < nearest
    assert ours < 1.1 * linear
