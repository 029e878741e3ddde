"""A backbone's network with its classifier: for training it on pictures of one class each."""

import timm
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.own import OWN
from intarsia.backbones.pretrained import StateDict
from intarsia.errors import ArgumentError, UnknownNameError


class Classifier(nn.Module):
    """One of our own networks, the mean of its last map over all positions, and a linear layer ``fc``."""

    def __init__(self, body: nn.Module, fc: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.body = body
        self.fc = fc

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """The classes' logits."""
        pooled = self.body(images)[-1].mean((-2, -1), keepdim=True)
        return self.fc(pooled if self.fc.weight.ndim == 4 else pooled.flatten(1)).flatten(1)


def create_classifier(backbone: str, classes: int, in_channels: int = 3) -> nn.Module:
    """A backbone as the classification network that it was published as: images (B, C, H, W) → logits (B, K).

    Its weights (:func:`published_state`) are what ``create_backbone(backbone, weights=file)`` reads. Raises
    ``ArgumentError`` for an unknown name, and for fewer than two classes.

    >>> import torch
    >>> create_classifier("xception39", classes=10).eval()(torch.randn(2, 3, 64, 96)).shape
    torch.Size([2, 10])
    """
    if classes < 2:
        raise ArgumentError(f"`classes` (={classes}) must be at least 2: a classifier chooses between classes.")
    if backbone in OWN:
        body = OWN[backbone](in_channels)
        return Classifier(body.network, body.classifier(body.channels[-1], classes))
    if not timm.is_model(backbone):
        raise UnknownNameError("backbone", backbone, (*OWN, *timm.list_models()), "`intarsia models --backbones`")
    return timm.create_model(backbone, num_classes=classes, in_chans=in_channels)


def published_state(network: nn.Module) -> StateDict:
    """The parameters and buffers of such a network under the names that files of its weights use.

    >>> list(published_state(create_classifier("drn_c_26", 10)))[0]
    'conv1.weight'
    """
    if isinstance(network, Classifier):
        return {**network.body.state_dict(), **network.fc.state_dict(prefix="fc.")}
    return network.state_dict()
