"""What a task says of segmentation: strengths, losses, what can be trained, what the network sees."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parallel import ShadedSample
from PIL import Image
from tiny import run_tiny

from intarsia.data import Classes, Dataset, open_dataset
from intarsia.errors import ArgumentError
from intarsia.inference import Preprocessing
from intarsia.losses import border_weighted_cross_entropy, cross_entropy, ohem_cross_entropy
from intarsia.models import Outputs, SegmentationNetwork
from intarsia.runs import Recipe, make_recipe
from intarsia.training.building import create_objective, create_task
from intarsia.training.tasks import SegmentationTask, check_trainable, spread


def task_of(recipe: Recipe, dataset: Dataset) -> SegmentationTask:
    task = create_task(recipe, dataset, Preprocessing((0.5,) * 3, (0.5,) * 3), create_objective(recipe, dataset))
    assert isinstance(task, SegmentationTask)
    return task


def test_the_recipes_strengths_arrive(discs: Path) -> None:
    moves = {"rotation": 20.0, "elastic": 2.5, "blur": 1.5}
    recipe = make_recipe(data=str(discs), crop_size=48, scale=(0.7, 1.1), flip=0.1, colour=0.3, **moves)
    task = task_of(recipe, open_dataset(discs))
    augmentation = task.training_samples().augmentation
    assert (augmentation.crop_size, augmentation.scale, augmentation.flip) == ((48, 48), (0.7, 1.1), 0.1)
    assert (augmentation.brightness, augmentation.contrast, augmentation.saturation) == (0.3, 0.3, 0.3)
    assert (augmentation.rotation, augmentation.elastic, augmentation.blur) == (20.0, 2.5, (0.0, 1.5))


def test_the_auxiliary_loss_counts_two_fifths(discs: Path) -> None:
    task = task_of(make_recipe(data="x"), open_dataset(discs))
    logits, auxiliary, masks = torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3), torch.randint(0, 2, (1, 3, 3))
    expected = cross_entropy(logits, masks) + 0.4 * cross_entropy(auxiliary, masks)
    torch.testing.assert_close(task.loss(Outputs(logits, (auxiliary,), (0.4,)), masks), expected)


LOSSES = {"border_weighted": border_weighted_cross_entropy, "ohem": ohem_cross_entropy}


@pytest.mark.parametrize("name", LOSSES)
def test_the_recipes_loss_is_taken_for_all_heads(name: str, discs: Path) -> None:
    recipe, loss = make_recipe(data="x", loss=name), LOSSES[name]
    task = task_of(recipe, open_dataset(discs))
    logits, auxiliary, masks = torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3), torch.tensor([1, 0, 1]).expand(1, 3, 3)
    expected = loss(logits, masks) + 0.4 * loss(auxiliary, masks)
    torch.testing.assert_close(task.loss(Outputs(logits, (auxiliary,), (0.4,)), masks), expected)


def test_with_many_classes_ignore_is_65535_for_both_heads(discs: Path) -> None:
    classes = Classes(tuple(f"class {i}" for i in range(300)), tuple((i // 256, i % 256, 0) for i in range(300)))
    dataset = replace(open_dataset(discs), classes=classes)
    task = task_of(make_recipe(data="x"), dataset)
    logits, masks = torch.randn(1, 300, 2, 2), torch.tensor([[[255, 65535], [0, 299]]])
    plain = F.cross_entropy(logits, masks, ignore_index=65535)
    torch.testing.assert_close(task.loss(logits, masks), plain)
    torch.testing.assert_close(task.loss(Outputs(logits, (logits,), (0.4,)), masks), 1.4 * plain)
    assert task.valid_targets(masks) == 3


def test_pictured_images_are_spread(discs: Path) -> None:
    samples = [ShadedSample(str(i)) for i in range(11)]
    chosen = [[int(s.name) for s in spread(samples[:n], 6)] for n in (1, 3, 6, 11)]
    assert chosen == [[0], [0, 1, 2], [0, 1, 2, 3, 4, 5], [0, 2, 4, 6, 8, 10]]


def test_what_a_training_needs(discs: Path) -> None:
    dataset = open_dataset(discs)
    check_trainable(dataset, processes=len(dataset.split("train")))
    with pytest.raises(ArgumentError, match="8 processes need 8 training images; `photos` has fewer"):
        check_trainable(dataset, processes=8)
    for split, sentence in (("train", "no images to train on"), ("val", "no images to validate")):
        with pytest.raises(ArgumentError, match=sentence):
            check_trainable(replace(dataset, splits={**dataset.splits, split: ()}))
        with pytest.raises(ArgumentError, match=sentence):
            check_trainable(replace(dataset, splits={n: s for n, s in dataset.splits.items() if n != split}))


def test_the_network_sees_red_first_and_normalised(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colour, seen, real = (250, 100, 10), [], SegmentationNetwork.forward

    def forward(self: SegmentationNetwork, images: torch.Tensor) -> Any:
        seen.append(images)
        return real(self, images)

    for i in range(4):
        for part, picture in (
            ("images", Image.new("RGB", (40, 40), colour)),
            ("masks", Image.new("L", (40, 40), i % 2)),
        ):
            (tmp_path / "photos" / part).mkdir(parents=True, exist_ok=True)
            picture.save(tmp_path / "photos" / part / f"{i}.png")
    monkeypatch.setattr(SegmentationNetwork, "forward", forward)
    run = run_tiny(tmp_path / "photos", tmp_path / "run", epochs=1, colour=0.0, scale=(1.0, 1.0))
    record = run.network()
    expected = [(c / 255 - m) / s for c, m, s in zip(colour, record.mean, record.std, strict=True)]
    for images in seen:
        for channel, value in enumerate(expected):
            torch.testing.assert_close(images[:, channel], torch.full_like(images[:, channel], value))
