"""Folders of images and depths: plain, KITTI's, NYU's; and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from depth_folders import SIZE, depth, image, plain

from intarsia.data.depth import DepthSample, nyu, open_depth
from intarsia.data.depth.motorcycle import motorcycle
from intarsia.data.depth.open import is_depth_source
from intarsia.errors import ArgumentError, DataError, UnknownNameError


def agree(sample: DepthSample, level: int, metres: float) -> None:
    assert sample.shape() == SIZE
    assert (sample.image() == level).all()
    np.testing.assert_allclose(sample.depth(), np.full(SIZE, metres), rtol=1e-3)
    window = (slice(1, 3), slice(2, 7))
    np.testing.assert_array_equal(sample.depth(window), sample.depth()[window])
    np.testing.assert_array_equal(sample.image(window), sample.image()[window])


def test_a_plain_folder_is_split_by_its_names(tmp_path: Path) -> None:
    dataset = open_depth(plain(tmp_path / "room"))
    assert (dataset.name, sorted(dataset.splits)) == ("room", ["train", "val"])
    assert dataset.layout.startswith("images/ + depth/, 0.001 m a value by depth.json; ")
    samples = {sample.name: sample for split in dataset.splits.values() for sample in split}
    assert len(samples) == 5
    for name, sample in samples.items():
        agree(sample, int(name), 1 + int(name))
        assert sample.measured() is None


def test_a_plain_folder_may_have_splits_and_a_sensor(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("val", 2)):
        plain(tmp_path, count, split)
        depth(tmp_path / split / "sparse" / "1.png", metres=9)
    dataset = open_depth(tmp_path)
    assert {split: [s.name for s in samples] for split, samples in dataset.splits.items()} == {
        "train": ["0", "1", "2"],
        "val": ["0", "1"],
    }
    without, measured = (sample.measured() for sample in dataset.split("val"))
    assert without is None
    assert measured is not None
    assert (measured == 9).all()


def test_what_holds_depths_is_told_from_names(tmp_path: Path) -> None:
    for kind, names in DEPTHS.items():
        for name in names:
            (tmp_path / kind / name).mkdir(parents=True)
    (tmp_path / "nyu").mkdir()
    (tmp_path / "nyu" / nyu.LABELLED).touch()
    found = {place.name for place in tmp_path.iterdir() if is_depth_source(place)}
    assert found == {"plain", "split", "kitti", "recorded", "selected", "nyu"}
    assert is_depth_source(tmp_path / "nyu" / nyu.LABELLED)
    assert not is_depth_source(tmp_path / "nowhere")


DEPTHS = {
    "plain": ("images", "depth"),
    "split": ("train/images", "train/Depth"),
    "kitti": ("data_depth_annotated",),
    "recorded": ("val/2011_09_26_drive_0002_sync/proj_depth/groundtruth",),
    "selected": ("image", "groundtruth_depth"),
    "masks": ("images", "masks", "depth"),
    "voc": ("JPEGImages", "SegmentationClass", "depth"),
    "empty": (),
}


def test_fractions_are_metres(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png")
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth" / "a.npy", np.full(SIZE, 3.25))
    dataset = open_depth(tmp_path)
    assert "metres" in dataset.layout
    agree(dataset.split("val")[0], 100, 3.25)


KITTI_TREES = [
    # depths, measurements and images below the root
    ("data_depth_annotated", "data_depth_velodyne", "data_rgb/{split}/{drive}/image_02/data/{frame}.png"),
    ("", "", "{split}/{drive}/image_02/data/{frame}.png"),
    ("data_depth_annotated", "data_depth_velodyne", "{date}/{drive}/image_02/data/{frame}.png"),
]


@pytest.mark.parametrize(("annotated", "velodyne", "images"), KITTI_TREES)
def test_kittis_recordings(annotated: str, velodyne: str, images: str, tmp_path: Path) -> None:
    for split, drive, metres in (
        ("train", "2011_09_26_drive_0001_sync", 20),
        ("val", "2011_09_26_drive_0002_sync", 70),
    ):
        below = Path(split, drive, "proj_depth")
        depth(tmp_path / annotated / below / "groundtruth/image_02/0000000005.png", metres, 1 / 256)
        depth(tmp_path / velodyne / below / "velodyne_raw/image_02/0000000005.png", metres + 1, 1 / 256)
        image(tmp_path / images.format(split=split, drive=drive, date=drive[:10], frame="0000000005"), level=metres)
    dataset = open_depth(tmp_path)
    assert dataset.layout == "KITTI's depth completion, 1/256 m a value"
    for split, metres in (("train", 20), ("val", 70)):
        (sample,) = dataset.split(split)
        assert sample.name.endswith("_sync/image_02/0000000005")
        agree(sample, metres, metres)
        measured = sample.measured()
        assert measured is not None
        assert (measured == metres + 1).all()


def test_kittis_selection_is_for_judging(tmp_path: Path) -> None:
    stem = "2011_09_26_drive_0002_sync_{}_0000000008_image_02.png"
    image(tmp_path / "image" / stem.format("image"))
    depth(tmp_path / "groundtruth_depth" / stem.format("groundtruth_depth"), 30, 1 / 256)
    depth(tmp_path / "velodyne_raw" / stem.format("velodyne_raw"), 31, 1 / 256)
    dataset = open_depth(tmp_path)
    assert list(dataset.splits) == ["val"]
    agree(dataset.split("val")[0], 100, 30)
    measured = dataset.split("val")[0].measured()
    assert measured is not None
    assert (measured == 31).all()


def test_the_motorcycles_halves_are_apart() -> None:
    dataset = open_depth("sample:motorcycle")
    spans = {
        split: (min(s.left for s in samples), max(s.left + s.shape()[1] for s in samples))
        for split, samples in dataset.splits.items()
    }
    assert spans["train"][1] <= 185 < 204 <= spans["val"][0]
    assert spans["val"][1] <= 371
    for sample in (*dataset.split("train")[:5], *dataset.split("val")):
        known = sample.depth()[sample.depth() > 0]
        assert 2.1 < known.min() < known.max() < 5.02  # metres
        assert 0.8 < known.size / sample.depth().size < 1
        assert sample.image().shape == (114, 152, 3)
    first = open_depth("sample:motorcycle").split("train")
    assert first == dataset.split("train")
    assert len({(s.top, s.left) for s in first}) > 50


def test_the_motorcycles_depth_is_that_of_its_calibration() -> None:
    """The docstring of skimage.data.stereo_motorcycle: focal length 994.978, principal point dx 31.086, 193.001 mm."""
    from skimage.data import stereo_motorcycle

    _, _, disparity = stereo_motorcycle()
    sample = open_depth("sample:motorcycle").split("val")[1]
    rows, columns = np.indices(sample.shape())
    d = disparity[2 * (rows + sample.top), 2 * (columns + sample.left)]
    known = np.isfinite(d)
    np.testing.assert_array_equal(known, sample.depth() > 0)
    np.testing.assert_allclose(sample.depth()[known], 994.978 * 0.193001 / (d[known] + 31.086), rtol=1e-6)


def test_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    empty, alone, other, unpaired, unseen, twice = (
        tmp_path / name for name in ("empty", "alone", "other", "unpaired", "unseen", "twice")
    )
    empty.mkdir()
    depth(alone / "depth" / "a.png")
    depth(other / "depth" / "a.png")
    (other / "images").mkdir()
    depth(plain(unpaired) / "depth" / "more.png")
    depth(plain(unseen) / "sparse" / "more.png")
    image(plain(twice) / "images" / "1.jpg")
    cases = [
        (empty, "empty` holds no depths of a layout that is known: put photographs into `images/` and depths"),
        (alone, "alone` has no images/: put a file for each picture there"),
        (other, "images` holds no image .* put some there"),
        (unpaired, "more.png` has no image of the same name: add it, or leave the file out"),
        (unseen, r"sparse/more.png` has no image of the same name: add it, or leave the file out"),
        (twice, "have the same name but for the extension"),
        (tmp_path / "none", "There is no folder"),
    ]
    for root, sentence in cases:
        with pytest.raises(DataError, match=sentence):
            open_depth(root)


def test_an_image_of_kitti_must_be_there(tmp_path: Path) -> None:
    depth(tmp_path / "val/2011_09_26_drive_0002_sync/proj_depth/groundtruth/image_02/0000000005.png")
    with pytest.raises(DataError, match=r"groundtruth/image_02/0000000005.png` has no image: put it at `.*data_rgb"):
        open_depth(tmp_path)


def test_what_is_wrong_with_a_sample(tmp_path: Path) -> None:
    plain(tmp_path, 2, unit=None)
    with pytest.raises(DataError, match="nothing says how many metres one is"):
        open_depth(tmp_path).split("val")[0].depth()
    plain(tmp_path, 2)
    depth(tmp_path / "depth" / "0.png", size=(6, 9))
    depth(tmp_path / "depth" / "1.png", size=(6, 9))
    sample = open_depth(tmp_path).split("val")[0]
    with pytest.raises(DataError, match=r"has 6 rows × 8 columns, but its depth `.*` has 6 × 9: they must be equal"):
        sample.depth()


def test_there_is_no_other_scene() -> None:
    with pytest.raises(UnknownNameError, match="There is no built-in scene `motorbike`; did you mean motorcycle"):
        open_depth("sample:motorbike")
    with pytest.raises(DataError, match="`motorcycle` has no split `test`: it has train and val"):
        open_depth("sample:motorcycle").split("test")
    with pytest.raises(ArgumentError, match=r"`train` \(=0\) must be at least 1"):
        motorcycle(train=0)


def test_files_are_left_out_with_their_partners(tmp_path: Path) -> None:
    root = plain(tmp_path / "room")
    depth(root / "depth" / "more.png")
    skip = [root / "images" / "1.png", root / "depth" / "3.png", root / "depth" / "more.png"]
    dataset = open_depth(root, skip=skip)
    assert {sample.name for split in dataset.splits.values() for sample in split} == {"0", "2", "4"}
    with pytest.raises(DataError, match=r"gone.png` shall be left out, but it is no image or depth of"):
        open_depth(root, skip=[*skip, root / "gone.png"])
    with pytest.raises(DataError, match="holds no pair of image and depth that is not left out"):
        open_depth(root, skip=[*skip, *(root / "images" / f"{i}.png" for i in (0, 2, 4))])
    with pytest.raises(DataError, match="has no file for each picture, so that none can be left out"):
        open_depth("sample:motorcycle", skip=skip)


def test_kittis_frames_are_left_out(tmp_path: Path) -> None:
    stem = "2011_09_26_drive_0002_sync_{}_000000000{}_image_02.png"
    for i in range(3):
        depth(tmp_path / "groundtruth_depth" / stem.format("groundtruth_depth", i), 30, 1 / 256)
        if i:
            image(tmp_path / "image" / stem.format("image", i))
    first, second = (tmp_path / "groundtruth_depth" / stem.format("groundtruth_depth", i) for i in (0, 1))
    with pytest.raises(DataError, match=r"0_image_02.png` has no image: put it at"):
        open_depth(tmp_path)
    (sample,) = open_depth(tmp_path, skip=[first, second]).split("val")
    assert sample.name == stem.format("image", 2).removesuffix(".png")
