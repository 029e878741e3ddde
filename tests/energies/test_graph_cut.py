"""Boykov and Jolly's cut: seeds hold, marks lead to the object, and what is refused."""

import numpy as np
import pytest
from skimage import data

import intarsia
from intarsia.energies import graph_cut, trimap_of_mask
from intarsia.errors import ArgumentError


@pytest.fixture(scope="module")
def disc():
    """A noisy disc, the truth, and a few marks."""
    rows, columns = np.mgrid[:60, :80]
    truth = (rows - 30) ** 2 + (columns - 40) ** 2 < 20**2
    noise = np.random.default_rng(0).normal(0, 25, (60, 80, 3))
    image = np.clip(np.where(truth[..., None], (170, 120, 90), (90, 120, 150)) + noise, 0, 255).astype(np.uint8)
    trimap = np.full((60, 80), 2, np.uint8)
    trimap[2:5], trimap[28:32, 30:50] = 0, 1
    return image, truth, trimap


@pytest.mark.parametrize("data_term", ["mixture", "histogram"])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_marks_lead_to_the_object(disc, data_term, connectivity):
    image, truth, trimap = disc
    cut = graph_cut(image, trimap, data_term=data_term, connectivity=connectivity)
    assert (cut.foreground & truth).sum() / (cut.foreground | truth).sum() > 0.95
    assert cut.energy == cut.flow
    np.testing.assert_array_equal(cut.trimap, np.where(trimap < 2, trimap, 2 + cut.foreground))


def test_wrong_seeds_never_flip(disc):
    image, _, trimap = disc
    seeds = np.random.default_rng(1).integers(0, 40, trimap.shape)
    trimap = np.where(seeds < 2, seeds, 2).astype(np.uint8)
    cut = graph_cut(image, trimap)
    assert cut.foreground[trimap == 1].all()
    assert not cut.foreground[trimap == 0].any()


def test_swapped_marks_mirror_the_cut(disc):
    image, _, trimap = disc
    swapped = np.choose(trimap, [1, 0, 3, 2]).astype(np.uint8)
    found = graph_cut(image, swapped, data_term="histogram").foreground
    np.testing.assert_array_equal(found, ~graph_cut(image, trimap, data_term="histogram").foreground)


def test_the_cut_is_the_least_costly_outline_for_given_numbers():
    """Along a row the outline may lie at three places; the constant that both sides share changes nothing."""
    image = np.array([[0, 0, 10, 10]], np.uint8)
    trimap = np.array([[1, 3, 2, 0]], np.uint8)
    for shift in (-0.4, 0.0, 0.4):
        cut = graph_cut(image, trimap, data_term=np.full((1, 4), shift), gamma=1)
        assert cut.foreground.tolist() == [[True, True, False, False]]
    assert graph_cut(image, trimap, data_term=np.full((1, 4), 4.0)).foreground.tolist() == [[True, True, False, False]]
    strong = graph_cut(image, trimap, data_term=np.full((1, 4), 4.0), data_weight=20)
    assert strong.foreground.tolist() == [[True, True, True, False]]


def test_a_coarse_mask_becomes_a_better_one(disc):
    """Shifted, in blocks, and with a hole."""
    image, truth, _ = disc
    coarse = np.roll(truth, (3, -3), (0, 1))[4::8, 4::8].repeat(8, 0).repeat(8, 1)[:60]
    coarse = np.pad(coarse, ((0, 60 - len(coarse)), (0, 0)))
    coarse[30:33, 40:43] = False
    cut = graph_cut(image, trimap_of_mask(coarse, 9)).foreground
    before, after = ((mask & truth).sum() / (mask | truth).sum() for mask in (coarse, cut))
    assert before < 0.8
    assert after > 0.97


def test_a_photograph_from_a_few_marks():
    """The dark coat, and a frame of background."""
    image = data.camera()[::4, ::4]
    trimap = np.full(image.shape, 2, np.uint8)
    trimap[:, :10], trimap[:10], trimap[40:70, 40:52] = 0, 0, 1
    cut = graph_cut(image, trimap)
    again = graph_cut(image, trimap)
    np.testing.assert_array_equal(cut.foreground, again.foreground)
    assert cut.foreground[40:70, 40:52].all()
    assert not cut.foreground[:10].any()


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (5, 5, 1), (4, 6, 7)])
@pytest.mark.parametrize("value", [0, 200])
def test_odd_and_constant_images(shape, value):
    trimap = np.full(shape[:2], 3, np.uint8)
    trimap.flat[0], trimap.flat[-1] = 0, 1
    cut = graph_cut(np.full(shape, value, np.uint8), trimap)
    assert cut.foreground.flat[-1]
    assert not cut.foreground.flat[0]


def test_it_is_a_public_name():
    assert intarsia.graph_cut is graph_cut


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trimap": np.full((60, 80), 0, np.uint8)}, r"`trimap` holds no foreground \(1, or at least 3\)"),
        ({"trimap": np.full((60, 80), 1, np.uint8)}, r"`trimap` holds no background \(0, or at least 2\)"),
        ({"data_term": "colour"}, r"`data_term` \(='colour'\) must be 'mixture', 'histogram'"),
        ({"data_term": np.zeros((2, 2))}, r"`data_term` \(of shape \(2, 2\)\) must hold a number"),
        ({"data_term": np.full((60, 80), np.nan)}, "not NaN, for each pixel"),
        ({"data_weight": 0.0}, r"`data_weight` \(=0.0\) must be above 0"),
        ({"gamma": 5000.0}, r"`gamma` \(=5000.0\) must be above 0 and at most 1000"),
        ({"connectivity": 6}, r"`connectivity` \(=6\) must be 4 or 8"),
        ({"bins": 1}, r"`bins` \(=1\) must be from 2 to 256"),
        ({"components": 0}, r"`components` \(=0\) must be at least 1"),
    ],
)
def test_what_is_refused(disc, options, message, unchecked_shapes):
    image, _, trimap = disc
    with pytest.raises(ArgumentError, match=message):
        graph_cut(image, **{"trimap": trimap, **options})
