"""What every system has in common: backbone → decoder → head, and logits at the image's own size."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.errors import ArgumentError
from intarsia.layers.convolutions import convolution
from intarsia.layers.freezing import stay_still
from intarsia.models.blueprint import Blueprint
from intarsia.models.framing import Frame, Resized
from intarsia.models.refiner import Refiner

Network = TypeVar("Network", bound="SegmentationNetwork")


class Outputs(NamedTuple):
    """What a network with auxiliary heads gives in training mode, all logits (B, K, H, W).

    The loss is that of ``logits`` plus that of each auxiliary one times its weight.
    """

    logits: Float[Tensor, "B K H W"]
    auxiliary: tuple[Float[Tensor, "B K H W"], ...]
    weights: tuple[float, ...]


class SegmentationNetwork(nn.Module):
    """Normalised images (B, C, H, W) → float32 logits (B, K, H, W), for any H and W.

    A decoder gives the map for the head, or a tuple: that map, then those for the auxiliary heads. If it gives one map
    only, an auxiliary head looks at the backbone's last map but one. ``frame`` fits logits to the image; a ``refiner``
    then makes better ones of them, the image and what the decoder was given (:mod:`intarsia.models.refined`).
    """

    blueprint: Blueprint | None = None  # what `create_model` was asked for

    def __init__(
        self,
        backbone: Backbone,
        decoder: nn.Module,
        head: nn.Module,
        *,
        frame: Frame = Resized(),  # noqa: B008  (frozen)
        auxiliary: Sequence[tuple[float, nn.Module]] = (),
    ) -> None:
        super().__init__()
        self.backbone: Backbone = backbone
        self.decoder = decoder
        self.head = head
        self.auxiliary_heads = nn.ModuleList(head for _, head in auxiliary)
        self.auxiliary_weights = tuple(weight for weight, _ in auxiliary)
        self.frame: Frame = frame
        self.refiner: Refiner | None = None
        self.frozen = False
        self.still: tuple[str, ...] = ()  # names of parts that stay in evaluation mode

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"] | Outputs:
        """The logits; in training mode with auxiliary heads, :class:`Outputs`."""
        extended = self.frame.extend(images)
        features = self.features(extended)
        maps = self.maps(extended, features)
        logits, *auxiliary = (self._fit(logits, extended, images) for logits in maps)
        logits = logits if self.refiner is None else self.refiner(logits, images, features)
        return Outputs(logits, tuple(auxiliary), self.auxiliary_weights) if auxiliary else logits

    def maps(
        self, images: Float[Tensor, "B C H W"], features: tuple[Float[Tensor, "B _ _ _"], ...] | None = None
    ) -> list[Float[Tensor, "B K _ _"]]:
        """The head's logits before they are fitted to the image; in training mode the auxiliary ones behind them.

        ``features`` are what the decoder takes of these images, if that is known already.
        """
        features = self.features(images) if features is None else features
        decoded = self.decoder(features)
        decoded, *sides = decoded if isinstance(decoded, tuple) else (decoded, *features[-2:-1])
        auxiliary = zip(self.auxiliary_heads, sides, strict=False) if self.training else ()
        return [self.head(decoded), *(head(side) for head, side in auxiliary)]

    def features(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B _ _ _"], ...]:
        """What the decoder takes: the backbone's maps, finest first."""
        return self.backbone(images)

    def freeze(self) -> None:
        """From now on only the refiner learns: all else keeps its bits, and stays in evaluation mode in training.

        Raises:
            ArgumentError: there is no refiner.
        """
        if self.refiner is None:
            raise ArgumentError("The network has no refiner that could learn while it is frozen; give it one.")
        self.frozen = True
        for name, child in self.named_children():
            if name != "refiner":
                child.requires_grad_(False)
        self.train(self.training)

    def train(self: Network, mode: bool = True) -> Network:
        """Training mode, but for what is frozen or ``still``: batch norms keep their statistics there.

        A network that is frozen but for its refiner makes nothing auxiliary either.
        """
        super().train(mode and not self.frozen)
        if self.frozen and self.refiner is not None:
            self.refiner.train(mode)
        stay_still(self, self.still)
        return self

    def _fit(self, logits: Tensor, extended: Tensor, images: Tensor) -> Tensor:
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        return self.frame.fit(logits, extended.shape[-2:], images.shape[-2:])


class LastMap(nn.Module):
    """A decoder that decodes nothing: the backbone's last map."""

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B C H W"]:
        """The last of the maps."""
        return features[-1]


def stage_head(spec: BackboneSpec, classes: int, channels: int = 256) -> list[tuple[float, nn.Module]]:
    """A second classifier on the backbone's last map but one, for training only, and the weight of its loss.

    PSPNet, arXiv:1612.01105, section 3.3, on the fourth stage of a ResNet.
    """
    dropout, weight = 0.1, 0.4  # the weight is the paper's; dropout and the 256 channels are semseg's
    head = (convolution(spec.channels[-2], channels, 3), nn.Dropout2d(dropout), nn.Conv2d(channels, classes, 1))
    return [(weight, nn.Sequential(*head))]
