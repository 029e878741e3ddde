"""A backbone's first weights: folders of pictures → a classifier → the backbone of a segmentation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny import same_runs, same_tensors

from intarsia.backbones import create_backbone
from intarsia.backbones.classifier import create_classifier
from intarsia.data import open_classified, open_dataset
from intarsia.errors import ArgumentError, DataError, Interrupted, RunError
from intarsia.inference import Preprocessing, evaluate, load
from intarsia.inference.execution import Execution
from intarsia.models import create_model
from intarsia.runs import Run, make_recipe
from intarsia.training import loop, train
from intarsia.training.classification import FRAME, RIGHT, WRONG, ClassificationTask, centred, labels_of

COLOURS = {"blue": (30, 40, 220), "green": (30, 200, 60), "red": (220, 30, 30)}

TINY: dict[str, Any] = {
    "task": "classification",
    "backbone": "xception39",
    "epochs": 2,
    "batch_size": 3,
    "crop_size": 48,
    "colour": 0.0,
    "precision": "float32",
    "memory_format": "contiguous",
}


def write_colours(place: Path, count: int, seed: int = 0) -> None:
    """Noisy pictures of one colour each, in a folder for each."""
    generator = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (place / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.clip(np.array(colour) + generator.integers(-25, 25, (40 + i, 50, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(place / name / f"{i}.png")


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colours")
    write_colours(folder / "train", 2)
    write_colours(folder / "val", 1, seed=1)
    return folder


@pytest.fixture(scope="module")
def colour_run(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(data=str(colours), out=tmp_path_factory.mktemp("runs") / "colours", quiet=True, **TINY)


def test_folders_become_labelled_pictures(colours: Path) -> None:
    dataset = open_classified(colours)
    assert dataset.classes.names == ("blue", "green", "red")
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 6, "val": 3}
    assert dataset.layout == "one folder a class within train/ and val/"
    sample = dataset.split("train")[5]
    assert (sample.name, sample.shape(), sample.image().shape) == ("red/1", (41, 50), (41, 50, 3))
    assert sample.mask().shape == (41, 50)
    assert set(sample.mask().ravel()) == {2}
    assert sample.mask((slice(0, 2), slice(3, 4))).shape == (2, 1)


def test_without_val_the_names_decide(tmp_path: Path) -> None:
    write_colours(tmp_path / "photos", 4)
    dataset = open_classified(tmp_path / "photos")
    left_out = tmp_path / "photos" / "red" / "0.png"
    fewer = open_classified(tmp_path / "photos", skip=[left_out])
    names = {sample.name for samples in dataset.splits.values() for sample in samples}
    assert len(names) == 12
    assert all(dataset.splits.values())
    assert names - {sample.name for samples in fewer.splits.values() for sample in samples} == {"red/0"}


REFUSED = [
    (lambda folder: (folder / "red").rename(folder / ".red"), "needs two at least: make one for each class"),
    (lambda folder: (folder / "red" / "0.png").unlink(), r"red` holds no image"),
    (lambda folder: Image.new("L", (9, 9)).save(folder / "red" / "0.jpg"), "have the same name but for the extension"),
    (lambda folder: (folder / "red" / "0.png").write_text("no picture"), r"red/0\.png"),
]


@pytest.mark.parametrize(("spoil", "sentence"), REFUSED)
def test_folders_that_are_refused(tmp_path: Path, spoil: Any, sentence: str) -> None:
    write_colours(tmp_path, 1)
    (tmp_path / "blue").rename(tmp_path / ".blue")
    spoil(tmp_path)
    with pytest.raises(DataError, match=sentence):
        open_classified(tmp_path)


def test_built_in_sets_have_masks() -> None:
    with pytest.raises(DataError, match="`sample:materials` is a built-in set of pictures with masks; give a folder"):
        open_classified("sample:materials")


def test_splits_that_are_refused(colours: Path, tmp_path: Path) -> None:
    write_colours(tmp_path / "val", 1)
    with pytest.raises(DataError, match="has no train/ beside `val/`: add one folder a class"):
        open_classified(tmp_path)
    write_colours(tmp_path / "train", 1)
    (tmp_path / "train" / "red").rename(tmp_path / "train" / "pink")
    with pytest.raises(DataError, match=r"val/red` is a class that train/ has not"):
        open_classified(tmp_path)
    known = replace(open_classified(colours).classes, names=("blue", "green", "pink"))
    with pytest.raises(DataError, match="has other classes than the training that goes on"):
        open_classified(colours, known)


def test_the_weights_are_those_of_the_backbone(colours: Path, colour_run: Run) -> None:
    """The whole way: train → backbone_weights → the same tensors in the backbone, and in a segmentation's."""
    trained = load_file(colour_run.weights_path)
    backbone = create_backbone("xception39", weights=colour_run.weights_path)
    assert set(trained) - set(backbone.body.state_dict()) == {"fc.weight", "fc.bias"}
    for name, tensor in backbone.body.state_dict().items():
        assert torch.equal(tensor, trained[name])
    net = create_model("pspnet", "xception39", 4, output_stride=8, backbone_weights=colour_run.weights_path, channels=8)
    inside = net.backbone.body.state_dict()
    assert all(torch.equal(tensor, trained[name]) for name, tensor in inside.items())
    fresh = create_classifier("xception39", 3).published_state()
    assert trained.keys() == fresh.keys()
    assert {name: t.shape for name, t in trained.items()} == {name: t.shape for name, t in fresh.items()}


def test_timms_networks_train_too(colours: Path, tmp_path: Path) -> None:
    run = train(data=str(colours), out=tmp_path / "run", quiet=True, **{**TINY, "backbone": "test_resnet", "epochs": 1})
    trained = load_file(run.weights_path)
    body = create_backbone("test_resnet", weights=run.weights_path).body
    assert all(torch.equal(tensor, trained[name]) for name, tensor in body.state_dict().items())


def test_the_run_tells_accuracies(colour_run: Run, capsys: pytest.CaptureFixture) -> None:
    epoch = colour_run.history()[-1]
    assert epoch.keys() >= {"loss", "accuracy", "mean_accuracy", "per_class_accuracy"}
    assert epoch["per_class_accuracy"].keys() == COLOURS.keys()
    assert epoch["mean_accuracy"] == pytest.approx(np.mean(list(epoch["per_class_accuracy"].values())))
    assert colour_run.network().task == "classification"
    with Image.open(colour_run.picture_path(2)) as sheet:
        assert sheet.width > 3 * 256


def test_it_learns(colours: Path, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    easy = {"backbone": "test_resnet", "batch_size": 6, "scale": (1.0, 1.0), "epochs": 40}
    train(data=str(colours), out=tmp_path / "run", **{**TINY, **easy})
    history = Run(tmp_path / "run").history()
    assert max(epoch["accuracy"] for epoch in history) == 1.0
    assert "Best top-1 accuracy 1.0000; the run is in" in capfd.readouterr().err


def test_an_interrupted_training_goes_on_to_the_same_bits(
    colours: Path, colour_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.Loop.step

    def step(self: loop.Loop, state: Any, *arguments: Any) -> Any:
        taken = real(self, state, *arguments)
        if state.step == 3:
            raise Interrupted("Stopped.")
        return taken

    values = {**TINY, "data": str(colours), "out": tmp_path / "run", "quiet": True, "checkpoint_minutes": 0}
    monkeypatch.setattr(loop.Loop, "step", step)
    with pytest.raises(Interrupted):
        train(**values)
    monkeypatch.undo()
    resumed = train(**values, resume=True)
    assert same_tensors(resumed.weights_path, colour_run.weights_path)
    assert same_runs(resumed.folder, colour_run.folder)


class Told(torch.nn.Module):
    """Answers with given classes, whatever it sees."""

    def __init__(self, labels: list[int]) -> None:
        super().__init__()
        self.labels = iter(labels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor([next(self.labels) for _ in images]), 3).float()


def task_of(colours: Path, **values: Any) -> ClassificationTask:
    recipe = make_recipe(data=str(colours), **{**TINY, **values})
    return ClassificationTask(recipe, open_classified(colours), Preprocessing((0.5,) * 3, (0.5,) * 3))


def test_accuracy_counts_pictures(colours: Path) -> None:
    task = task_of(colours, batch_size=2)
    scores = task.validate(Told([0, 1, 1]), Execution())  # blue, green, and red for green
    assert task.score(scores) == pytest.approx(2 / 3)
    assert task.figures(scores)["per_class_accuracy"] == {"blue": 1.0, "green": 1.0, "red": 0.0}


def test_pictures_are_framed_by_what_was_told(colours: Path, tmp_path: Path) -> None:
    task_of(colours).picture(Told([0, 1, 1]), Execution(), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        row = np.array(sheet)[sheet.height // 2].tolist()
    assert row.count(list(RIGHT)) > 2 * 2 * FRAME > row.count(list(WRONG)) / 10 > 0


def test_the_loss_is_the_cross_entropy_of_the_labels(colours: Path) -> None:
    masks = torch.full((2, 4, 4), 255)
    masks[0, 1:, 1:], masks[1, :2, :3] = 2, 0  # the rest lies outside the pictures
    assert labels_of(masks).tolist() == [2, 0]
    task, logits = task_of(colours), torch.randn(2, 3)
    expected = -logits.log_softmax(1)[torch.arange(2), torch.tensor([2, 0])].mean()
    torch.testing.assert_close(task.loss(logits, masks), expected)
    assert task.valid_targets(masks) == 2


def test_crops_span_the_picture_at_scale_one(colours: Path) -> None:
    samples = task_of(colours, scale=(1.0, 1.0), flip=0.0).training_samples()
    image, mask = samples[0, 0]
    assert image.shape == (48, 48, 3)
    assert not (mask == 255).any()
    assert samples.strengths(samples.samples[0]).scale == (48 / 40, 48 / 40)


def test_the_centre_is_judged() -> None:
    image = np.zeros((64, 128, 3), np.uint8)
    image[4:60, 36:92] = 200
    seen = centred(image, 28)
    assert seen.shape == (28, 28, 3)
    assert seen.min() == seen.max() == 200


def test_a_classifier_gives_no_masks(colour_run: Run, discs: Path) -> None:
    for use in (load, lambda run: evaluate(run, discs)):
        with pytest.raises(RunError, match=r"is a trained classifier and gives no masks; .* --backbone-weights"):
            use(colour_run.folder)


NO_EFFECT = [
    ({"model": "unet"}, "`model` .='unet'. belongs to segmentation; leave it out"),
    ({"output_stride": 8}, "`output_stride` .=8. belongs to segmentation"),
    ({"auxiliary": True}, "`auxiliary` .=True. belongs to segmentation"),
    ({"options": {"widths": 3}}, "`options` .* belongs to segmentation"),
    ({"refiner": "crf"}, "`refiner` .='crf'. belongs to segmentation"),
    ({"train": "refiner"}, "`train` .='refiner'. belongs to segmentation"),
    ({"refiner_options": {"iterations": 3}}, "`refiner_options` .* belongs to segmentation"),
    ({"loss": "border_weighted"}, "`loss` .='border_weighted'. belongs to segmentation"),
    ({"weights": "w.pth"}, "`weights` .='w.pth'. belongs to segmentation"),
    ({"backbone_weights": "w.pth"}, "`backbone_weights` .='w.pth'. belongs to segmentation"),
    ({"pretrained": True}, "`pretrained` .=True. must be left out or False: a classifier is trained from scratch"),
]


@pytest.mark.parametrize(("given", "sentence"), NO_EFFECT)
def test_settings_without_effect_are_refused(colours: Path, tmp_path: Path, given: dict, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        train(data=str(colours), out=tmp_path / "run", quiet=True, **{**TINY, **given})


def test_a_classifier_needs_maps_that_tile_the_image(colours: Path, tmp_path: Path) -> None:
    sentence = "The maps of backbone `test_unet_contracting` do not tile the image.*; use another one, such as resnet18"
    with pytest.raises(ArgumentError, match=sentence):
        train(data=str(colours), out=tmp_path / "run", quiet=True, **{**TINY, "backbone": "test_unet_contracting"})


def test_folders_of_classes_are_no_segmentation(colours: Path) -> None:
    with pytest.raises(DataError, match="holds no layout that is known"):
        open_dataset(colours)
