"""A backbone's network with its classifier: for training it on pictures of one class each."""

from typing import TypeVar

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.backbone import spec_of
from intarsia.backbones.own import OWN
from intarsia.backbones.pretrained import SCRATCH, StateDict
from intarsia.backbones.spec import BackboneSpec
from intarsia.backbones.timm_bridge import timm_body
from intarsia.errors import ArgumentError
from intarsia.layers.freezing import stay_still

Network = TypeVar("Network", bound="Classifier")


class Classifier(nn.Module):
    """Images (B, C, H, W) → logits (B, K). ``spec`` is the backbone's, at its own stride."""

    def __init__(self, network: nn.Module, spec: BackboneSpec) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.still: tuple[str, ...] = ()  # names of parts that stay in evaluation mode

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """The classes' logits."""
        return self.network(images)

    def train(self: Network, mode: bool = True) -> Network:
        """Training mode, but for what is ``still``."""
        super().train(mode)
        stay_still(self, self.still)
        return self

    def published_state(self) -> StateDict:
        """Parameters and buffers under the names that files of the backbone's weights use."""
        return {name.removeprefix("body."): tensor for name, tensor in self.network.state_dict().items()}


class PooledBody(nn.Module):
    """One of our own networks, the mean of its last map over all positions, and a linear layer ``fc``."""

    def __init__(self, body: nn.Module, fc: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.body = body
        self.fc = fc

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Maps, mean, logits."""
        pooled = self.body(images)[-1].mean((-2, -1), keepdim=True)
        return self.fc(pooled if self.fc.weight.ndim == 4 else pooled.flatten(1)).flatten(1)


def create_classifier(backbone: str, classes: int, in_channels: int = 3) -> Classifier:
    """A backbone as the classification network that it was published as, untrained.

    ``create_backbone(backbone, weights=file)`` reads what ``published_state()`` gives. Raises ``ArgumentError`` for an
    unknown name, and for fewer than two classes.

    >>> import torch
    >>> net = create_classifier("drn_c_26", classes=10).eval()
    >>> net(torch.randn(2, 3, 64, 96)).shape, next(iter(net.published_state()))
    (torch.Size([2, 10]), 'conv1.weight')
    """
    if classes < 2:
        raise ArgumentError(f"`classes` (={classes}) must be at least 2: a classifier chooses between classes.")
    if backbone in OWN:
        body = OWN[backbone](in_channels)
        network = PooledBody(body.network, body.classifier(body.channels[-1], classes))
    else:
        with torch.device("meta"):
            body = timm_body(backbone, in_channels, SCRATCH)
        network = timm.create_model(backbone, num_classes=classes, in_chans=in_channels)
    return Classifier(network, spec_of(backbone, body, body.strides[-1], in_channels))
