"""What a training loop has to know of depth completion: batches, loss, scores, picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from intarsia.data import as_rgb, contact_sheet
from intarsia.data.depth import DepthDataset, DepthSample, Measuring
from intarsia.data.depth.measured import measured_depth
from intarsia.data.depth.pictures import coloured_depth, coloured_error, depth_range
from intarsia.files import atomic
from intarsia.inference import Preprocessing
from intarsia.inference.depth import DepthEstimator, evaluate_depth
from intarsia.inference.depth.evaluate import NETWORK
from intarsia.inference.execution import Execution
from intarsia.losses.depth import DEPTH_LOSSES
from intarsia.metrics.depth import DepthScores
from intarsia.models import DepthNetwork
from intarsia.runs import Recipe
from intarsia.shapes import RGBImage
from intarsia.training.depth_views import MeasuredSamples
from intarsia.training.tasks import PICTURED, spread

JUDGED = 0  # seeds what is measured of validation images, in every training: runs compare, and so does `evaluate`
LIMIT = 0.1  # of the farthest depth: errors that have the strongest colour
DOT = 3  # pixels as which a measured one is shown


@dataclass(frozen=True)
class DepthTask:
    """The same methods as those of segmentation; targets are (B, 2, H, W): true and measured depths, 0 for unknown."""

    recipe: Recipe
    dataset: DepthDataset
    preprocessing: Preprocessing
    measuring: Measuring | None

    def training_samples(self) -> MeasuredSamples:
        """The training images, augmented and measured as the recipe says."""
        samples, seed = self.dataset.split(self.recipe.split), self.recipe.seed
        return MeasuredSamples(samples, self.recipe.augmentation(), seed, self.measuring)

    def inputs(self, pictures: UInt8[Tensor, "B H W C"], targets: Float[Tensor, "B 2 H W"]) -> Float[Tensor, "B D H W"]:
        """What the network sees of a batch: the pictures, normalised, and a channel of measured depths as they are."""
        return torch.cat([self.preprocessing(pictures), targets[:, 1:]], dim=1)

    def loss(self, outputs: Float[Tensor, "B 1 H W"], targets: Float[Tensor, "B 2 H W"]) -> Float[Tensor, ""]:
        """The recipe's loss over the pixels whose depth is known."""
        return DEPTH_LOSSES[self.recipe.loss](outputs, targets[:, :1])

    def valid_targets(self, targets: Float[Tensor, "B 2 H W"]) -> Tensor:
        """Over how many pixels, or images, :meth:`loss` takes its mean."""
        known = targets[:, 0] > 0
        return (known.flatten(1).any(1) if self.recipe.loss == "scale_invariant" else known).sum()

    def validate(self, net: nn.Module, execution: Execution, share: slice = slice(None)) -> DepthScores:
        """Scores on the validation split, or on a share of it, at full resolution, where the depth is known."""
        estimator = self._estimator(net, execution)
        samples = self.dataset.split("val")
        return evaluate_depth(estimator, samples, self.measuring, JUDGED, fills=False, share=share)[NETWORK]

    def score(self, scores: DepthScores) -> float:
        """What is better when it is larger."""
        return -scores.rmse

    def told(self, score: float) -> str:
        """A score in words."""
        return f"RMSE {-score:.4f} m"

    def figures(self, scores: DepthScores) -> dict[str, Any]:
        """What an epoch's line holds of them."""
        return {"rmse": scores.rmse, "mae": scores.mae, "rel": scores.rel, "delta": scores.delta}

    def weights(self, net: nn.Module) -> dict[str, Tensor]:
        """What a run leaves of the network."""
        return net.state_dict()

    def picture(self, net: nn.Module, execution: Execution, path: Path) -> None:
        """Write the same few validation images, a column each: image, measured, true and predicted depths, errors."""
        estimator = self._estimator(net, execution)
        shown = spread(list(enumerate(self.dataset.split("val"))), PICTURED)
        columns = [self._column(estimator, index, sample) for index, sample in shown]
        sheet = contact_sheet(list(zip(*columns, strict=True)), titles=[sample.name for _, sample in shown])
        with atomic(path) as temporary:
            Image.fromarray(sheet).save(temporary)

    def _column(self, estimator: DepthEstimator, index: int, sample: DepthSample) -> tuple[RGBImage, ...]:
        image, truth = estimator.picture(sample.image()), sample.depth()
        measured = measured_depth(sample, image, truth, self.measuring, JUDGED, index)
        depth, (near, far) = estimator.predict(image, measured).depth, depth_range(truth)
        dots = ndimage.maximum_filter(measured, DOT)
        maps = (coloured_depth(values, near, far) for values in (dots, truth, depth))
        return (as_rgb(image), *maps, coloured_error(truth, depth, LIMIT * far))

    def _estimator(self, net: nn.Module, execution: Execution) -> DepthEstimator:
        assert isinstance(net, DepthNetwork)
        pixels, most = self.dataset.pixels, self.recipe.max_pixels
        return DepthEstimator(net, self.preprocessing, execution, None, pixels, most, self.measuring)
