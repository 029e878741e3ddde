"""Masks for files, folders and globs."""

import os
from pathlib import Path
from shutil import copy, copytree

import numpy as np
import pytest
from PIL import Image

from intarsia.errors import DataError
from intarsia.inference import find_images, load, predict_files


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
    with pytest.raises(DataError, match=r"names no image \(there is no such file or folder\); give an image"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(DataError, match="names no image; give an image"):
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
    with pytest.raises(DataError, match=r"would write the same mask `disc_0\.png`"):
        find_images(photos)
