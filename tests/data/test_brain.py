from importlib.util import find_spec

import numpy as np
import pytest

from intarsia.data import open_dataset
from intarsia.data.samples import brain as room
from intarsia.errors import MissingPackageError

needs_nilearn = pytest.mark.skipif(find_spec("nilearn") is None, reason="nilearn is not installed")


@needs_nilearn
def test_sixty_four_slices_and_no_neighbours_across_the_splits():
    dataset = open_dataset("sample:brain")
    train, val = ({s.level for s in dataset.split(name)} for name in ("train", "val"))
    assert (len(train), len(val)) == (48, 16)
    assert min(abs(a - b) for a in train for b in val) == 3  # two slices lie between


@needs_nilearn
def test_slices_hold_an_upright_brain_with_four_tissues():
    for sample in open_dataset("sample:brain").split("val")[::5]:
        image, mask = sample.image(), sample.mask()
        assert image.shape == (233, 197, 3)
        assert mask.shape == (233, 197)
        assert (image.dtype, mask.dtype) == (np.uint8, np.uint8)
        assert np.unique(mask).tolist() == [0, 1, 2, 3]
        np.testing.assert_array_equal(mask == 0, image[:, :, 0] == 0)
        fluid, grey, white = (image[:, :, 0][mask == tissue].mean() for tissue in (1, 2, 3))
        assert fluid < grey < white  # as T1 shows them
        rows = np.flatnonzero((mask > 0).any(axis=1))
        columns = np.flatnonzero((mask > 0).any(axis=0))
        assert np.ptp(rows) > np.ptp(columns)  # a head is longer than wide
        assert (mask == mask[:, ::-1]).mean() > 0.85  # left and right are columns


def test_without_nilearn_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with pytest.raises(
        MissingPackageError, match=r"`sample:brain` needs the package `nilearn`: pip install 'intarsia\[brain\]'"
    ):
        open_dataset("sample:brain")
