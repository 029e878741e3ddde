"""What every system has in common: backbone → decoder → head, and logits at the image's own size."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones import Backbone
from intarsia.layers.convolutions import convolution
from intarsia.layers.resizing import pad_to_multiple, resize


class Outputs(NamedTuple):
    """What a network with an auxiliary head gives in training mode, both (B, K, H, W)."""

    logits: Float[Tensor, "B K H W"]
    auxiliary: Float[Tensor, "B K H W"]


class SegmentationNetwork(nn.Module):
    """Normalised images (B, C, H, W) → float32 logits (B, K, H, W), for any H and W.

    ``multiple`` is 1 for a network that computes at any size; its logits are resized to the image. Where skips need
    maps that double exactly, images are padded with zeros to that multiple and the logits are cropped.
    """

    def __init__(
        self,
        backbone: Backbone,
        decoder: nn.Module,
        head: nn.Module,
        *,
        auxiliary_head: nn.Module | None = None,
        multiple: int = 1,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.backbone: Backbone = backbone
        self.decoder = decoder
        self.head = head
        self.auxiliary_head = auxiliary_head
        self.multiple = multiple
        self.align_corners = align_corners

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"] | Outputs:
        """The logits; in training mode with an auxiliary head, :class:`Outputs`."""
        padded = pad_to_multiple(images, self.multiple)
        features = self.backbone(padded)
        logits = self._fit(self.head(self.decoder(features)), padded, images)
        if self.auxiliary_head is None or not self.training:
            return logits
        return Outputs(logits, self._fit(self.auxiliary_head(features[-2]), padded, images))

    def _fit(self, logits: Tensor, padded: Tensor, images: Tensor) -> Tensor:
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        return resize(logits, padded.shape[-2:], self.align_corners)[..., : images.shape[-2], : images.shape[-1]]


def auxiliary_head(in_channels: int, classes: int) -> nn.Sequential:
    """A second classifier on the last map but one, for training only (PSPNet, arXiv:1612.01105, section 3.3)."""
    channels, dropout = 256, 0.1  # semseg's: the paper does not say
    return nn.Sequential(convolution(in_channels, channels, 3), nn.Dropout2d(dropout), nn.Conv2d(channels, classes, 1))
