"""A training on depths: the whole way, what it scores, what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from depth_trainings import ARGUMENTS, SIZE, TINY, write_room
from PIL import Image
from safetensors.torch import load_file
from tiny import at_step, same_runs

from intarsia.cli.main import main
from intarsia.data.depth import open_depth, write_depth
from intarsia.data.depth.motorcycle import motorcycle
from intarsia.errors import DataError, Interrupted, RunError
from intarsia.inference import Execution, Preprocessing
from intarsia.inference.depth import evaluate_depth, load_depth
from intarsia.losses.depth import DEPTH_LOSSES
from intarsia.metrics.depth import DepthScores, depth_errors
from intarsia.models import create_model
from intarsia.runs import Run, loss_names, make_recipe
from intarsia.training import train
from intarsia.training.building import create_accelerator, create_objective, create_task
from intarsia.training.depth import DepthTask
from intarsia.training.gradient import Gradient
from intarsia.training.state import TrainingState


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_room(tmp_path_factory.mktemp("data") / "room")


@pytest.fixture(scope="module")
def room_run(room: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(data=str(room), out=tmp_path_factory.mktemp("runs") / "room", quiet=True, **TINY)


def test_a_run_holds_what_prediction_needs(room: Path, room_run: Run) -> None:
    record = Run.open(room_run.folder).network()
    assert (record.task, record.model, record.classes, record.measuring) == ("depth", "cspn_depth", 1, "count:200")
    assert len(record.mean) == len(record.std) == 3, "of the picture: depths are not normalised"
    assert not room_run.classes_path.exists()
    assert load_file(room_run.weights_path).keys() == load_depth(room_run.folder).net.state_dict().keys()
    with Image.open(room_run.picture_path(2)) as sheet:
        assert (sheet.width // 256, sheet.height // 256) == (2, 5), "two images; image, measured, true, told, errors"


def test_its_scores_are_those_of_an_evaluation(room: Path, room_run: Run) -> None:
    history = room_run.history()
    assert history[-1].keys() >= {"loss", "rmse", "mae", "rel", "delta", "learning_rate"}
    scores = evaluate_depth(load_depth(room_run.folder), open_depth(room).split("val"), fills=False)["network"]
    assert scores.rmse == pytest.approx(min(epoch["rmse"] for epoch in history), rel=1e-6)
    assert scores.delta == pytest.approx(min(history, key=lambda epoch: epoch["rmse"])["delta"])


def test_an_interrupted_training_goes_on_to_the_same_bits(
    room: Path, room_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> None:
        raise Interrupted("Stopped.")

    values = {"data": str(room), "out": tmp_path / "run", "quiet": True, "checkpoint_minutes": 0}
    at_step(monkeypatch, 3, stop)
    with pytest.raises(Interrupted):
        train(**values, **TINY)
    monkeypatch.undo()
    assert same_runs(train(**values, resume=True).folder, room_run.folder), "under its own recipe, which is read"


def test_other_data_do_not_resume(tmp_path: Path) -> None:
    room = write_room(tmp_path / "room")
    values = {**TINY, "data": str(room), "out": tmp_path / "run", "quiet": True, "epochs": 1}
    train(**values)
    write_depth(room / "val" / "depth" / "0.png", np.full(SIZE, 9, np.float32))
    with pytest.raises(RunError, match=r"The data have changed since .* was saved \(6 images"):
        train(**values, resume=True)


def task_of(**values: Any) -> DepthTask:
    recipe, dataset = make_recipe(data="sample:motorcycle", **{**TINY, **values}), motorcycle(train=2)
    objective = create_objective(recipe, dataset)
    task = create_task(recipe, dataset, Preprocessing((0.5,) * 3, (0.25,) * 3), objective)
    assert isinstance(task, DepthTask)
    assert not list(objective.parameters())
    return task


def batch(images: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Images with very different numbers of known depths, one with none."""
    draw = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (images, 6, 7, 3), generator=draw, dtype=torch.uint8)
    depths = 1 + torch.rand((images, 2, 6, 7), generator=draw)
    depths[0, 0, 1:], depths[1, 0], depths[:, 1, ::2] = 0, 0, 0
    return pictures, depths


def test_the_network_sees_pictures_normalised_and_measurements_as_they_are() -> None:
    pictures, depths = batch()
    seen = task_of().inputs(pictures, depths)
    torch.testing.assert_close(seen[:, :3], (pictures.permute(0, 3, 1, 2) / 255 - 0.5) / 0.25)
    assert torch.equal(seen[:, 3], depths[:, 1])


@pytest.mark.parametrize("name", loss_names.DEPTH_LOSSES)
def test_the_loss_is_the_recipes_and_looks_at_true_depths(name: str) -> None:
    task, (_, depths) = task_of(loss=name), batch()
    outputs = torch.rand(3, 1, 6, 7) + 1
    torch.testing.assert_close(task.loss(outputs, depths), DEPTH_LOSSES[name](outputs, depths[:, :1]))
    assert task.valid_targets(depths) == (2 if name == "scale_invariant" else 7 + 42)


@pytest.mark.parametrize("name", ["l1", "l2", "scale_invariant"])
def test_a_batch_in_parts_has_the_same_loss_and_gradient(name: str) -> None:
    torch.manual_seed(0)
    net, task, found = torch.nn.Conv2d(4, 1, 1), task_of(loss=name), []
    for parts in (1, 3):
        net.zero_grad()
        state = TrainingState(net, torch.optim.SGD(net.parameters(), 0.1), parts=parts)
        loss = Gradient(task, Execution(), create_accelerator())(state, net, batch())
        found.append([loss, *(parameter.grad.clone() for parameter in net.parameters())])  # pyright: ignore[reportOptionalMemberAccess]
    torch.testing.assert_close(*found)


def test_better_is_nearer_and_people_see_metres() -> None:
    task, truth = task_of(), np.full((2, 2), 3.0)
    near, far = (DepthScores(depth_errors(truth, truth + error)) for error in (0.25, 2))
    assert task.score(near) > task.score(far)
    assert task.told(task.score(near)) == "RMSE 0.2500 m"
    assert task.figures(near)["rmse"] == 0.25


def test_without_a_word_the_sensor_measures_if_there_is_one(tmp_path: Path) -> None:
    asked: list[tuple[bool, str | None, str | None]] = [
        (True, None, None), (True, "grid:8", "grid:8"), (False, None, "count:500")
    ]  # fmt: skip
    for sensor, wanted, expected in asked:
        dataset = open_depth(write_room(tmp_path / str(sensor), sensor=sensor))
        recipe = make_recipe(data="x", task="depth", measuring=wanted)
        task = create_task(recipe, dataset, Preprocessing((0.5,) * 3, (0.5,) * 3), create_objective(recipe, dataset))
        assert isinstance(task, DepthTask)
        assert (None if task.measuring is None else str(task.measuring)) == expected


def test_a_training_on_a_sensors_measurements(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    room = write_room(tmp_path / "room", train=2, sensor=True)
    run = train(data=str(room), out=tmp_path / "run", **{**TINY, "measuring": None, "epochs": 1})
    assert "Measured by the data's own sensor." in capfd.readouterr().err
    assert run.network().measuring is None
    assert load_depth(run.folder).measuring is None


def test_it_starts_from_another_run(room: Path, room_run: Run, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    train(data=str(room), out=tmp_path / "run", weights=str(room_run.folder), **{**TINY, "epochs": 1})
    assert "tensors fit, none is left new" in capfd.readouterr().err


def test_a_pretrained_stem_gets_a_channel_for_depths(tmp_path: Path) -> None:
    weights = tmp_path / "w.pth"
    torch.save(create_model("unet", "test_resnet", 2).backbone.body.state_dict(), weights)
    net = create_model("cspn_depth", "test_resnet", backbone_weights=weights)
    stem = next(p for p in net.backbone.parameters())
    assert stem.shape[1] == 4


def test_the_command_line_tells_the_task_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "sample:motorcycle", "--dry-run", "--measuring", "grid:8", *ARGUMENTS]) == 0
    said = capsys.readouterr()
    for part in (
        "motorcycle: parts of one scene",
        "images: 64 train, 2 val, with depths.",
        "cspn_depth on test_resnet at output stride 32",
        "Measured of each image: every 8th row and column, drawn anew in each epoch.",
        "a step takes 2 images of 48 × 48 pixels.",
    ):
        assert part in said.out
    assert not list(tmp_path.iterdir())


def test_the_run_folder_is_named_like_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    room = write_room(tmp_path / "room", train=2)
    assert main(["train", str(room), *ARGUMENTS]) == 0
    said = capsys.readouterr().err
    assert "room: images/ + depth/ within train/ and val/, 0.001 m a value by depth.json; images: 2 train" in said
    assert "epoch 1/1  loss " in said
    assert "  RMSE " in said
    assert said.strip().endswith("m; the run is in `runs/room`.")
    with pytest.raises(DataError, match="holds no depths of a layout that is known"):
        train(data=str(tmp_path / "runs"), task="depth", out=tmp_path / "other", quiet=True)
