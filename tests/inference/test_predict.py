"""Masks for files, folders and globs."""

import os
import re
from pathlib import Path
from shutil import copy, copytree

import numpy as np
import pytest
from PIL import Image
from standins import pointwise

from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError, DataError, IntarsiaWarning
from intarsia.inference import find_images, load, predict_files
from intarsia.kernels import memory
from intarsia.runs.refinement import Refinement


def test_a_folder_with_subfolders_keeps_its_shape(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    photos = copytree(discs / "images", tmp_path / "in")
    (photos / "more").mkdir()
    copy(photos / "disc_1.png", photos / "more" / "disc_1.png")
    outcomes = list(
        predict_files(load(disc_run), find_images(photos), tmp_path / "out", overlays=True, probabilities=True)
    )
    assert len(outcomes) == 9
    assert all(outcome.complaint is None for outcome in outcomes)
    mask = Image.open(tmp_path / "out" / "more" / "disc_1.png")
    assert mask.mode == "P"
    assert mask.getpalette()[:6] == [c for colour in load(disc_run).classes.colours for c in colour]
    with Image.open(tmp_path / "out" / "overlays" / "more" / "disc_1.jpg") as overlay:
        assert overlay.size == (40, 40)
    probabilities = np.load(tmp_path / "out" / "probabilities" / "more" / "disc_1.npy")
    assert probabilities.shape == (2, 40, 40)
    assert probabilities.dtype == np.float16
    np.testing.assert_array_equal(np.asarray(mask), load(disc_run).predict(photos / "disc_1.png").mask)


def test_files_and_globs(discs: Path) -> None:
    assert [job.stem.name for job in find_images(discs / "images" / "disc_3.png")] == ["disc_3"]
    assert len(find_images(str(discs / "images" / "disc_*.png"))) == 8
    assert len(find_images(os.path.relpath(discs / "images"))) == 8


def test_a_bad_file_is_reported_and_the_rest_goes_on(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    photos = copytree(discs / "images", tmp_path / "in")
    (photos / "disc_2.png").write_bytes((photos / "disc_2.png").read_bytes()[:200])
    (photos / "notes.txt").write_text("not an image, and not asked for")
    outcomes = list(predict_files(load(disc_run), find_images(photos), tmp_path / "out"))
    bad = [outcome for outcome in outcomes if outcome.complaint]
    assert [outcome.job.stem.name for outcome in bad] == ["disc_2"]
    assert "disc_2.png" in bad[0].complaint
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"disc_{i}.png" for i in (0, 1, 3, 4, 5, 6, 7)]


def test_an_image_is_never_overwritten_by_its_mask(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    photos = copytree(discs / "images", tmp_path / "in")
    before = (photos / "disc_0.png").read_bytes()
    (outcome, *_) = predict_files(load(disc_run), find_images(photos), photos)
    assert "would overwrite it" in (outcome.complaint or "")
    assert (photos / "disc_0.png").read_bytes() == before


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"names no image \(there is no such file or folder\); give images"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(DataError, match="names no image; give images"):
        find_images(tmp_path)


def test_masks_of_an_earlier_call_are_no_photographs(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    photos = copytree(discs / "images", tmp_path / "in")
    for _ in range(2):
        jobs = find_images(photos, photos / "masks")
        assert len(list(predict_files(load(disc_run), jobs, photos / "masks"))) == 8
    for out in (photos, tmp_path, tmp_path / "elsewhere"):
        assert len(find_images(photos, out)) == 16


def test_two_images_with_one_mask(discs: Path, tmp_path: Path) -> None:
    photos = copytree(discs / "images", tmp_path / "in")
    copy(photos / "disc_0.png", photos / "disc_0.bmp")
    with pytest.raises(DataError, match=r"would write the same file `disc_0\.png`"):
        find_images(photos)


def test_several_sources_each_image_once(discs: Path) -> None:
    images = discs / "images"
    jobs = find_images([images / "disc_3.png", str(images / "disc_[12].png"), images])
    assert [job.stem.name for job in jobs] == [f"disc_{i}" for i in (3, 1, 2, 0, 4, 5, 6, 7)]
    with pytest.raises(DataError, match="`nowhere` names no image"):
        find_images([images, "nowhere"])
    assert find_images([]) == []


def large_and_small(folder: Path) -> Path:
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, size in (("large", (150, 200, 3)), ("small", (20, 30, 3))):
        Image.fromarray(generator.integers(0, 256, size).astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def test_probabilities_of_tiles_are_those_of_the_whole(tmp_path: Path) -> None:
    photos = large_and_small(tmp_path / "in")
    for name, segmenter in (("whole", pointwise()), ("tiled", pointwise(tile=64))):
        list(predict_files(segmenter, find_images(photos), tmp_path / name, probabilities=True, overlays=True))
    for name in ("large", "small"):
        whole, tiled = (np.load(tmp_path / way / "probabilities" / f"{name}.npy") for way in ("whole", "tiled"))
        assert tiled.dtype == np.float16
        np.testing.assert_allclose(tiled, whole, atol=1e-3)
        mask = np.asarray(Image.open(tmp_path / "tiled" / f"{name}.png"))
        assert (tiled.argmax(0) == mask).mean() > 0.999, "float16 has ties"


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    photos, seen = large_and_small(tmp_path / "in"), []
    jobs = find_images(photos)
    list(predict_files(pointwise(tile=64), jobs, tmp_path / "out", watch=lambda job, share: seen.append((job, share))))
    large = [share for job, share in seen if job == jobs[0]]
    assert len(large) > 9
    assert large == sorted(large)
    assert large[-1] == seen[-1][1] == 1


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    photos, scarce = large_and_small(tmp_path / "in"), pointwise(tile=64)
    scarce.net.backbone.body.most_pixels = 8
    with pytest.warns(IntarsiaWarning), pytest.raises(ArgumentError):
        list(predict_files(scarce, find_images(photos), tmp_path / "out", probabilities=True))
    assert not list((tmp_path / "out" / "probabilities").iterdir())


def test_an_image_too_large_to_be_refined_is_reported_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_ALWAYS_THERE", 0)
    monkeypatch.setattr(memory, "free_memory", lambda: 2_000_000)
    segmenter = pointwise(refinement=Refinement(CRFSettings(1)))
    large, small = predict_files(segmenter, find_images(large_and_small(tmp_path / "in")), tmp_path / "out")
    assert large.mask is None
    assert re.match(rf"`{re.escape(str(large.job.image))}`: A CRF of 30,000 positions .* needs", large.complaint or "")
    assert small.complaint is None
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["small.png"]


def test_images_with_other_channels_than_the_networks_are_reported(tmp_path: Path) -> None:
    outcomes = predict_files(pointwise(channels=5), find_images(large_and_small(tmp_path / "in")), tmp_path / "out")
    for outcome in outcomes:
        assert outcome.mask is None
        assert f"`{outcome.job.image}` has 3 bands, but 5 are expected" in (outcome.complaint or "")


def test_an_image_is_not_overwritten_through_a_link(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (tmp_path / "link").symlink_to(tmp_path)
    (outcome,) = predict_files(pointwise(), find_images(tmp_path / "a.png"), tmp_path / "link")
    assert "would overwrite it" in (outcome.complaint or "")
