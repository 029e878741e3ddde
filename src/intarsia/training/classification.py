"""What a training loop has to know of classification: how a backbone gets its first weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor, nn

from intarsia.backbones.classifier import Classifier
from intarsia.data import Augmentation, Dataset, Sample, as_rgb, contact_sheet
from intarsia.files import atomic
from intarsia.inference import Preprocessing
from intarsia.inference.execution import Execution
from intarsia.metrics import Scores, confusion_matrix
from intarsia.runs import Recipe
from intarsia.training.loading import AugmentedSamples
from intarsia.training.tasks import PICTURED, spread

CENTRE = 224 / 256  # of the shorter side is judged, as is usual on ImageNet (ResNet, arXiv:1512.03385, section 4.1)
RIGHT, WRONG, FRAME = (60, 160, 70), (200, 50, 40), 6  # colours and width of the frames in pictures


class FittedSamples(AugmentedSamples):
    """Views in which, at scale 1, the crop spans the shorter side: a picture of a class shows it as a whole."""

    def strengths(self, sample: Sample) -> Augmentation:
        """The recipe's, with scales relative to that size."""
        fit = self.augmentation.crop_size[0] / min(sample.shape())
        least, largest = self.augmentation.scale
        return replace(self.augmentation, scale=(least * fit, largest * fit))


@dataclass(frozen=True)
class ClassificationTask:
    """The same methods as those of segmentation; a picture's mask holds its class wherever the picture is."""

    recipe: Recipe
    dataset: Dataset
    preprocessing: Preprocessing

    def training_samples(self) -> FittedSamples:
        """The training images, augmented as the recipe says."""
        return FittedSamples(self.dataset.split(self.recipe.split), self.recipe.augmentation(), self.recipe.seed)

    def loss(self, outputs: Float[Tensor, "B K"], masks: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy over the pictures."""
        return F.cross_entropy(outputs.float(), labels_of(masks))

    def inputs(self, pictures: UInt8[Tensor, "B H W C"], targets: Tensor) -> Float[Tensor, "B C H W"]:
        """What the network sees of a batch: the pictures, normalised."""
        del targets  # they are no part of it
        return self.preprocessing(pictures)

    def valid_targets(self, masks: Tensor) -> Tensor:
        """Over how many pictures :meth:`loss` takes its mean."""
        return masks.new_tensor(len(masks))

    def validate(self, net: nn.Module, execution: Execution, share: slice = slice(None)) -> Scores:
        """Scores on the validation split, or on a share of it: counts of pictures, each judged by its centre."""
        samples, names = self.dataset.split("val")[share], self.dataset.classes.names
        at_once = self.recipe.batch_size
        predicted = [
            label
            for first in range(0, len(samples), at_once)
            for label in self._predict(net, execution, samples[first : first + at_once])
        ]
        truth = [int(sample.mask((slice(0, 1), slice(0, 1)))[0, 0]) for sample in samples]
        rows, columns = (np.array([labels], self.dataset.classes.dtype) for labels in (truth, predicted))
        return Scores(confusion_matrix(rows, columns, len(names), self.dataset.classes.ignore), names)

    def score(self, scores: Scores) -> float:
        """What is better when it is larger: the share of pictures whose class was told."""
        return scores.pixel_accuracy

    def told(self, score: float) -> str:
        """A score in words."""
        return f"top-1 accuracy {score:.4f}"

    def figures(self, scores: Scores) -> dict[str, Any]:
        """What an epoch's line holds of them."""
        return {
            "accuracy": scores.pixel_accuracy,
            "mean_accuracy": scores.mean_accuracy,
            "per_class_accuracy": scores.per_class_accuracy,
        }

    def weights(self, net: nn.Module) -> dict[str, Tensor]:
        """What a run leaves: the network under the names that ``create_backbone(…, weights=file)`` reads."""
        assert isinstance(net, Classifier)
        return net.published_state()

    def picture(self, net: nn.Module, execution: Execution, path: Path) -> None:
        """Write the same few validation images, framed green where the class was told and red where not."""
        names, shown = self.dataset.classes.names, spread(self.dataset.split("val"), PICTURED)
        tiles, titles = [], []
        for sample, label in zip(shown, self._predict(net, execution, shown), strict=True):
            truth = int(sample.mask((slice(0, 1), slice(0, 1)))[0, 0])
            tile = as_rgb(centred(sample.image(), self.recipe.crop_size).numpy())
            tiles.append(_framed(tile, RIGHT if label == truth else WRONG))
            titles.append(names[truth] if label == truth else f"{names[truth]}, not {names[label]}")
        with atomic(path) as temporary:
            Image.fromarray(contact_sheet([tiles], titles)).save(temporary)

    @torch.inference_mode()
    def _predict(self, net: nn.Module, execution: Execution, samples: Sequence[Sample]) -> list[int]:
        pictures = torch.stack([centred(sample.image(), self.recipe.crop_size) for sample in samples])
        images = execution.place_images(self.preprocessing(pictures.to(execution.device)))
        with execution.autocast():
            return net(images).argmax(1).tolist()


def labels_of(masks: Int[Tensor, "B H W"]) -> Int[Tensor, "B"]:
    """The class of each picture: what lies outside of it is marked as ignored, and that number is above all classes."""
    return masks.flatten(1).amin(1)


def centred(image: UInt8[np.ndarray, "H W C"], crop: int) -> UInt8[Tensor, "h h C"]:
    """The middle of a picture, ``CENTRE`` of its shorter side, in ``crop`` × ``crop`` pixels."""
    whole = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    side = max(1, round(CENTRE * min(whole.shape[1:])))
    top, left = ((size - side) // 2 for size in whole.shape[1:])
    middle = whole[None, :, top : top + side, left : left + side].float()
    fitted = F.interpolate(middle, (crop, crop), mode="bilinear", antialias=True)[0]
    return fitted.round().clamp(0, 255).byte().permute(1, 2, 0)


def _framed(tile: UInt8[np.ndarray, "H W 3"], colour: tuple[int, int, int]) -> UInt8[np.ndarray, "H2 W2 3"]:
    framed = np.empty((tile.shape[0] + 2 * FRAME, tile.shape[1] + 2 * FRAME, 3), np.uint8)
    framed[:] = colour
    framed[FRAME:-FRAME, FRAME:-FRAME] = tile
    return framed
