"""Training what propagates along learned affinities: with its network, or behind a frozen one."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny import at_step, run_tiny, same_runs

import intarsia
from intarsia.cli.main import main
from intarsia.errors import ArgumentError, Interrupted
from intarsia.models import create_model
from intarsia.models.spn import SPNRefiner
from intarsia.runs import Run, make_recipe
from intarsia.training.optimiser import create_optimiser

SPN: dict[str, Any] = {"refiner": "spn", "refiner_options": {"channels": 8}}
CSPN: dict[str, Any] = {"refiner": "cspn", "refiner_options": {"steps": 4}}


def frozen(disc_run: Path) -> dict[str, Any]:
    return {**SPN, "train": "refiner", "weights": str(disc_run), "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def behind(discs: Path, disc_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SPN that has learned behind a frozen network."""
    return run_tiny(discs, tmp_path_factory.mktemp("behind") / "run", **frozen(disc_run)).folder


@pytest.fixture(scope="module")
def together(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSPN and its network that have learned together."""
    return run_tiny(discs, tmp_path_factory.mktemp("together") / "run", **CSPN).folder


def test_a_frozen_network_keeps_all_bits(behind: Path, disc_run: Path) -> None:
    before, after = (load_file(run / "weights.safetensors") for run in (disc_run, behind))
    assert any(name.endswith("running_mean") for name in before)
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"refiner"}
    assert after["refiner.gates.bias"].any()


def test_the_refiner_alone_lowers_the_loss(behind: Path) -> None:
    first, last = (epoch["loss"] for epoch in Run(behind).history())
    assert last < first


@pytest.mark.parametrize("case", ["behind", "together"])
def test_interrupted_and_resumed_it_is_the_same_run(
    case: str,
    discs: Path,
    disc_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    recipe = frozen(disc_run) if case == "behind" else CSPN
    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted):
            run_tiny(discs, tmp_path / "run", **recipe)
    run_tiny(discs, tmp_path / "run", resume=True, **recipe)
    assert same_runs(tmp_path / "run", request.getfixturevalue(case))


def test_the_command_trains_it_and_others_use_it(
    discs: Path, disc_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = f"train {discs} --out {run} --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --epochs 1"
    command += f" --no-pretrained --batch-size 4 --crop-size 32 --weights {disc_run} --refiner spn --train refiner"
    command += " --refiner-options.channels 8 --precision float32 --memory-format contiguous"
    assert main(command.split()) == 0
    captured = capsys.readouterr()
    said = " ".join((captured.out + captured.err).split())
    assert "at output stride 32, refined by an SPN that learns, frozen but for that, 0." in said
    assert main(["evaluate", str(run), str(discs), "--report", str(tmp_path / "page.html")]) == 0
    assert "It is refined by an SPN that was trained inside the network." in capsys.readouterr().out
    told = (tmp_path / "page.html").read_text()
    assert f" stayed as `{disc_run}` brought it, while an SPN behind it was trained for 1 epoch on " in told
    assert main(["predict", str(run), str(discs / "images"), "--out", str(tmp_path / "masks")]) == 0
    picture = np.asarray(Image.open(discs / "images" / "disc_0.png"))
    mask = np.asarray(Image.open(tmp_path / "masks" / "disc_0.png"))
    np.testing.assert_array_equal(mask, intarsia.load(run, "cpu").predict(picture).mask)
    assert main(["refine", str(run)]) == 0
    assert "holds no refinement, but its network was trained with an SPN inside." in capsys.readouterr().out
    assert main(["refine", str(run), "--set", "iterations=2"]) == 0  # a dense CRF may stand behind it


def test_a_loaded_run_answers_with_its_refiner_also_in_tiles(together: Path, discs: Path) -> None:
    segmenter = intarsia.load(together, "cpu", tile=128)
    disc = np.asarray(Image.open(discs / "images" / "disc_0.png"))
    picture = np.tile(disc, (5, 5, 1))
    assert len(list(segmenter.parts(picture))) > 1
    refined = segmenter.predict(picture).logits
    strength = segmenter.net.refiner.strength
    with torch.no_grad():
        strength.bias.add_(50.0)
    assert abs(refined - segmenter.predict(picture).logits).max() > 0.01


def test_its_convolutions_learn_like_all_others() -> None:
    net = create_model("unet", "test_resnet", classes=3, widths=(8, 8, 8, 8, 8), **SPN)
    assert isinstance(net.refiner, SPNRefiner)
    recipe = make_recipe(data="photos")
    groups = create_optimiser(recipe, net).param_groups
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(groups) == 2
    assert decays[id(net.refiner.gates.weight)] == decays[id(net.head.weight)] == recipe.decay
    assert decays[id(net.refiner.gates.bias)] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": None}, r"`train` .='refiner'. trains a refiner .* there is no `weights`; give both --refiner"),
        ({"refiner": None, "refiner_options": {}}, r"trains a refiner .* there is no `refiner`"),
        (
            {"options": {"widths": (8, 8, 8, 8, 4)}},
            r"`weights` .* leave \d+ tensors new that `train` .='refiner'. would never train, the first is `decoder\.",
        ),
        ({"train": "head"}, r"`train` .='head'.: .*'all' or 'refiner'"),
    ],
)
def test_refusals(changes: dict[str, Any], message: str, discs: Path, disc_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        run_tiny(discs, tmp_path / "run", **{**frozen(disc_run), **changes})


def test_a_recipe_from_before_trains_all() -> None:
    assert make_recipe(data="photos").train == "all"
