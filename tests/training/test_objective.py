"""Training with a loss that learns: its weights rise by the same step, and belong to the training alone."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import at_step, run_tiny, same_runs

from intarsia.cli.main import main
from intarsia.data import open_dataset
from intarsia.errors import ArgumentError, Interrupted
from intarsia.runs import Recipe, Run, make_recipe
from intarsia.training.building import create_objective
from intarsia.training.gradient import Gradient
from intarsia.training.optimiser import create_optimiser

PAIRED: dict[str, Any] = {"loss": "cross_entropy+aaf"}


@pytest.fixture(scope="module")
def paired_run(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_tiny(discs, tmp_path_factory.mktemp("paired") / "run", **PAIRED).folder


def test_the_command_trains_and_the_run_is_evaluated(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"train {discs} --out {tmp_path / 'run'} --model unet --backbone test_resnet --options.widths 8,8,8,8,8"
    command += " --no-pretrained --epochs 1 --batch-size 4 --crop-size 32 --loss ohem+aaf --loss-options.stride 2"
    command += " --loss-options.sizes 3,5 --precision float32 --memory-format contiguous"
    assert main(command.split()) == 0
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert (recipe["loss"], recipe["loss_options"]) == ("ohem+aaf", {"aaf": {"stride": 2, "sizes": [3, 5]}})
    assert load_file(tmp_path / "run" / "checkpoint.safetensors")["objective.pairs.0.edge"].shape == (2, 2)
    assert main(["evaluate", str(tmp_path / "run"), str(discs)]) == 0
    assert "class 1" in capsys.readouterr().out


def test_its_weights_move_and_stay_with_the_training(paired_run: Path) -> None:
    state = load_file(paired_run / "checkpoint.safetensors")
    for name in ("edge", "not_edge"):
        weights = state[f"objective.pairs.0.{name}"]
        rows = weights.abs().amax(1) > 0
        assert rows.any()
        torch.testing.assert_close(weights.softmax(1).sum(1), torch.ones(2))
    assert not any("pairs" in name for name in load_file(paired_run / "weights.safetensors"))


def test_interrupted_and_resumed_it_is_the_same_run(
    paired_run: Path, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted):
            run_tiny(discs, tmp_path / "run", **PAIRED)
    run_tiny(discs, tmp_path / "run", resume=True, **PAIRED)
    assert same_runs(tmp_path / "run", paired_run)


def test_measuring_the_fastest_execution_leaves_no_gradient_behind(
    paired_run: Path, discs: Path, tmp_path: Path
) -> None:
    run_tiny(discs, tmp_path / "run", **PAIRED, memory_format="auto")
    found, expected = (load_file(folder / "checkpoint.safetensors") for folder in (tmp_path / "run", paired_run))
    name = "objective.pairs.0.edge"
    torch.testing.assert_close(found[name], expected[name], rtol=0.01, atol=1e-5)


def test_the_loss_decays_with_the_steps_of_the_training(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intarsia.losses import AdaptiveAffinityField

    seen: list[float] = []
    real = AdaptiveAffinityField.forward
    monkeypatch.setattr(
        AdaptiveAffinityField, "forward", lambda self, *parts: (seen.append(self.progress), real(self, *parts))[1]
    )
    run_tiny(discs, tmp_path / "run", **PAIRED)
    steps = len(seen)
    assert steps > 2
    assert seen == [step / steps for step in range(steps)]


def test_processes_agree_on_what_the_loss_learns(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every gradient of the loss's own goes through the engine's mean; here the other process found nothing."""
    reduced: list[str] = []

    def agree(self: Gradient, state: Any, real: Any = Gradient._agree) -> None:
        def mean(gradient: torch.Tensor, reduction: str) -> torch.Tensor:
            reduced.append(reduction)
            return 0 * gradient

        with monkeypatch.context() as patch:
            patch.setattr(self.accelerator, "reduce", mean)
            real(self, state)

    monkeypatch.setattr(Gradient, "_agree", agree)
    run_tiny(discs, tmp_path / "run", **PAIRED)
    assert set(reduced) == {"mean"}
    assert not load_file(tmp_path / "run" / "checkpoint.safetensors")["objective.pairs.0.edge"].any()


def test_what_a_loss_learns_has_the_networks_rate_and_no_decay() -> None:
    net, beside = torch.nn.Linear(2, 2), [torch.nn.Parameter(torch.zeros(2, 3))]
    *_, group = create_optimiser(make_recipe(data="photos"), net, beside).param_groups
    assert (group["params"], group["weight_decay"], group["lr"]) == (beside, 0.0, 1e-3)
    assert "factor" not in group


def test_the_loss_gets_its_options_as_they_were_validated() -> None:
    """``--loss-options.sizes 3,`` and a list from JSON are tuples of whole numbers; the rest stays unsaid."""
    options = {"sizes": [3], "weight": 2}
    for given in (options, {"aaf": options}, {"weight": 2, "aaf": {"sizes": "3,"}}):  # runs of old hold the first
        kept = make_recipe(data="photos", **PAIRED, loss_options=given).loss_options["aaf"]
        assert (kept, type(kept["weight"])) == ({"sizes": (3,), "weight": 2.0}, float)


@pytest.mark.parametrize("stride", [1, 2, 9, 10])
@pytest.mark.parametrize("sizes", [(3,), (3, 5)])
def test_a_crop_is_refused_exactly_where_a_size_finds_no_pair(stride: int, sizes: tuple[int, ...], discs: Path) -> None:
    dataset = open_dataset(discs)
    for crop in range(16, 60):
        recipe = make_recipe(data=str(discs), **PAIRED, crop_size=crop, loss_options={"stride": stride, "sizes": sizes})
        rows = len(range(crop)[stride // 2 :: stride])
        if rows > 2 * (max(sizes) // 2):  # a centre with a neighbour on either side
            create_objective(recipe, dataset)
        else:
            with pytest.raises(ArgumentError, match="holds no pair of neighbours"):
                create_objective(recipe, dataset)


def test_a_run_from_before_losses_had_options_is_read(disc_run: Path) -> None:
    values = json.loads((disc_run / "recipe.json").read_text())
    assert values.pop("loss_options") == {}
    assert make_recipe(**values) == Recipe.read(Run(disc_run).recipe_path)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"loss": "cross_entropy+aff"},
            r"`loss` \(='cross_entropy\+aff'\): there is no loss `aff`, the nearest is aaf; ",
        ),
        ({"loss": "ohm"}, r"there is no loss `ohm`, the nearest is ohem; sums are made of cross_entropy, "),
        (
            {"loss": "zzzz"},
            r"there is no loss `zzzz`; sums are made of cross_entropy, focal, dice, lovasz, .* and aaf\.$",
        ),
        ({"loss": "ohem+"}, r"a loss is missing before or behind a \+ or \*"),
        ({"loss": "ohem+ohem"}, r"a sum of losses holds each once, and `ohem` comes twice\.$"),
        ({"loss": "aaf"}, r"`aaf` only compares neighbours, which name no class; take cross_entropy\+aaf\.$"),
        (
            {**PAIRED, "loss_options": {"strid": 2}},
            r"there is no option `strid`, the nearest is stride; cross_entropy has label_smoothing, aaf has stride, ",
        ),
        ({"loss": "lovasz", "loss_options": {"strid": 2}}, r"there is no option `strid`; lovasz has none\.$"),
        (
            {"loss": "focal", "loss_options": {"focal": {"gama": 2}}},
            r"there is no option `gama`, the nearest is gamma; focal has gamma\.$",
        ),
        (
            {"loss": "focal", "loss_options": {"focal": 2}},
            r"`focal` \(=2\) is a loss, and its options have names, such as focal\.gamma\.$",
        ),
        ({"loss": "focal", "loss_options": {"gamma": -1}}, r"`gamma` \(=-1\): input should be greater than or equal"),
        (
            {"loss": "dice", "loss_options": {"power": 3}},
            r"`power` \(=3\): input should be 1 or 2; the nearest is 2\.$",
        ),
        ({"loss": "cross_entropy+-1*dice"}, r"`-1` must be a positive number, as in cross_entropy\+0\.5\*dice\.$"),
        ({"loss": "cross_entropy+x*dice"}, r"`x` must be a positive number"),
        ({"loss": "cross_entropy+inf*dice"}, r"`inf` must be a positive number"),
        ({"loss_options": {"stride": 2}}, r"they belong to aaf, which `loss` \(='cross_entropy'\) does not hold"),
        ({**PAIRED, "loss_options": {"stride": "x"}}, r"`stride` \(='x'\): input should be a valid integer"),
        (
            {**PAIRED, "loss_options": {"sizes": "3,4"}},
            r"`sizes` \(=\(3, 4\)\): must be odd numbers from 3 on, such as",
        ),
        ({**PAIRED, "loss_options": {"stride": "2.0"}}, r"`stride` \(=2.0\): input should be a valid integer\.$"),
        ({**PAIRED, "loss_options": {"stride": True}}, r"`stride` \(=True\): input should be a valid integer\.$"),
        (
            {**PAIRED, "loss_options": {"sizes": "3.0,5.0"}},
            r"`sizes\[0\]` \(=3.0\): input should be a valid integer\.$",
        ),
        ({**PAIRED, "loss_options": {"sizes": "3,3"}}, r"`sizes` \(=\(3, 3\)\): must hold each size once, such as"),
        ({**PAIRED, "loss_options": {"weight": True}}, r"`weight` \(=True\): input should be a valid number\.$"),
        ({**PAIRED, "loss_options": {"margin": 0}}, r"`margin` \(=0\): input should be greater than 0\.$"),
    ],
)
def test_recipes_that_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        make_recipe(data="photos", **values)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "run"
    assert not (tmp_path / "run").exists()


def test_trainings_that_are_refused(discs: Path, folder: Path) -> None:
    with pytest.raises(
        ArgumentError, match=r"`crop_size` \(=32\) holds no pair of .* size 7 at .* a crop of at least 105, or a"
    ):
        run_tiny(discs, folder, **PAIRED, loss_options={"stride": 16})
    with pytest.raises(ArgumentError, match=r"`loss` \(='cross_entropy\+aaf'\), where aaf takes its means over the"):
        run_tiny(discs, folder, **PAIRED, on_oom="halve")
