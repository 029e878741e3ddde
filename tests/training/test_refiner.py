"""Training with a refiner behind the network."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import at_step, run_tiny, same_runs

import intarsia
from intarsia.cli.main import main
from intarsia.errors import ArgumentError, Interrupted
from intarsia.models import create_model
from intarsia.runs import Run, make_recipe
from intarsia.training.optimiser import FACTOR, REFINER_RATE, create_optimiser

REFINED: dict[str, Any] = {"refiner": "crf", "refiner_options": {"appearance_sxy": 9.0, "iterations": 4}}


@pytest.fixture(scope="module")
def refined_run(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_tiny(discs, tmp_path_factory.mktemp("refined") / "run", **REFINED).folder


def test_the_command_goes_on_from_a_plain_run(
    discs: Path, disc_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"train {discs} --out {tmp_path / 'run'} --model unet --backbone test_resnet --options.widths 8,8,8,8,8"
    command += f" --no-pretrained --epochs 1 --batch-size 4 --crop-size 32 --weights {disc_run} --refiner crf"
    command += " --refiner-options.appearance_sxy 9 --precision float32 --memory-format contiguous"
    main(command.split())
    captured = capsys.readouterr()
    said = " ".join((captured.out + captured.err).split())
    assert "unet on test_resnet at output stride 32, refined by a CRF that learns, " in said
    assert "tensors fit, 5 are left new: refiner.smoothness_weight, refiner.appearance_weight" in said
    record = Run(tmp_path / "run").network()
    assert (record.refiner, record.refiner_options) == ("crf", {"appearance_sxy": 9})
    before = load_file(disc_run / "weights.safetensors")
    assert set(load_file(tmp_path / "run" / "weights.safetensors")) == set(before) | {
        f"refiner.{name}" for name in ("smoothness_weight", "appearance_weight", "compatibility", "levels", "darkest")
    }


def test_a_loaded_run_answers_with_its_refiner(refined_run: Path, discs: Path) -> None:
    segmenter = intarsia.load(refined_run, "cpu")
    crf = segmenter.net.refiner
    assert crf is not None
    assert "appearance_sxy=9" in repr(crf)
    weights = load_file(refined_run / "weights.safetensors")
    torch.testing.assert_close(crf.state_dict()["compatibility"], weights["refiner.compatibility"])
    assert not torch.equal(weights["refiner.appearance_weight"], torch.full((2,), 10.0))  # it has learned
    picture = discs / "images" / "disc_0.png"
    refined = segmenter.predict(picture).probabilities
    segmenter.net.refiner = None
    assert abs(refined - segmenter.predict(picture).probabilities).max() > 0.01


def test_interrupted_and_resumed_it_is_the_same_run(
    refined_run: Path, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted):
            run_tiny(discs, tmp_path / "run", **REFINED)
    run_tiny(discs, tmp_path / "run", resume=True, **REFINED)
    assert same_runs(tmp_path / "run", refined_run)


def test_a_run_from_before_there_were_refiners_is_read(disc_run: Path, tmp_path: Path) -> None:
    for name in ("network.json", "recipe.json"):
        values = json.loads((disc_run / name).read_text())
        assert values.pop("refiner") is None
        assert values.pop("refiner_options") == {}
        (tmp_path / name).write_text(json.dumps(values))
    assert Run(tmp_path).network() == Run(disc_run).network()
    assert make_recipe(**json.loads((tmp_path / "recipe.json").read_text())).refiner is None


def test_what_a_refiner_learns_is_not_pulled_to_zero_and_moves_faster() -> None:
    recipe = make_recipe(data="photos", learning_rate=1e-4)
    net = create_model("unet", "test_resnet", classes=3, refiner="crf", widths=(8, 8, 8, 8, 8))
    assert net.refiner is not None
    groups = create_optimiser(recipe, net).param_groups
    decays = {id(p): (group["weight_decay"], group.get(FACTOR, 1.0)) for group in groups for p in group["params"]}
    assert len(decays) == len(list(net.parameters()))
    assert {decays[id(p)] for p in net.refiner.parameters()} == {(0.0, REFINER_RATE / 1e-4)}
    assert decays[id(net.head.weight)] == (recipe.decay, 1.0)


def test_adam_moves_it_by_its_own_rate(refined_run: Path) -> None:
    learned = load_file(refined_run / "weights.safetensors")["refiner.appearance_weight"]
    assert REFINER_RATE / 2 < float((learned - 10).abs().max()) < 8 * REFINER_RATE  # in eight steps


def test_refusals(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"`refiner` .='crv'."):
        make_recipe(data="photos", refiner="crv")
    with pytest.raises(ArgumentError, match=r"`refiner_options` .* need a `refiner`"):
        run_tiny(discs, tmp_path / "run", refiner_options={"iterations": 3})


def test_all_who_show_the_run_say_that_it_has_one(
    refined_run: Path, discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = "It is refined by a CRF that was trained inside the network."
    assert inside in intarsia.load(refined_run, "cpu").protocol
    assert main(["evaluate", str(refined_run), str(discs), "--report", str(tmp_path / "page.html")]) == 0
    assert inside in capsys.readouterr().out
    assert ", refined by a CRF that learned with it, was trained for " in (tmp_path / "page.html").read_text()
    assert main(["refine", str(refined_run)]) == 0
    assert "holds no refinement, but its network was trained with a CRF inside, of 4 iterations: smoothness " in (
        said := capsys.readouterr().out
    )
    weights = load_file(refined_run / "weights.safetensors")["refiner.appearance_weight"]
    assert f"appearance {weights.min():.3g} to {weights.max():.3g} at 9 pixels and 13 levels, by class.\n" in said


@pytest.mark.parametrize("arguments", [["--set", "iterations=3"], ["{data}", "--fit"]])
def test_there_is_no_second_one(
    arguments: list[str], refined_run: Path, discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["refine", str(refined_run), *(argument.format(data=discs) for argument in arguments)]) == 1
    assert "was trained with a CRF inside, and a refinement would be a second one behind it: leave" in (
        capsys.readouterr().err
    )
    assert not Run(refined_run).refinement_path.exists()
