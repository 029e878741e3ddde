"""The bench of learned affinities: trials that go on from others, the scores of borders, the page and its picture."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.ablations import network_bench
from intarsia.ablations.affinity import AFFINITY, AGAINST, CRF_SLOW, FIRST, LONGER, METHODS, RATE, SCORED
from intarsia.ablations.affinity_costs import AffinityCost, costs_of, measure_affinity
from intarsia.ablations.affinity_page import SHOWN, affinity_page
from intarsia.ablations.border_picture import COLUMNS, MAGNIFIED, border_picture, busiest
from intarsia.ablations.evidence import Evidence
from intarsia.ablations.mosaics import JUDGING, MOSAICS, Mosaics
from intarsia.ablations.network_bench import NetworkBench
from intarsia.ablations.scoring import SCORES, judged
from intarsia.ablations.trials import Trial, perform, prepare_data
from intarsia.ablations.variant import SEEDS, Variant
from intarsia.ablations.work import Result
from intarsia.cli.main import main
from intarsia.energies.crf_settings import CRFSettings
from intarsia.inference import load
from intarsia.inference.fitting import Fitted
from intarsia.metrics import boundary_scores
from intarsia.runs import Recipe, Run
from intarsia.runs.refinement import Fit, Refinement

SMALL = Mosaics(train=4, val=2, size=64, judged=2)
TINY: dict[str, Any] = {"model": "fcn8s", "backbone": "test_resnet", "pretrained": False, "batch_size": 2}
BEFORE = Variant("first", TINY)
AFTER = Variant("trained on", TINY | {"learning_rate": 1e-4}, ("boundary_f_2",), BEFORE)
BEHIND = Variant("fitted", AFTER.settings, AFTER.scores, AFTER, fitted=True)
COST = AffinityCost(3_190_056, 12.0, 34.0, 56.0)


def fitted(held_out: float) -> Fitted:
    """Settings that bring the images that had no part in it from 0.5 to this."""
    fit = Fit("unseen mosaics", "val", ("name",), (0.5, 0.6), (0.5, held_out), (0.6,), 1.0)
    return Fitted(Refinement(CRFSettings(2), fit), fit)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
    """The last of three that begin one with the other, asked for alone."""
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr("intarsia.inference.fitting.fit_refinement", lambda *_, **__: fitted(held_out=0.6))
    runs = tmp_path_factory.mktemp("runs")
    prepare_data(SMALL, runs)
    made = {variant.label: Trial(variant, SMALL, 0, runs) for variant in (BEFORE, AFTER, BEHIND)}
    perform(made["fitted"])
    monkeypatch.undo()
    return made


def test_a_trial_goes_on_from_the_one_before(chain: dict[str, Trial]) -> None:
    first, after = chain["first"], chain["trained on"]
    assert first.result() is not None
    assert after.result() is not None
    assert Recipe.read(Run(after.folder).recipe_path).weights == str(first.folder)
    begun = load(first.folder).net.state_dict()
    parted = {name for name, tensor in load(after.folder).net.state_dict().items() if not tensor.equal(begun[name])}
    assert parted
    trained_alone = Trial(replace(AFTER, after=None), SMALL, 0, after.runs)
    assert len({trial.name for trial in (*chain.values(), trained_alone)}) == 4


def test_what_is_fitted_is_the_run_before_with_a_crf_behind(chain: dict[str, Trial]) -> None:
    fitted, after = chain["fitted"], chain["trained on"]
    segmenter = load(fitted.folder)
    assert segmenter.refinement is not None
    assert segmenter.refinement.fit is not None
    assert segmenter.refinement.fit.data == "unseen mosaics"
    assert not Run(after.folder).refinement_path.exists()
    for name, tensor in load(after.folder).net.state_dict().items():
        assert tensor.equal(segmenter.net.state_dict()[name])


def test_what_does_not_help_others_is_not_put_behind(chain: dict[str, Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intarsia.inference.fitting.fit_refinement", lambda *_, **__: fitted(held_out=0.4))
    trial = replace(chain["fitted"], variant=replace(BEHIND, settings=BEHIND.settings | {"power": 0.8}))
    perform(trial)
    assert not Run(trial.folder).refinement_path.exists()
    assert load(trial.folder).refinement is None


def test_borders_are_scored_on_mosaics_of_their_own(chain: dict[str, Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    trial = chain["trained on"]
    result, segmenter = trial.result(), load(trial.folder)
    assert result is not None
    one, other = (
        boundary_scores(sample.mask(), segmenter.predict(sample.image()).mask, segmenter.classes.names, (1, 2, 3, 5))
        for sample in SMALL.unseen(JUDGING, 2)
    )
    assert result.scores["boundary_f_2"] == (one + other).boundary_f[2]
    take = SCORES["trimap_iou_3"].take
    assert take is not None
    assert take(segmenter, SMALL) == (one + other).trimap_iou[3]
    assert SCORES["unseen_mean_iou"].take(segmenter, SMALL) == judged(segmenter, SMALL)[0].mean_iou  # type: ignore[misc]
    known = {sample.image().tobytes() for split in ("train", "val") for sample in SMALL.dataset().split(split)}
    assert not known & {sample.image().tobytes() for seed in (1, 2) for sample in SMALL.unseen(seed, 4)}


def test_a_picture_shows_the_border_and_the_answers(chain: dict[str, Trial]) -> None:
    picture = border_picture(chain)
    rows, columns = busiest(SMALL.unseen(JUDGING, 1)[0].mask())
    side = MAGNIFIED * (rows.stop - rows.start)
    assert rows.stop - rows.start == columns.stop - columns.start
    assert picture.shape[1] >= COLUMNS * side
    assert picture.shape[0] >= 2 * side  # image, truth and three answers take two rows
    assert (picture == 255).all(axis=2).any()


def test_costs_are_taken_in_turns_and_kept(chain: dict[str, Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    costs = costs_of(list(chain.values()), turns=1)
    fitted, after = (costs[chain[label].name] for label in ("fitted", "trained on"))
    assert (fitted.step_ms, fitted.kept_mb, fitted.parameters) == (None, None, after.parameters)
    assert after.step_ms is not None
    assert after.kept_mb is not None
    assert 0.1 < after.kept_mb < 50
    assert after.prediction_ms > 0
    path = chain["first"].runs / "costs.json"
    path.write_text("{")
    monkeypatch.setattr("intarsia.ablations.affinity_costs.costs_of", lambda *_: pytest.fail("measured"))
    trial = chain["first"]
    path.write_text(f'{{"{trial.name}": {{"parameters": 1, "prediction_ms": 2, "step_ms": null, "kept_mb": null}}}}')
    assert measure_affinity([trial], path)[trial.name] == AffinityCost(1, 2, None, None)


def made_up(gain: float = 0.02) -> Evidence:
    """Every method is better than the network alone by as much."""
    results = {
        variant.key(MOSAICS): [
            Result(
                dict.fromkeys(SCORED, 0.8 + 0.001 * seed + gain * any(variant == method for method, _ in AGAINST)),
                1.0,
                2.0,
                "torch",
            )
            for seed in SEEDS
        ]
        for variant in AFFINITY.variants
    }
    return Evidence(MOSAICS, results, {})


def test_the_page_compares_each_with_what_was_trained_as_long() -> None:
    costs = {variant.label: COST for variant in AFFINITY.variants} | {
        METHODS[0].label: AffinityCost(1, 24.0, None, None)
    }
    text = affinity_page(made_up(), costs, "command")
    assert text.count("**+2.0** (+2.0, +2.0, +2.0)") == len(AGAINST) * len(SCORED)
    assert "| +0.0 (+0.0, +0.0, +0.0) |" in affinity_page(made_up(0.0), costs, "command")
    assert f"| {METHODS[0].label} | 0.000 M | 24 (2.00 ×) | – | – |" in text
    assert f"| {LONGER.label} | 3.190 M | 12 | 34 | 56 |" in text
    assert "runs/claims/mosaics_800_64_96 --model fcn32s" not in text
    assert set(re.findall(r"\]\((pictures/.*?)\)", text)) == {
        "pictures/claims/affinity.svg",
        "pictures/claims/affinity_borders.png",
    }
    (trained_on,) = (line for line in text.splitlines() if "--refiner cspn --train refiner" in line)
    assert trained_on.endswith("--weights FIRST --out RUN")


def test_the_budget_is_the_same_for_all() -> None:
    assert LONGER.after == FIRST
    own = {"refiner", "refiner_options", "train", "loss", "loss_options"}
    slow = {"learning_rate": RATE / 10}
    for method, other in AGAINST:
        assert method.after == (other if method.fitted else other.after)
        assert {k: v for k, v in method.settings.items() if k not in own} == other.settings | (
            slow if method == CRF_SLOW else {}
        )
    assert list(SHOWN.values()) == [LONGER, *METHODS]


def test_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each training, each measurement and the picture stand in: how they are made is tested above."""
    asked: list[int] = []
    found = made_up()

    def done(some: list[Trial], *_: object) -> None:
        asked.append(len(some))

    monkeypatch.setattr(network_bench, "perform_all", done)
    monkeypatch.setattr(network_bench, "prepare_data", lambda *_: None)
    monkeypatch.setattr(Trial, "result", lambda trial: found.results[trial.variant.key(MOSAICS)][trial.seed])
    monkeypatch.setattr(network_bench, "border_picture", lambda shown: np.full((4, len(shown), 3), 7, np.uint8))
    monkeypatch.setattr(network_bench, "measure_affinity", lambda some, _: {trial.name: COST for trial in some})
    NetworkBench(tmp_path / "runs", say=lambda _: None).affinity(tmp_path / "affinity.md")
    assert asked == [
        3 * 2,
        3 * (len(AGAINST) + 1),
        3 * 1,
    ]  # a CRF is fitted when the network that it stands behind is done
    assert f"Made by `intarsia bench affinity --out {tmp_path}/affinity.md" in (tmp_path / "affinity.md").read_text()
    with Image.open(tmp_path / "pictures" / "claims" / "affinity_borders.png") as picture:
        assert picture.size == (len(SHOWN), 4)
    assert (tmp_path / "pictures" / "claims" / "affinity.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "spn"], "`only` (=spn) names claims or models; leave it out for bench affinity."),
        (["--processes", "0"], "`processes` (=0) must be at least 1"),
        (["--out", "FOLDER"], "`FOLDER` is a folder; name a file in it for --out"),
    ],
)
def test_refusals(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(network_bench, "prepare_data", lambda *_: pytest.fail("began before it refused"))
    (tmp_path / "FOLDER").mkdir()
    assert main(["bench", "affinity", *arguments]) == 1
    assert sentence in capsys.readouterr().err
