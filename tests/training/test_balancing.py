"""Rare and hard classes: which image stands where, what a crop shows, what is told before the first step and kept."""

import json
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import at_step, run_tiny, same_runs

from intarsia.data import Augmentation, Dataset, generator_for, open_dataset, plan_view
from intarsia.data.augmentation.focus import draw_focus
from intarsia.errors import ArgumentError, DataError, IntarsiaError, Interrupted, RunError
from intarsia.losses import cross_entropy
from intarsia.models import Outputs
from intarsia.runs import Balance, Run, make_recipe
from intarsia.runs.balance import read_balances
from intarsia.shapes import Mask, Picture, Window
from intarsia.training.balancing import find_balance, hardest_classes, read_image_weights
from intarsia.training.loading import AugmentedSamples
from intarsia.training.places import Places
from intarsia.training.state import TrainingState

BALANCED: dict[str, Any] = {
    "class_weights": "effective_number",
    "hard_classes": ("class 1",),
    "image_weights": "rarity",
    "class_crops": 0.5,
    "loss": "focal+0.5*dice",
    "loss_options": {"gamma": 1},
}


@pytest.mark.parametrize("seed", range(3))
def test_an_image_stands_in_its_share_of_all_places(seed: int) -> None:
    weights = np.random.default_rng(seed).choice([0.0, 0.3, 1.0, 2.0, 5.5], 40)
    places, epochs = Places(tuple(weights), seed), 200
    counts = np.array([np.bincount([places.image(e, i) for i in range(40)], minlength=40) for e in range(epochs)])
    wanted = 40 * weights / weights.sum()
    assert (np.abs(counts - wanted) < 1).all(), "rounded up or down in each epoch"
    np.testing.assert_allclose(counts.mean(0), wanted, atol=4 * 0.5 / epochs**0.5)
    assert not counts[:, weights == 0].any()


def test_equal_weights_leave_each_image_in_its_place() -> None:
    places = Places((0.1,) * 7, seed=5)
    assert [[places.image(epoch, i) for i in range(7)] for epoch in range(50)] == [list(range(7))] * 50


def test_the_last_place_has_an_image_whatever_is_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Largest:
        def random(self) -> float:
            return float(np.nextafter(1, 0))

    monkeypatch.setattr("intarsia.training.places.generator_for", lambda *_: Largest())
    assert 2 + Largest().random() == 3
    assert [Places((1.0, 1.0, 1.0), 0).image(0, i) for i in range(3)] == [0, 1, 2]
    assert Places((1.0, 1.0, 0.0), 0).image(0, 2) == 1


@pytest.mark.parametrize("scale", [(1.0, 2.5), (0.3, 1.0)])
def test_a_view_shows_its_focus(scale: tuple[float, float]) -> None:
    """Of images larger than the crop and smaller, and of every place that shows it, none is left out."""
    draw, seen = np.random.default_rng(0), set()
    for i in range(300):
        size = (int(draw.integers(20, 200)), int(draw.integers(20, 200)))
        focus = (int(draw.integers(size[0])), int(draw.integers(size[1])))
        view = plan_view(size, Augmentation((32, 24), scale=scale), generator_for(0, i), focus)
        for axis, pixel in zip((view.rows, view.columns), focus, strict=True):
            magnified = (pixel + 0.5) / axis.step
            assert axis.start <= magnified <= axis.start + axis.length
            if scale[0] >= 1:
                assert pixel in axis.nearest()
    for i in range(2000):
        view = plan_view((300, 300), Augmentation((4, 4), scale=(1.0, 1.0)), generator_for(1, i), (100, 200))
        seen.add((view.rows.start, view.columns.start))
    assert seen == {(row, column) for row in range(97, 101) for column in range(197, 201)}


def test_a_focus_is_of_a_class_drawn_evenly_and_of_any_of_its_pixels() -> None:
    mask = np.zeros((50, 60), np.uint8)
    mask[40, 2:4], mask[:5] = 3, 255
    drawn = [draw_focus(mask, np.random.default_rng(seed)) for seed in range(400)]
    rare = [pixel for pixel in drawn if pixel in ((40, 2), (40, 3))]
    assert 160 < len(rare) < 240
    assert len(set(rare)) == 2
    assert all(pixel is not None and mask[pixel] != 255 for pixel in drawn)
    assert draw_focus(np.full((3, 3), 255, np.uint8), np.random.default_rng(0)) is None
    assert draw_focus(np.full((3, 3), 65535, np.uint16), np.random.default_rng(0)) is None
    assert draw_focus(np.full((3, 3), 255, np.uint16), np.random.default_rng(0)) is not None


class Speck:
    """A ground with few pixels of another class."""

    name = "speck"

    def shape(self) -> tuple[int, int]:
        return 200, 150

    def image(self, window: Window | None = None) -> Picture:
        rows, columns = window or (slice(0, 200), slice(0, 150))
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start, 3), np.uint8)

    def mask(self, window: Window | None = None) -> Mask:
        mask = np.zeros((200, 150), np.uint8)
        mask[170:172, 20:23] = 1
        return mask if window is None else mask[window]


def test_class_crops_show_a_rare_class_and_change_no_other_view() -> None:
    augmentation = Augmentation((16, 16), scale=(1.0, 1.0))
    shares = (0.0, 0.5, 1.0)
    plain, half, every = ([mask_of(share, augmentation, epoch) for epoch in range(100)] for share in shares)
    shown = [np.mean([(mask == 1).any().item() for mask in masks]) for masks in (plain, half, every)]
    np.testing.assert_allclose(shown, [0.01, 0.25, 0.5], atol=0.1)
    others = [epoch for epoch in range(100) if not torch.equal(plain[epoch], half[epoch])]
    assert 10 < len(others) < 40
    scales = [generator_for(0, epoch, 0).random() for epoch in others]
    assert min(scales) < 0.3 < 0.7 < max(scales), "which crops are drawn so has nothing to do with their scale"


def mask_of(share: float, augmentation: Augmentation, epoch: int) -> torch.Tensor:
    item = AugmentedSamples([Speck()], augmentation, 0, class_crops=share)[epoch, 0]
    assert not isinstance(item, IntarsiaError)
    return item[1]


@pytest.fixture(scope="module")
def named(discs: Path) -> Dataset:
    dataset = open_dataset(discs)
    return replace(dataset, classes=replace(dataset.classes, names=("ground", "white disc")))


def found(dataset: Dataset, **settings: Any) -> Balance:
    return find_balance(make_recipe(data="photos", **settings), dataset)


def test_what_is_said_of_classes_becomes_numbers(named: Dataset, tmp_path: Path) -> None:
    images = len(named.split("train"))
    for given in ({"white disc": 3}, "white disc=3", (1, 3), "1,3"):
        assert found(named, class_weights=given).class_weights == {"ground": 1.0, "white disc": 3.0}
    weights = found(named, class_weights="inverse").class_weights
    assert weights is not None
    assert weights["ground"] < 1 < weights["white disc"]
    assert found(named) == Balance()
    hard = found(named, hard_classes="white disc")
    assert hard == Balance(None, ("white disc",), (2.0,) * images, in_every_image=("white disc",))
    (tmp_path / "weights.txt").write_text(f"# seldom\n{named.split('train')[1].name} 0.5\n\n")
    both = found(named, hard_classes=("ground",), image_weights=str(tmp_path / "weights.txt"))
    assert both.image_weights == (2.0, 1.0, *(2.0,) * (images - 2))


SAID = [
    (Balance(hard_classes=("a", "b")), "Images with a, b are seen twice as often."),
    (Balance({"a": 1, "b": 0.5}, ("a",)), "Class weights: a 1, b 0.5. Images with a are seen twice as often."),
    (
        Balance(None, ("a", "b"), in_every_image=("b",)),
        "Hard classes are a, b, but every image holds b, so that none is seen more often.",
    ),
    (
        Balance(None, ("a",), in_no_image=("a",)),
        "Images with a are seen twice as often. No image holds a, which changes nothing.",
    ),
]


@pytest.mark.parametrize(("balance", "said"), SAID)
def test_what_is_balanced_is_said(balance: Balance, said: str) -> None:
    assert balance.text() == said


def test_hard_classes_without_an_image_are_known(named: Dataset) -> None:
    names, colours = (*named.classes.names, "moon"), (*named.classes.colours, (1, 2, 3))
    more = replace(named, classes=replace(named.classes, names=names, colours=colours))
    assert found(more, hard_classes="moon").in_no_image == ("moon",)


def test_hard_classes_are_the_worst_quarter_of_the_run_one_starts_from(named: Dataset, tmp_path: Path) -> None:
    ious = {f"class {i}": 1 - i / 21 for i in range(21)}
    assert hardest_classes(ious) == tuple(f"class {i}" for i in range(20, 15, -1))
    Run(tmp_path).write_history(
        [{"per_class_iou": {"ground": 0.1, "white disc": 0.9}}, {"per_class_iou": {"ground": 0.9, "white disc": 0.2}}]
    )
    balance = found(named, hard_classes="auto", weights=str(tmp_path))
    assert balance.hard_classes == ("white disc",)
    assert balance.text() == (
        "Hard classes are white disc, but every image holds white disc, so that none is seen more often."
    )
    for weights in (None, str(tmp_path / "nowhere")):
        with pytest.raises(
            ArgumentError,
            match=r"`hard_classes` \(='auto'\) are those that an earlier run or stage did .* is no run with an",
        ):
            found(named, hard_classes="auto", weights=weights)


def test_the_auxiliary_weight_is_the_recipes(discs: Path) -> None:
    from intarsia.inference import Preprocessing
    from intarsia.training.building import create_objective, create_task
    from intarsia.training.tasks import SegmentationTask

    dataset, recipe = open_dataset(discs), make_recipe(data="x", auxiliary_weight=0.125)
    balance = Balance(class_weights={"class 0": 1.0, "class 1": 5.0})
    task = create_task(
        recipe, dataset, Preprocessing((0.5,) * 3, (0.5,) * 3), create_objective(recipe, dataset, balance)
    )
    assert isinstance(task, SegmentationTask)
    logits, side, masks = torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3), torch.randint(0, 2, (1, 3, 3))
    weights = torch.tensor([1.0, 5.0])
    expected = (
        cross_entropy(logits, masks, class_weights=weights) + cross_entropy(side, masks, class_weights=weights) / 8
    )
    torch.testing.assert_close(task.loss(Outputs(logits, (side,), (0.4,)), masks), expected)
    assert task.valid_targets(masks) == weights[masks].sum()


@pytest.fixture(scope="module")
def balanced_run(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_tiny(discs, tmp_path_factory.mktemp("balanced") / "run", **BALANCED).folder


def test_the_run_keeps_what_it_was_told(balanced_run: Path) -> None:
    (kept,) = json.loads((balanced_run / "balance.json").read_text())
    assert set(kept["class_weights"]) == {"class 0", "class 1"}
    assert kept["hard_classes"] == ["class 1"]
    stored = load_file(balanced_run / "checkpoint.safetensors")["objective.class_weights"]
    torch.testing.assert_close(stored, torch.tensor(list(kept["class_weights"].values())))
    damaged = balanced_run.parent / "balance.json"
    damaged.write_text('[{"class_weights": 3}]')
    with pytest.raises(RunError, match=r"balance\.json` is damaged: .* Train the run again\."):
        read_balances(damaged, 1)
    assert read_balances(balanced_run.parent / "nowhere.json", 2) == (Balance(), Balance())


def test_interrupted_and_resumed_it_is_the_same_run(
    balanced_run: Path, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules are not asked again: what they said is read from the run."""
    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted):
            run_tiny(discs, tmp_path / "run", **BALANCED)
    monkeypatch.setattr("intarsia.training.preparation.find_balance", None)
    run_tiny(discs, tmp_path / "run", resume=True, **BALANCED)
    assert same_runs(tmp_path / "run", balanced_run)


def test_the_command_takes_all_of_it(discs: Path, tmp_path: Path, balanced_run: Path) -> None:
    from intarsia.cli.main import main

    command = f"train {discs} --out {tmp_path / 'run'} --model unet --backbone test_resnet --options.widths 8,8,8,8,8"
    command += " --no-pretrained --epochs 2 --batch-size 2 --crop-size 32 --precision float32"
    command += " --memory-format contiguous --loss focal+0.5*dice --loss-options.focal.gamma 1"
    command += " --class-weights effective_number --image-weights rarity --class-crops 0.5"
    assert main([*command.split(), "--hard-classes", "class 1"]) == 0
    assert same_runs(tmp_path / "run", balanced_run)


SETTINGS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"class_weights": "invers"}, ArgumentError, r"must be inverse, median_frequency, .*; the nearest is inverse\.$"),
    ({"class_weights": "xyz"}, ArgumentError, r"or numbers such as 1,2,0\.5 or person=2\.$"),
    ({"class_weights": (1, -1)}, ArgumentError, "must be numbers from 0 on, one of them above 0"),
    ({"class_weights": {"a": 0}}, ArgumentError, "must be numbers from 0 on, one of them above 0"),
    ({"class_weights": "1,x"}, ArgumentError, r"`class_weights` \(='1,x'\): must be inverse, .* such as 1,2,0\.5 or"),
    ({"class_weights": 3}, ArgumentError, r"`class_weights` \(=3\): must be inverse, "),
    ({"class_weights": {"ground": "x"}}, ArgumentError, r"\(=\{'ground': 'x'\}\): must be inverse, "),
    ({"class_weights": (1, 2, 3)}, ArgumentError, "must be one number for each of the 2 classes, ground, white disc; "),
    (
        {"class_weights": "disc=2"},
        ArgumentError,
        r"There is no class `disc`; did you mean white disc\? `intarsia check photos`",
    ),
    ({"hard_classes": "grond"}, ArgumentError, r"There is no class `grond`; did you mean ground\? "),
    ({"image_weights": ""}, ArgumentError, "must be rarity, or the path of a file"),
    (
        {"image_weights": "nowhere.txt"},
        DataError,
        "The image weights `nowhere.txt` cannot be read .*: correct the path",
    ),
    ({"class_crops": 1.5}, ArgumentError, "should be less than or equal to 1"),
    ({"auxiliary_weight": 0}, ArgumentError, "should be greater than 0"),
]


@pytest.mark.parametrize(("settings", "kind", "sentence"), SETTINGS)
def test_what_is_refused(settings: dict[str, Any], kind: type[Exception], sentence: str, named: Dataset) -> None:
    with pytest.raises(kind, match=sentence):
        found(named, **settings)


@pytest.mark.parametrize("line", ["nobody 2", "disc_0", "disc_0 two", "disc_0 -1", "disc_0 nan"])
def test_lines_that_weigh_no_image(line: str, named: Dataset, tmp_path: Path) -> None:
    (tmp_path / "weights.txt").write_text(line + "\n")
    with pytest.raises(DataError, match=rf"holds `{line}`, but a line is the name of a training image, such as `disc_"):
        read_image_weights(tmp_path / "weights.txt", named.split("train"))
    (tmp_path / "weights.txt").write_text("\n".join(f"{sample.name} 0" for sample in named.split("train")))
    with pytest.raises(DataError, match=r"gives every image the weight 0: leave some above 0"):
        read_image_weights(tmp_path / "weights.txt", named.split("train"))


def test_an_auxiliary_weight_needs_auxiliary_outputs(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ArgumentError, match=r"`auxiliary_weight` \(=0\.3\) is that of .*`unet` has none here; add --aux"
    ):
        run_tiny(discs, tmp_path / "run", auxiliary_weight=0.3)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["class_weights", "hard_classes", "image_weights", "class_crops", "auxiliary_weight"])
@pytest.mark.parametrize("task", ["classification", "depth"])
def test_other_tasks_have_no_use_for_them(name: str, task: str) -> None:
    from intarsia.training.belonging import check_settings

    values = {"class_weights": "inverse", "hard_classes": "a", "image_weights": "rarity"}
    recipe = make_recipe(data="x", task=task, **{name: values.get(name, 0.5)})
    with pytest.raises(ArgumentError, match=rf"`{name}` .* belongs to segmentation; leave it out"):
        check_settings(recipe)


STAGED: dict[str, Any] = {"stages": [{"epochs": 1}, {"epochs": 1, "hard_classes": "auto"}], "class_weights": (1, 2)}


def test_a_stage_finds_hard_what_the_one_before_did_worst(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when it is interrupted in the second stage: then the evaluation is not asked again."""
    whole = run_tiny(discs, tmp_path / "whole", quiet=False, **STAGED)
    said = " ".join(capsys.readouterr().err.split())
    anew = r"Stage 2 of 2; the best score is counted anew: .*"
    assert re.search(rf"{anew} Class weights: class 0 1, class 1 2\. (Images with|Hard classes are) class", said)
    first, second = read_balances(whole.balance_path, 2)
    ious = whole.history()[0]["per_class_iou"]
    assert (first.hard_classes, second.hard_classes) == ((), (min(ious, key=lambda name: ious[name]),))
    assert first.class_weights == second.class_weights == {"class 0": 1.0, "class 1": 2.0}
    steps = whole.history()[0]["step"]
    with monkeypatch.context() as patch:
        at_step(patch, steps + 1, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted):
            run_tiny(discs, tmp_path / "run", **STAGED)
    monkeypatch.setattr("intarsia.training.preparation.find_balance", None)
    run_tiny(discs, tmp_path / "run", resume=True, **STAGED)
    assert same_runs(tmp_path / "run", whole.folder)


def test_a_stage_that_is_begun_again_asks_the_checkpoint_not_the_lines_behind_it(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_tiny(discs, tmp_path / "whole", **STAGED)
    real, out = TrainingState.save, tmp_path / "run"

    def save(self: TrainingState, path: Path) -> None:
        if self.stage == 1:
            raise KeyboardInterrupt
        real(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "save", save)
        with pytest.raises(KeyboardInterrupt):
            run_tiny(discs, out, **STAGED)
    first, lost = Run(out).history()
    others = {name: 1 - iou for name, iou in first["per_class_iou"].items()}
    Run(out).write_history([first, {**lost, "per_class_iou": others}])
    run_tiny(discs, out, resume=True, **STAGED)
    assert read_balances(out / "balance.json", 2) == read_balances(whole.balance_path, 2)
    assert same_runs(out, whole.folder)


def test_a_later_stages_classes_are_known_before_the_first(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"There is no class `class 7`; did you mean class "):
        run_tiny(discs, tmp_path / "run", stages=[{"epochs": 1}, {"hard_classes": "class 7"}])
    assert not (tmp_path / "run").exists()
