"""A loaded run: what it answers, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from intarsia.data import Classes, open_dataset, overlay, read_image
from intarsia.errors import ArgumentError, DataError
from intarsia.inference import Borders, Execution, Preprocessing, evaluate, evaluate_samples, load
from intarsia.inference.result import Result, labels_of
from intarsia.metrics import Scores, boundary_scores, confusion_matrix


def test_preprocessing_is_the_formula() -> None:
    pictures = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    out = Preprocessing((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))(pictures)
    expected = (pictures[1, 2, 3, 1].item() / 255 - 0.4) / 0.2
    assert out.shape == (2, 3, 4, 5)
    torch.testing.assert_close(out[1, 1, 2, 3].item(), expected)


def test_a_path_and_an_array_give_the_same(discs: Path, disc_run: Path) -> None:
    segmenter, path = load(disc_run), discs / "images" / "disc_0.png"
    by_path, by_array = segmenter.predict(path), segmenter.predict(read_image(path))
    np.testing.assert_array_equal(by_path.mask, by_array.mask)
    assert by_path.mask.shape == (40, 40)
    assert by_path.mask.dtype == np.uint8
    np.testing.assert_allclose(by_path.probabilities.sum(0), 1, rtol=1e-5)
    np.testing.assert_array_equal(by_path.probabilities.argmax(0), by_path.mask)
    assert by_path.overlay().shape == (40, 40, 3)


def test_one_logit_is_a_sigmoid(discs: Path, disc_run: Path) -> None:
    classes = load(disc_run).classes
    logits = torch.tensor([[[-1.0, 0.5, -200.0, 200.0]]])  # exp(200) is no float32
    mask = labels_of(logits, classes)
    result = Result(np.zeros((1, 4, 3), np.uint8), mask, classes, logits.numpy())
    np.testing.assert_array_equal(result.mask, [[0, 1, 0, 1]])
    expected = 1 / (1 + np.exp([[[1.0, -0.5, 200.0, -200.0]]]))
    np.testing.assert_allclose(result.probabilities, expected, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("count", [2, 7, 300])
def test_the_first_largest_logit_wins(count: int) -> None:
    logits = torch.randn(count, 19, 23, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    mask = labels_of(logits, Classes.numbered(count))
    assert mask.dtype == (np.uint8 if count < 255 else np.uint16)
    np.testing.assert_array_equal(mask, logits.numpy().argmax(0))


def test_an_overlay_does_not_show_its_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    image, mask = generator.integers(0, 256, (23, 17, 3)).astype(np.uint8), generator.integers(0, 3, (23, 17))
    result = Result(image, mask.astype(np.uint8), Classes.numbered(3))
    expected = overlay(image, result.mask, result.classes, 0.3)
    for pixels in (1, 40, 1000):
        monkeypatch.setattr("intarsia.inference.result._STRIP_PIXELS", pixels)
        np.testing.assert_array_equal(result.overlay(0.3), expected)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_execution_agrees(discs: Path, disc_run: Path, precision: str, layout: str) -> None:
    plain, image = load(disc_run), read_image(discs / "images" / "disc_0.png")
    execution = Execution("cpu", precision, layout)  # pyright: ignore[reportArgumentType]
    other = replace(plain, net=execution.place(load(disc_run).net), execution=execution)
    difference = np.abs(other.predict(image).logits - plain.predict(image).logits)
    assert difference.max() < (1e-4 if precision == "float32" else 0.2)


def test_a_network_in_training_mode_is_refused(disc_run: Path) -> None:
    segmenter = load(disc_run)
    segmenter.net.train()
    with pytest.raises(ArgumentError, match="training mode"):
        segmenter.predict(np.zeros((4, 5, 3), np.uint8))


def test_scores_are_those_of_one_matrix_over_the_set(discs: Path, disc_run: Path) -> None:
    segmenter, samples = load(disc_run), open_dataset(discs).split("val")
    seen: list[float] = []
    scores = evaluate(disc_run, discs, watch=lambda sample, result, truth, alone: seen.append(alone.mean_iou))
    truth = np.concatenate([s.mask().ravel() for s in samples])[None]
    prediction = np.concatenate([segmenter.predict(s.image()).mask.ravel() for s in samples])[None]
    assert scores.mean_iou == Scores(confusion_matrix(truth, prediction, 2), segmenter.classes.names).mean_iou
    assert len(seen) == len(samples)


def test_borders_are_those_of_all_images(discs: Path, disc_run: Path) -> None:
    segmenter, samples = load(disc_run), open_dataset(discs).split("train")
    borders = Borders(segmenter.classes, (1, 4))
    evaluate(segmenter, discs, "train", borders.watch)
    names = segmenter.classes.names
    each = [boundary_scores(s.mask(), segmenter.predict(s.image()).mask, names, (1, 4)) for s in samples]
    assert len(each) > 1
    assert borders.scores.to_json() == sum(each[1:], each[0]).to_json()


def test_other_splits_and_no_split(discs: Path, disc_run: Path) -> None:
    assert evaluate(disc_run, discs, "train").matrix.sum() > evaluate(disc_run, discs).matrix.sum()
    with pytest.raises(DataError, match="has no split `holdout`"):
        evaluate(disc_run, discs, "holdout")
    with pytest.raises(DataError, match="There is nothing to evaluate"):
        evaluate_samples(load(disc_run), [])
