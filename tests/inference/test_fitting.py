"""Settings chosen on images: the search, what it is shown, and when its result is refused."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from standins import pointwise

from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError, DataError
from intarsia.inference import evaluate_both, fitting
from intarsia.inference.evaluate import fingerprint
from intarsia.inference.fitting import answer, fit_refinement
from intarsia.inference.searching import FEWEST, RANGES, search


def hill(settings: CRFSettings) -> float:
    """Highest, 0, at weights 2 and 6 and widths 2, 30 and 5."""
    best = {
        "smoothness_weight": 2,
        "smoothness_sxy": 2,
        "appearance_weight": 6,
        "appearance_sxy": 30,
        "appearance_srgb": 5,
    }
    return -sum(abs(math.log2(getattr(settings, name) / value)) for name, value in best.items())


def test_the_search_climbs_and_keeps_its_budget() -> None:
    told: list[tuple[int, float]] = []
    start = CRFSettings(iterations=4, normalisation="before")
    trials = search(hill, start, 60, lambda count, score: told.append((count, score)))
    assert [trial.score for trial in trials] == [score for _, score in told]
    assert [count for count, _ in told] == list(range(1, 61))
    assert trials[0].settings == start
    assert max(trial.score for trial in trials) > 0.25 * hill(start)
    for trial in trials:
        assert (trial.settings.iterations, trial.settings.normalisation) == (4, "before")
        assert all(kind.low <= getattr(trial.settings, name) <= kind.high for name, kind in RANGES.items())
    again = search(hill, start, 60)
    assert again == trials, "the same scores, the same search"


def test_a_search_begins_within_its_ranges() -> None:
    start = CRFSettings(smoothness_weight=0, smoothness_sxy=20, appearance_sxy=900, appearance_srgb=80)
    trials = search(hill, start, FEWEST)
    first = trials[0].settings
    assert (first.smoothness_weight, first.appearance_sxy) == (0.1, 200)
    tried = {name: {getattr(trial.settings, name) for trial in trials[: FEWEST - 1]} for name in RANGES}
    assert all(len(values) == 2 for values in tried.values()), "a step along each axis"


def test_too_few_evaluations() -> None:
    with pytest.raises(ArgumentError, match=r"`evaluations` \(=6\) must be at least 7; 60 are usual"):
        search(hill, CRFSettings(), FEWEST - 1)


@dataclass(frozen=True)
class Blocks:
    """Squares of the segmenter's own classes under noise: what smoothness mends."""

    index: int
    size: tuple[int, int] = (24, 28)
    ignored: bool = False

    @property
    def name(self) -> str:
        return str(self.index)

    def shape(self) -> tuple[int, int]:
        return self.size

    def _even(self) -> np.ndarray:
        generator = np.random.default_rng(self.index)
        blocks = generator.integers(0, 256, (-(-self.size[0] // 8), -(-self.size[1] // 8), 3), np.uint8)
        return blocks.repeat(8, 0).repeat(8, 1)[: self.size[0], : self.size[1]]

    def image(self, window: object = None) -> np.ndarray:
        noise = np.random.default_rng(1000 + self.index).integers(-60, 61, (*self.size, 3))
        return np.clip(self._even() + noise, 0, 255).astype(np.uint8)

    def mask(self, window: object = None) -> np.ndarray:
        mask = pointwise().predict(self._even()).mask
        return np.full_like(mask, 255) if self.ignored else mask


def test_a_fit_improves_both_halves_and_says_on_what() -> None:
    samples, told = [Blocks(index) for index in range(7)], []
    found = fit_refinement(
        pointwise(), samples, "blocks", "val", evaluations=12, images=2, watch=lambda *said: told.append(said)
    )
    assert found.improves
    assert found.refinement.fit == found.fit
    assert found.fit.fitted[1] == max(found.fit.scores) > found.fit.fitted[0]
    assert len(found.fit.scores) == 12
    taken = [samples[place] for place in (0, 1, 3, 5)]
    assert found.fit.images == tuple(fingerprint(sample.image()) for sample in taken[::2])
    both = [
        evaluate_both(replace(pointwise(), refinement=found.refinement), part) for part in (taken[::2], taken[1::2])
    ]
    for scores, (before, after) in zip(both, (found.fit.fitted, found.fit.held_out), strict=True):
        assert scores.before.mean_iou == before
        assert abs(scores.after.mean_iou - after) < 0.01, "half floats"
    assert [scores.fitted for scores in both] == [2, 0]
    assert "2 of these 2 images had chosen the refinement's settings" in both[0].table()
    assert [said[:3] for said in told[:5]] == [("network", n, 4) for n in range(1, 5)] + [("settings", 1, 12)]
    assert told[-1][3] == found.fit.fitted[1]


def test_a_refinement_of_the_segmenter_is_left_out() -> None:
    refinement = fit_refinement(
        pointwise(), [Blocks(0), Blocks(1)], "blocks", "val", evaluations=7, images=1
    ).refinement
    again = fit_refinement(
        replace(pointwise(), refinement=refinement), [Blocks(0), Blocks(1)], "blocks", "val", evaluations=7, images=1
    )
    assert again.refinement.settings == refinement.settings


@pytest.mark.parametrize("outputs", [1, 2])
def test_two_classes_by_one_logit_or_two(outputs: int) -> None:
    segmenter = pointwise(classes=2, outputs=outputs)
    example = fitting._example(segmenter, Blocks(3), 0)
    assert example.probabilities.shape == (outputs, 24, 28)
    np.testing.assert_array_equal(answer(example, None), segmenter.predict(Blocks(3).image()).mask)


def test_of_a_large_image_a_window_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "SIDE", 64)
    sample = Blocks(2, (100, 260))
    places = set()
    for segmenter in (pointwise(), pointwise(tile=64)):
        whole = segmenter.predict(sample.image())
        for place in range(4):
            example = fitting._example(segmenter, sample, place)
            rows, columns = window = fitting._window(100, 260, place)
            assert example.picture.shape == (64, 64, 3)
            np.testing.assert_array_equal(example.picture, sample.image()[window])
            np.testing.assert_array_equal(example.truth, sample.mask()[window])
            np.testing.assert_allclose(example.probabilities, whole.probabilities[:, *window], atol=1e-3)
            places.add((rows.start, columns.start))
    assert len(places) == 4


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [Blocks(index) for index in range(40)]
    assert len(fitting._taken(samples, 64, 3)) == 40
    assert [sample.index for sample in fitting._taken(samples, 8, 3)] == list(range(0, 40, 5))
    monkeypatch.setattr(fitting, "MEMORY", 24 * 28 * 10 * 9)
    assert len(fitting._taken(samples, 64, 3)) == 8
    monkeypatch.setattr(fitting, "MEMORY", 1)
    assert len(fitting._taken(samples, 64, 3)) == 2


@pytest.mark.parametrize(
    ("samples", "images", "kind", "complaint"),
    [
        ([Blocks(0)], 4, DataError, "The split val of blocks has 1 image, and a fit needs one to choose settings"),
        (
            [Blocks(0), Blocks(1, ignored=True)],
            4,
            DataError,
            "Half of the images of val in blocks have no labelled pixel",
        ),
        ([Blocks(0), Blocks(1)], 0, ArgumentError, r"`images` \(=0\) must be at least 1"),
    ],
)
def test_no_fit(samples: list, images: int, kind: type[Exception], complaint: str) -> None:
    with pytest.raises(kind, match=complaint):
        fit_refinement(pointwise(), samples, "blocks", "val", evaluations=7, images=images)


def test_no_fit_that_could_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are said before the network is asked."""
    monkeypatch.setattr(fitting, "_example", None)
    with pytest.raises(ArgumentError, match=r"has 256 classes, and a dense CRF takes at most 255: leave it without"):
        fit_refinement(pointwise(classes=256), [Blocks(0), Blocks(1)], "blocks", "val")
    with pytest.raises(ArgumentError, match=r"`evaluations` \(=6\) must be at least 7"):
        fit_refinement(pointwise(), [Blocks(0), Blocks(1)], "blocks", "val", evaluations=6)


def test_a_fit_that_helps_one_half_only_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fit_refinement(pointwise(), [Blocks(0), Blocks(1)], "blocks", "val", evaluations=7, images=1)
    for fitted, held_out, improves in [((1, 2), (1, 2), True), ((1, 2), (2, 2), False), ((2, 1), (1, 2), False)]:
        changed = replace(fit, fit=replace(fit.fit, fitted=fitted, held_out=held_out))
        assert changed.improves == improves
