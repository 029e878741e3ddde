"""A trained network ready to use: preprocessing, network, classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.data import Classes, overlay, read_image, write_mask
from intarsia.errors import ArgumentError
from intarsia.inference.execution import Execution, Preprocessing, best_device
from intarsia.models import SegmentationNetwork, create_model
from intarsia.runs import NetworkRecord, Run
from intarsia.runs.weights import load_into
from intarsia.shapes import Mask, Probabilities, RGBImage


@dataclass(frozen=True, eq=False)
class Result:
    """The answer for one image; ``logits`` is (K, H, W), at the image's own size."""

    image: RGBImage
    logits: Float[np.ndarray, "K H W"]
    classes: Classes

    @property
    def mask(self) -> Mask:
        """Class indices (H, W): the largest logit, or for one logit its sign."""
        if len(self.logits) == 1:
            return (self.logits[0] > 0).astype(self.classes.dtype)
        return self.logits.argmax(0).astype(self.classes.dtype)

    @property
    def probabilities(self) -> Probabilities:
        """Softmax over the classes (K, H, W), or the sigmoid of one logit (1, H, W); float32."""
        if len(self.logits) == 1:
            return 1 / (1 + np.exp(-self.logits))
        raised = np.exp(self.logits - self.logits.max(0, keepdims=True))
        return raised / raised.sum(0, keepdims=True)

    def overlay(self, opacity: float = 0.5) -> RGBImage:
        """The image under the colours of its classes."""
        return overlay(self.image, self.mask, self.classes, opacity)

    def save(self, path: str | Path) -> None:
        """Write the mask as an index PNG with the classes' palette."""
        write_mask(Path(path), self.mask, self.classes)


@dataclass(frozen=True, eq=False)
class Segmenter:
    """Network + preprocessing + classes, placed where ``execution`` says."""

    net: SegmentationNetwork
    preprocessing: Preprocessing
    classes: Classes
    execution: Execution

    def predict(self, source: str | Path | RGBImage) -> Result:
        """Segment one image, given as a file or as an (H, W, 3) uint8 array.

        Raises ``DataError`` for a file that cannot be read, ``ArgumentError`` for any other array.
        """
        image = source if isinstance(source, np.ndarray) else read_image(Path(source))
        if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ArgumentError(f"An image must be (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}; convert it.")
        return Result(image, self._logits(torch.from_numpy(np.ascontiguousarray(image))).numpy(), self.classes)

    @torch.inference_mode()
    def _logits(self, image: Tensor) -> Tensor:
        if self.net.training:
            raise ArgumentError("The network is in training mode; call `.eval()` on it before predicting.")
        batch = self.preprocessing(image[None].to(self.execution.device))
        with self.execution.autocast():
            return self.net(self.execution.place_images(batch))[0].float().cpu()


def load(source: str | Path, device: str | None = None) -> Segmenter:
    """A trained run as a :class:`Segmenter`, in the precision and layout that were measured fastest on this device.

    Raises ``RunError`` when the folder is no finished run or its weights do not fit.
    """
    run = Run.open(source)
    record = run.network()
    net = build_network(record)
    load_into(net, run.weights_path)
    device = device or best_device()
    measured_here = record.device == torch.device(device).type
    execution = Execution(device, record.precision, record.memory_format) if measured_here else Execution(device)
    return Segmenter(execution.place(net.eval()), Preprocessing(record.mean, record.std), run.classes(), execution)


def build_network(record: NetworkRecord) -> SegmentationNetwork:
    """The network that a record describes, with untrained weights."""
    options: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in record.options.items()}
    return create_model(
        record.model,
        record.backbone,
        record.classes,
        record.output_stride,
        len(record.mean),
        form=record.form,
        auxiliary=record.auxiliary,
        **options,
    )
