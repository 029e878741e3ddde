"""GrabCut: the energy written out, minima by brute force, falling energies, hard seeds, odd images, OpenCV's masks."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from intarsia.energies.grabcut import grabcut
from intarsia.energies.levels import levels_of
from intarsia.energies.mixtures import GaussianMixture, Mixtures, first_mixture
from intarsia.energies.scene import Scene
from intarsia.energies.trimap import trimap_of_box
from intarsia.errors import ArgumentError

STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))  # rows, columns


def a_scene(seed=0, size=(24, 30), channels=3, dtype=np.uint8):
    """A noisy object that a box around it does not touch."""
    generator = np.random.default_rng(seed)
    colours = generator.uniform(40, 215, (4, channels))
    inside = np.zeros(size, bool)
    inside[size[0] // 4 : -size[0] // 4, size[1] // 3 : -size[1] // 4] = True
    which = generator.integers(0, 2, size) + 2 * inside
    image = colours[which] + generator.normal(0, 15, (*size, channels))
    return image.clip(0, 255).astype(dtype), (3, 2, size[1] - 3, size[0] - 2)


def pairs(size, connectivity):
    """Both ends of all neighbours, and their distance."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    for down, right in STEPS[: connectivity // 2]:
        there = (rows + down < size[0]) & (columns + right >= 0) & (columns + right < size[1])
        first = rows[there], columns[there]
        yield first, (first[0] + down, first[1] + right), np.hypot(down, right)


def energy_written_out(image, foreground, mixtures, gamma, connectivity, mixed):
    """Equations 2, 5, 9 and 11 of the paper, in float64, for an image of bytes."""
    z, total = image.astype(float), 0.0
    for side, chosen in ((mixtures.foreground, foreground), (mixtures.background, ~foreground)):
        each = []
        for weight, mean, covariance in zip(side.weights, side.means, side.covariances, strict=True):
            d = z[chosen] - mean
            distance = np.einsum("ni,ij,nj->n", d, np.linalg.inv(covariance), d)
            each.append(-np.log(weight) + np.linalg.slogdet(covariance)[1] / 2 + distance / 2)
        total += (-np.logaddexp.reduce(-np.array(each), 0) if mixed else np.min(each, 0)).sum()
    ends = list(pairs(foreground.shape, connectivity))
    squares = [np.square(z[first] - z[second]).sum(-1) for first, second, _ in ends]
    beta = 1 / (2 * np.concatenate(squares).mean())
    for (first, second, distance), square in zip(ends, squares, strict=True):
        total += (gamma / distance * np.exp(-beta * square))[foreground[first] != foreground[second]].sum()
    return total


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("data_term", ["component", "mixture"])
def test_the_energy_is_the_papers_for_the_labels_and_their_mixtures(channels, connectivity, data_term):
    image, box = a_scene(channels=channels)
    cut = grabcut(image, box, connectivity=connectivity, data_term=data_term, gamma=20)
    assert len(cut.energy) == 5
    wanted = energy_written_out(image, cut.foreground, cut.mixtures, 20, connectivity, data_term == "mixture")
    assert cut.energy[-1] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("size", "pyramid"), [((24, 30), False), ((260, 270), False), ((130, 140), True)])
def test_with_the_papers_term_the_energy_never_rises(seed, size, pyramid):
    """At full size: from 256 pixels a side on the first colours come from quarter size."""
    cut = grabcut(*a_scene(seed, size), iterations=7, gamma=10 * seed, components=1 + seed, pyramid=pyramid, seed=seed)
    assert len(cut.energy) == (2 if pyramid else 7)
    assert np.diff(cut.energy).max() <= 1e-6 * cut.energy[0]
    assert pyramid or not cut.foreground.any() or np.diff(cut.energy).min() < 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("data_term", ["component", "mixture"])
def test_no_other_labels_have_less_energy(seed, data_term):
    """All 2^10 labelings of what is not known."""
    image, _ = a_scene(seed, (4, 4))
    trimap = np.full((4, 4), 3, np.uint8)
    trimap[0], trimap[3] = (0, 2, 2, 1), (2, 0, 1, 0)
    cut = grabcut(image, trimap=trimap, iterations=2, components=2, gamma=2, data_term=data_term)
    energies = []
    for labels in product((False, True), repeat=np.count_nonzero(trimap > 1)):
        foreground = trimap == 1
        foreground[trimap > 1] = labels
        energies.append(energy_written_out(image, foreground, cut.mixtures, 2, 8, data_term == "mixture"))
    assert cut.energy[-1] == pytest.approx(min(energies), rel=1e-5)


def test_what_is_known_stays_and_the_rest_is_coded_as_it_was_cut():
    image, box = a_scene()
    trimap = trimap_of_box(box, image.shape[:2])
    generator = np.random.default_rng(0)
    trimap[generator.random(trimap.shape) < 0.05], trimap[generator.random(trimap.shape) < 0.05] = 0, 1
    for pyramid in (False, True):
        cut = grabcut(
            np.kron(image, np.ones((6, 6, 1), np.uint8)), trimap=trimap.repeat(6, 0).repeat(6, 1), pyramid=pyramid
        )
        found, known = cut.trimap[::6, ::6], trimap < 2
        np.testing.assert_array_equal(found[known], trimap[known])
        assert (cut.trimap % 2 == cut.foreground).all()
        assert (found[~known] > 1).all()


def test_kept_mixtures_give_the_same_cut_at_once_and_begin_another():
    image, box = a_scene()
    cut = grabcut(image, box)
    again = grabcut(image, box, mixtures=cut.mixtures, mode="frozen")
    np.testing.assert_array_equal(again.foreground, cut.foreground)
    assert again.energy == cut.energy[-1:]
    assert again.mixtures is cut.mixtures
    on = grabcut(image, trimap=cut.trimap, mixtures=cut.mixtures, iterations=2)
    assert on.energy[-1] <= cut.energy[-1] * (1 + 1e-6)
    other = a_scene(seed=0, size=(24, 40))[0]
    everything = np.full(other.shape[:2], 2, np.uint8)
    frozen = grabcut(other, trimap=everything, mixtures=cut.mixtures, mode="frozen")  # nothing known: colours alone
    assert 0.1 < frozen.foreground.mean() < 0.6


def test_the_same_arguments_give_the_same_answer():
    image, box = a_scene()
    one, other = (grabcut(image, box, seed=3) for _ in range(2))
    assert one.energy == other.energy
    np.testing.assert_array_equal(one.foreground, other.foreground)


@pytest.mark.parametrize(
    "unit", [("uint16", 256, 0), ("float64", 1 / 255, 0), ("float64", 1e4, -3e6), ("float32", 1, 0)], ids=str
)
def test_the_answer_does_not_depend_on_the_unit_of_the_samples(unit):
    image, box = a_scene()
    image[0, 0], image[0, 1] = 0, 255  # the whole range, which floating-point samples are scaled by
    dtype, step, black = unit
    same = grabcut(image, box)
    other = grabcut((image * float(step) + black).astype(dtype), box)
    np.testing.assert_array_equal(other.foreground, same.foreground)
    np.testing.assert_allclose(other.energy, same.energy, rtol=1e-5)
    np.testing.assert_allclose(
        other.mixtures.foreground.means, same.mixtures.foreground.means * step + black, rtol=1e-5
    )


def test_memory_of_any_kind_is_read_and_left_as_it_was():
    image, box = a_scene()
    same = grabcut(image, box).foreground
    wide = np.zeros((48, 60, 6), np.uint8)
    wide[::2, ::2, ::2] = image
    reading = image.copy()
    reading.setflags(write=False)
    for other in (wide[::2, ::2, ::2], reading, np.asfortranarray(image), image[:, ::-1].copy()[:, ::-1]):
        before = other.copy()
        np.testing.assert_array_equal(grabcut(other, box).foreground, same)
        np.testing.assert_array_equal(other, before)


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("pyramid", [False, True])
def test_thin_images_and_boxes_of_one_pixel_have_an_answer(size, pyramid):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    trimap = np.zeros(size, np.uint8)
    trimap[size[0] // 2, size[1] // 2] = 3
    cut = grabcut(image, trimap=trimap, pyramid=pyramid)
    assert not cut.foreground[trimap == 0].any()


def test_one_colour_is_background_for_want_of_a_difference():
    cut = grabcut(np.full((9, 9, 3), 77, np.uint8), (2, 2, 7, 7))
    assert not cut.foreground.any()


def test_where_everything_is_known_it_stays():
    image, _ = a_scene()
    trimap = np.zeros(image.shape[:2], np.uint8)
    trimap[5:9, 5:9] = 1
    np.testing.assert_array_equal(grabcut(image, trimap=trimap).foreground, trimap == 1)


BOX = (3, 2, 27, 22)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, r"Say where the object is, either by `box` or by `trimap`\."),
        ({"box": BOX, "trimap": np.zeros((24, 30), np.uint8)}, r"either by `box` or by `trimap`\."),
        ({"trimap": np.zeros((24, 30), np.uint8)}, r"`trimap` leaves the foreground no pixel .* mark some by 1 or 3\."),
        ({"trimap": np.ones((24, 30), np.uint8)}, r"`trimap` leaves the background no pixel .* mark some by 0 or 2\."),
        ({"box": BOX, "iterations": 0}, r"`iterations` \(=0\) must be at least 1\."),
        ({"box": BOX, "components": -1}, r"`components` \(=-1\) must be at least 1\."),
        ({"box": BOX, "gamma": -1.0}, r"`gamma` \(=-1\.0\) must be a number from 0 on; the paper's is 50\."),
        ({"box": BOX, "gamma": float("nan")}, r"`gamma` \(=nan\) must be a number"),
        ({"box": BOX, "connectivity": 6}, r"`connectivity` \(=6\) must be 4 or 8\."),
        ({"box": BOX, "data_term": "paper"}, r"`data_term` \(='paper'\) must be 'component' or 'mixture'\."),
        ({"box": BOX, "seed": -1}, r"`seed` \(=-1\) must be a whole number from 0 on\."),
        ({"box": BOX, "mode": "fast"}, r"`mode` \(='fast'\) must be 'learn' or 'frozen'\."),
        ({"box": BOX, "mode": "frozen"}, r"`mode` \(='frozen'\) keeps given mixtures: give `mixtures`, such as those"),
        (
            {"box": BOX, "mixtures": Mixtures(*2 * [GaussianMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])])},
            r"`mixtures` are of 2 channels and the image has 3; learn them from such images\.",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_other_arguments_are_refused(arguments, complaint):
    with pytest.raises(ArgumentError, match=complaint):
        grabcut(a_scene()[0], **arguments)


OPENCV = json.loads((Path(__file__).parents[1] / "golden" / "grabcut_opencv.json").read_text())


def least_energy(image, box, foreground):
    """Of a mask, under mixtures that are fitted to it until nothing changes, from several beginnings."""
    levels, spent = levels_of(image), []
    for seed in range(6):
        generator = np.random.default_rng(seed)
        mixtures = Mixtures(*(first_mixture(levels, side, 5, generator) for side in (~foreground, foreground)))
        for _ in range(30):
            mixtures, cost = mixtures.refitted(levels, foreground)
        spent.append(cost)
    return min(spent) + Scene(levels, trimap_of_box(box, foreground.shape), 50, 8).boundary(foreground)


@pytest.mark.parametrize("picture", OPENCV["masks"])
def test_the_energy_is_at_most_opencvs(picture):
    from skimage import data

    stored = OPENCV["masks"][picture]
    image, box = (
        np.ascontiguousarray(getattr(data, picture)()[:: OPENCV["step"], :: OPENCV["step"]]),
        tuple(stored["box"]),
    )
    theirs = np.unpackbits(np.frombuffer(bytes.fromhex(stored["bits"]), np.uint8), count=image[..., 0].size)
    theirs = theirs.reshape(image.shape[:2]).astype(bool)
    ours = grabcut(image, box).foreground
    assert least_energy(image, box, ours) <= 1.003 * least_energy(image, box, theirs)


def test_a_forked_process_gets_the_same_answer():
    """After a cut in its parent, as loaders fork; in a process of its own, that no other thread runs in."""
    code = """
import os, sys
import numpy as np
from intarsia.energies.grabcut import grabcut
image = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
cut = grabcut(image, (3, 3, 20, 17))
child = os.fork()
if child == 0:
    same = grabcut(image, (3, 3, 20, 17))
    os._exit(0 if (same.foreground == cut.foreground).all() and same.energy == cut.energy else 1)
sys.exit(os.waitpid(child, 0)[1] >> 8)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
