import numpy as np
import pytest

from intarsia.data import open_dataset
from intarsia.data.samples import materials as room
from intarsia.data.samples.materials import CLASSES, PHOTOGRAPHS, materials
from intarsia.errors import ArgumentError


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_train_and_val_use_disjoint_parts_of_a_photograph(name):
    photograph = PHOTOGRAPHS[name]
    train, val = photograph.box("train"), photograph.box("val")
    axis = photograph.axis
    assert train[axis + 2] < val[axis]  # with a gap
    for top, left, bottom, right in (train, val):
        assert photograph.part[0] <= top < bottom <= photograph.part[2]
        assert photograph.part[1] <= left < right <= photograph.part[3]
    for split, box in (("train", train), ("val", val)):
        size = ((box[2] - box[0]) // photograph.reduction, (box[3] - box[1]) // photograph.reduction)
        assert room._texture(name, split).shape == size


def test_the_retinas_part_lies_within_the_disc():
    top, left, bottom, right = PHOTOGRAPHS["retina"].part
    assert max(np.hypot(y - 705, x - 705) for y in (top, bottom) for x in (left, right)) < 640


def test_a_mosaic_is_a_pure_function_of_seed_split_and_index():
    few, many, other = materials(3, 2, 48), materials(9, 5, 48), materials(3, 2, 48, seed=1)
    assert few.split("train") == many.split("train")[:3]
    names = {(s.image().tobytes(), s.mask().tobytes()) for d in (many, other) for x in d.splits.values() for s in x}
    assert len(names) == 9 + 5 + 3 + 2
    first = few.split("val")[1].image()
    room._mosaic.cache_clear()
    np.testing.assert_array_equal(few.split("val")[1].image(), first)


def test_the_splits_do_not_share_their_shapes():
    dataset = materials(4, 4, 48)
    for train, val in zip(dataset.split("train"), dataset.split("val"), strict=True):
        assert (train.mask() != val.mask()).any()


def test_mosaics_are_grey_and_exact():
    for sample in open_dataset("sample:materials").split("val")[:8]:
        image, mask = sample.image(), sample.mask()
        assert (image.dtype, mask.dtype, image.shape, mask.shape) == (np.uint8, np.uint8, (256, 256, 3), (256, 256))
        assert (image[:, :, 0] == image[:, :, 1]).all()
        assert (image[:, :, 0] == image[:, :, 2]).all()
        assert 2 <= len(np.unique(mask)) <= 6


def test_what_a_caller_changes_is_not_kept():
    sample = materials(1, 1, 32).split("train")[0]
    sample.image()[:] = 0
    sample.mask()[:] = 99
    assert sample.image().any()
    assert sample.mask().max() < CLASSES.count


@pytest.mark.parametrize("split", ["train", "val"])
def test_classes_are_roughly_even(split):
    counts = sum(np.bincount(s.mask().ravel(), minlength=8) for s in materials(64, 64, 128).split(split))
    share = counts / counts.sum()
    assert share.min() > 0.06
    assert share.max() < 0.2


def test_neither_brightness_nor_contrast_tells_the_class():
    """The best class from a region's mean and standard deviation alone is right in fewer than half of the regions."""
    features, labels = [], []
    for sample in materials(64, 1, 128).split("train"):
        image, mask = sample.image()[:, :, 0], sample.mask()
        for label in np.unique(mask):
            region = image[mask == label]
            if region.size > 500:
                features.append((region.mean(), region.std()))
                labels.append(label)
    points, labels = np.array(features), np.array(labels)
    points = (points - points.mean(0)) / points.std(0)
    distances = np.linalg.norm(points[:, None] - points, axis=-1) + 1e9 * np.eye(len(points))
    assert (labels[distances.argmin(1)] == labels).mean() < 0.5


def test_a_negative_seed_is_refused():
    with pytest.raises(ArgumentError, match=r"`seed` \(=-1\) must not be negative"):
        materials(seed=-1)


@pytest.mark.parametrize("change", [{"train": 0}, {"val": -1}, {"size": 0}])
def test_numbers_below_one_are_refused(change):
    name, number = next(iter(change.items()))
    with pytest.raises(ArgumentError, match=rf"`{name}` \(={number}\) must be at least 1"):
        materials(**change)


def test_rare_classes_are_in_one_mosaic_of_fifteen():
    rare = ("moon", "tissue")
    seen = np.zeros(8)
    for sample in materials(400, 1, 24, rare=rare).split("train"):
        seen[np.unique(sample.mask())] += 1
    often = [seen[place] for place, name in enumerate(CLASSES.names) if name not in rare]
    few = [seen[CLASSES.names.index(name)] for name in rare]
    assert min(often) > 200
    assert all(8 < number < 50 for number in few)


@pytest.mark.parametrize("rare", [("sand",), ("moon", "tissue", "brick"), ("moon", "moon")])
def test_rare_classes_that_cannot_be_are_refused(rare):
    with pytest.raises(
        ArgumentError, match=rf"`rare` \(={', '.join(rare)}\) must be at most 2 of brick, grass.*, each once"
    ):
        materials(rare=rare)
