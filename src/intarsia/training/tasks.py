"""What a training loop has to know of segmentation: batches, loss, scores, picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from intarsia.data import Dataset, colourise, contact_sheet
from intarsia.data.depth import DepthDataset
from intarsia.data.pictures import as_rgb
from intarsia.errors import ArgumentError
from intarsia.files import atomic
from intarsia.inference import Preprocessing, Segmenter, evaluate_samples
from intarsia.inference.execution import Execution
from intarsia.losses import Objective
from intarsia.metrics import Scores
from intarsia.models import Outputs, SegmentationNetwork
from intarsia.runs import Balance, Recipe
from intarsia.training.loading import AugmentedSamples
from intarsia.training.places import Places

Item = TypeVar("Item")

PICTURED = 6  # validation images in the picture of each epoch


@dataclass(frozen=True)
class SegmentationTask:
    """All that training knows of what is learned."""

    recipe: Recipe
    dataset: Dataset
    preprocessing: Preprocessing
    objective: Objective
    balance: Balance = field(default_factory=Balance)

    def training_samples(self) -> AugmentedSamples:
        """The training images, augmented as the recipe says."""
        weights, recipe = self.balance.image_weights, self.recipe
        places = None if weights is None else Places(weights, recipe.seed)
        images = self.dataset.split(recipe.split)
        return AugmentedSamples(images, recipe.augmentation(), recipe.seed, places, recipe.class_crops)

    def loss(self, outputs: Float[Tensor, "B K H W"] | Outputs, masks: Tensor) -> Float[Tensor, ""]:
        """The recipe's loss; auxiliary outputs count by the recipe's weight, or else by their own."""
        ignore = self.dataset.classes.ignore
        if not isinstance(outputs, Outputs):
            return self.objective(outputs, masks, ignore)
        total = self.objective(outputs.logits, masks, ignore)
        for own, logits in zip(outputs.weights, outputs.auxiliary, strict=True):
            weight = own if self.recipe.auxiliary_weight is None else self.recipe.auxiliary_weight
            total = total + weight * self.objective(logits, masks, ignore, auxiliary=True)
        return total

    def inputs(self, pictures: UInt8[Tensor, "B H W C"], targets: Tensor) -> Float[Tensor, "B C H W"]:
        """What the network sees of a batch: the pictures, normalised."""
        del targets  # they are no part of it
        return self.preprocessing(pictures)

    def valid_targets(self, masks: Tensor) -> Tensor:
        """By what :meth:`loss` divides: what a part of a batch weighs in the mean of the whole."""
        return self.objective.weight(masks, self.dataset.classes.ignore)

    def validate(self, net: nn.Module, execution: Execution, share: slice = slice(None)) -> Scores:
        """Scores on the validation split, or on a share of it, at full resolution."""
        return evaluate_samples(self._segmenter(net, execution), self.dataset.split("val")[share])

    def score(self, scores: Scores) -> float:
        """What is better when it is larger."""
        return scores.mean_iou

    def told(self, score: float) -> str:
        """A score in words."""
        return f"mean IoU {score:.4f}"

    def figures(self, scores: Scores) -> dict[str, Any]:
        """What an epoch's line holds of them."""
        return {
            "mean_iou": scores.mean_iou,
            "pixel_accuracy": scores.pixel_accuracy,
            "per_class_iou": scores.per_class_iou,
        }

    def weights(self, net: nn.Module) -> dict[str, Tensor]:
        """What a run leaves of the network."""
        return net.state_dict()

    def picture(self, net: nn.Module, execution: Execution, path: Path) -> None:
        """Write the same few validation images: the image above the truth above the prediction."""
        segmenter, classes = self._segmenter(net, execution), self.dataset.classes
        columns = []
        for sample in spread(self.dataset.split("val"), PICTURED):
            result = segmenter.predict(sample.image())
            columns.append((as_rgb(result.image), colourise(sample.mask(), classes), colourise(result.mask, classes)))
        sheet = contact_sheet(list(zip(*columns, strict=True)))
        with atomic(path) as temporary:
            Image.fromarray(sheet).save(temporary)

    def _segmenter(self, net: nn.Module, execution: Execution) -> Segmenter:
        assert isinstance(net, SegmentationNetwork)
        return Segmenter(net, self.preprocessing, self.dataset.classes, execution, pixels=self.dataset.pixels)


def check_trainable(dataset: Dataset | DepthDataset, processes: int = 1, passes: int = 1, split: str = "train") -> None:
    """Training needs two classes, a training and a validation split, and an image for each pass of each process."""
    if isinstance(dataset, Dataset) and dataset.classes.count < 2:
        raise ArgumentError(
            f"`{dataset.name}` has one class only, `{dataset.classes.names[0]}`; name what is not it as a class too."
        )
    for needed in ("train", "val"):
        if not dataset.splits.get(needed):
            raise ArgumentError(f"`{dataset.name}` has no images to {'train on' if needed == 'train' else 'validate'}.")
    images = processes * passes
    if len(dataset.split(split)) < images:
        who = f"{processes} processes" if passes == 1 else f"{passes} passes a step in each of {processes} processes"
        raise ArgumentError(f"{who} need {images} training images; `{dataset.name}` has fewer.")


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """As many as ``count`` of the items, from the first to the last at equal distances."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[i] for i in chosen]
