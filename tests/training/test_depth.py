"""A training on depths: the whole way, what it scores, what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny import at_step, same_runs

from intarsia.cli.main import main
from intarsia.data.depth import open_depth, write_depth
from intarsia.data.depth.motorcycle import motorcycle
from intarsia.errors import ArgumentError, DataError, Interrupted, RunError
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

TINY: dict[str, Any] = {
    "backbone": "test_resnet",
    "options": {"steps": 2},
    "pretrained": False,
    "epochs": 2,
    "batch_size": 2,
    "crop_size": 48,
    "measuring": 200,
    "precision": "float32",
    "memory_format": "contiguous",
}
SIZE = (56, 64)


def write_room(root: Path, train: int = 4, sensor: bool = False) -> Path:
    """Slopes before a wall, with noise for an image."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("val", 2)):
        for part in ("images", "depth", "sparse"):
            (root / split / part).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            image = generator.integers(0, 255, (*SIZE, 3), np.uint8)
            Image.fromarray(image).save(root / split / "images" / f"{i}.png")
            slope = np.linspace(1, generator.uniform(2, 4), SIZE[1], dtype=np.float32)
            write_depth(root / split / "depth" / f"{i}.png", np.minimum(np.broadcast_to(slope, SIZE), np.float32(2.5)))
            if sensor:
                write_depth(root / split / "sparse" / f"{i}.png", np.where(generator.random(SIZE) < 0.1, slope, 0))
    (root / "depth.json").write_text(json.dumps({"metres_per_value": 0.001}))
    return root


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


def test_a_sensor_that_misses_an_image_is_refused(tmp_path: Path) -> None:
    room = write_room(tmp_path / "room", train=2, sensor=True)
    (room / "val" / "sparse" / "1.png").unlink()
    with pytest.raises(DataError, match=r"val/images/1.png` has no measurements of its own, but 3 of 4 images have"):
        train(data=str(room), out=tmp_path / "run", quiet=True, **{**TINY, "measuring": None})
    assert not (tmp_path / "run").exists()


def test_it_starts_from_another_run(room: Path, room_run: Run, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    train(data=str(room), out=tmp_path / "run", weights=str(room_run.folder), **{**TINY, "epochs": 1})
    assert "tensors fit, none is left new" in capfd.readouterr().err


def test_a_pretrained_stem_gets_a_channel_for_depths(tmp_path: Path) -> None:
    weights = tmp_path / "w.pth"
    torch.save(create_model("unet", "test_resnet", 2).backbone.body.state_dict(), weights)
    net = create_model("cspn_depth", "test_resnet", backbone_weights=weights)
    stem = next(p for p in net.backbone.parameters())
    assert stem.shape[1] == 4


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"refiner": "cspn"}, "`refiner` .='cspn'. belongs to segmentation; leave it out to train depths"),
    ({"refiner_options": {"steps": 3}}, "`refiner_options` .* belongs to segmentation"),
    ({"auxiliary": True}, "`auxiliary` .=True. belongs to segmentation"),
    ({"train": "refiner"}, "`train` .='refiner'. belongs to segmentation"),
    ({"model": "unet"}, "`model` .='unet'. is no model for `task` .='depth'.; take cspn_depth"),
    ({"output_stride": 8}, "`output_stride` .=8. of cspn_depth must be 32"),
    ({"task": "segmentation"}, "`measuring` .='count:200'. belongs to depth; leave it out to train a segmentation"),
    ({"task": "classification"}, "`options` .* belongs to segmentation; leave it out to train a classifier"),
    (
        {"task": "segmentation", "measuring": None},
        "finds no masks in `sample:motorcycle`, which holds depths; leave it",
    ),
    (
        {"loss": "berhu", "on_oom": "halve"},
        "`on_oom` .='halve'. cannot go with `loss` .='berhu'., where berhu measures",
    ),
    ({"measuring": "grid:49"}, "`measuring` .='grid:49'. may miss a crop .* 48 rows .* take grid:48 at most"),
    ({"measuring": "grid:48", "scale": (0.25, 1)}, "may miss a crop .* take grid:28 at most"),
    ({"measuring": "grid:200", "crop_size": 256, "scale": (4, 4)}, "a validation image, .* take grid:114 at most"),
    ({"crop_size": 32, "batch_size": 1}, "leaves batch norm a single value"),
]


@pytest.mark.parametrize(("given", "sentence"), REFUSED)
def test_settings_without_effect_are_refused(tmp_path: Path, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        train(data="sample:motorcycle", out=tmp_path / "run", quiet=True, **{**TINY, **given})
    assert not (tmp_path / "run").exists()


def test_built_in_scenes_are_among_the_names_that_are_meant(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="There is no built-in set `motorcycl`; did you mean motorcycle"):
        train(data="sample:motorcycl", out=tmp_path / "run", quiet=True)


def test_a_model_of_depths_segments_nothing(discs: Path, tmp_path: Path) -> None:
    sentence = "`model` .='cspn_depth'. is no model for `task` .='segmentation'.; take fcn32s"
    with pytest.raises(ArgumentError, match=sentence):
        train(data=str(discs), out=tmp_path / "run", quiet=True, model="cspn_depth")


def spoil_unit(room: Path) -> None:
    (room / "depth.json").unlink()


def spoil_bits(room: Path) -> None:
    Image.new("L", (SIZE[1], SIZE[0]), 9).save(room / "train" / "depth" / "1.png")


def spoil_all(room: Path) -> None:
    Image.fromarray(np.zeros(SIZE, np.uint16)).save(room / "train" / "depth" / "1.png")


def spoil_sign(room: Path) -> None:
    (room / "train" / "depth" / "1.png").unlink()
    np.save(room / "train" / "depth" / "1.npy", np.full(SIZE, -2000.0, np.float32))


def spoil_size(room: Path) -> None:
    write_depth(room / "train" / "depth" / "1.png", np.ones((SIZE[0] - 1, SIZE[1]), np.float32))


def spoil_partner(room: Path) -> None:
    (room / "train" / "depth" / "1.png").unlink()


SPOILT = [
    (spoil_unit, "nothing says how many metres one is"),
    (spoil_bits, "has 8 bits, too few for depth"),
    (spoil_all, "holds no depth at all"),
    (spoil_sign, "holds the depth -2 m, but depths are above 0"),
    (spoil_size, "has 56 rows × 64 columns, but its depth"),
    (spoil_partner, "1.png` has no depth"),
]
ARGUMENTS = """
    --backbone test_resnet --options.steps 1 --no-pretrained --epochs 1 --batch-size 2 --crop-size 48
    --scale 1 1 --precision float32 --memory-format contiguous
""".split()  # noqa: SIM905


@pytest.mark.parametrize(("spoil", "words"), SPOILT)
def test_bad_depths_are_one_sentence(tmp_path: Path, spoil: Any, words: str, capsys: pytest.CaptureFixture) -> None:
    room = write_room(tmp_path / "room", train=2)
    spoil(room)
    assert main(["train", str(room), "--out", str(tmp_path / "run"), *ARGUMENTS]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("intarsia: ")
    assert words in said
    assert "Traceback" not in said


def test_files_that_are_skipped_do_no_harm(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    room = write_room(tmp_path / "room", train=3)
    spoil_all(room)
    (tmp_path / "skip.txt").write_text("# holds no depth\ntrain/depth/1.png\n")
    command = ["train", str(room), "--out", str(tmp_path / "run"), "--skip", str(tmp_path / "skip.txt"), *ARGUMENTS]
    assert main(command) == 0
    assert "images: 2 train, 2 val, with depths." in capsys.readouterr().err


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
