"""Where a network hesitates: how sure one answer sounds, and whether it stays the same."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn

from intarsia.errors import ArgumentError
from intarsia.models import SegmentationNetwork
from intarsia.shapes import Mask

PASSES = 8  # with dropout
_DROPOUTS = (nn.Dropout, nn.Dropout2d)

Shares = Float[np.ndarray, "K H W"]  # probabilities of at least two classes
Hesitation = Float[np.ndarray, "H W"]


def class_shares(logits: Float[Tensor, "_ H W"]) -> Shares:
    """Softmax over the classes; of one logit the shares of both classes."""
    both = torch.stack([-logits[0], logits[0]]) / 2 if len(logits) == 1 else logits
    return both.softmax(0).cpu().numpy()


def entropy(shares: Shares) -> Hesitation:
    """−Σ p log p, divided by log K: 0 where one class has all, 1 where all classes have the same.

    >>> entropy(np.array([[[0.5, 1.0]], [[0.5, 0.0]]])).tolist()
    [[1.0, 0.0]]
    """
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.abs((shares * logarithms).sum(0)) / math.log(len(shares))


def margin(shares: Shares) -> Hesitation:
    """The largest share minus the second largest: 0 where two classes are level."""
    second, first = np.sort(shares, 0)[-2:]
    return first - second


def mirror_disagreement(net: SegmentationNetwork, image: Float[Tensor, "1 C H W"]) -> Hesitation:
    """Half of Σ |p − p'| between the answers to the image and to its mirror image: the share that changes class.

    ``net`` is in evaluation mode.
    """
    with torch.no_grad():
        plain, mirrored = net(image)[0].float(), net(image.flip(-1))[0].flip(-1).float()
    return np.abs(class_shares(plain) - class_shares(mirrored)).sum(0) / 2


def dropout_disagreement(
    net: SegmentationNetwork, image: Float[Tensor, "1 C H W"], passes: int = PASSES, seed: int = 0
) -> Hesitation:
    """How much passes with dropout tell different things: entropy of their mean minus their mean entropy, in [0, 1].

    Monte Carlo dropout (Gal & Ghahramani, arXiv:1506.02142, section 4) with the mutual information of Houlsby et al.,
    arXiv:1112.5745, equation 2, divided by log K. All layers but dropout stay in evaluation mode, and afterwards
    dropout is again as it was; so is torch's generator.

    Raises:
        ArgumentError: the network has no dropout, or less than two passes are asked for.
    """
    names = dropouts_of(net)
    if not names:
        raise ArgumentError("The network has no dropout that is used in prediction, so that all passes are equal.")
    if passes < 2:
        raise ArgumentError(f"`passes` (={passes}) must be at least 2, for they are compared with each other.")
    mean, entropies = 0.0, 0.0
    with _dropping(net, names, image.device, seed), torch.no_grad():
        for _ in range(passes):
            shares = class_shares(net(image)[0].float()).astype(np.float64)
            mean, entropies = mean + shares / passes, entropies + entropy(shares) / passes
    return np.clip(entropy(np.asarray(mean)) - entropies, 0, None)


def dropouts_of(net: SegmentationNetwork) -> list[str]:
    """The names of the dropout layers on the way to the logits."""
    return [
        name
        for name, module in net.named_modules()
        if isinstance(module, _DROPOUTS) and module.p > 0 and not name.startswith("auxiliary_heads.")
    ]


def border_distance(mask: Mask) -> Float64[np.ndarray, "H W"]:
    """Pixels from each pixel to the nearest that has a neighbour of another class; infinite where there is no border.

    >>> border_distance(np.array([[0, 0, 0, 1]], np.uint8)).tolist()
    [[2.0, 1.0, 0.0, 0.0]]
    """
    border = np.zeros(mask.shape, bool)
    for before, after in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differs = mask[before] != mask[after]
        border[before] |= differs
        border[after] |= differs
    return np.asarray(distance_transform_edt(~border)) if border.any() else np.full(mask.shape, np.inf)


@contextmanager
def _dropping(net: nn.Module, names: list[str], device: torch.device, seed: int) -> Iterator[None]:
    modules = [net.get_submodule(name) for name in names]
    modes = [module.training for module in modules]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        try:
            for module in modules:
                module.train()
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.train(mode)
