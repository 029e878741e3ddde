"""The network of "Learning Affinity via Spatial Propagation Networks" (arXiv:1710.01020) as a refiner.

As the authors' Caffe model for VOC (voc_rnn_vgg_v3.prototxt) has it, which says more than the paper's section 5.
"""

from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.affinity import SpatialPropagation
from intarsia.backbones import BackboneSpec
from intarsia.backbones.body import initialise
from intarsia.backbones.vgg import COUNTS, WIDTHS
from intarsia.layers.resizing import pad_to_multiple
from intarsia.layers.upsampling import BilinearDeconvolution
from intarsia.models.refiner import LINE, GuidedRefiner

HIDDEN = 32  # channels that are propagated
ROUNDS = 2  # with the same gates; the paper draws one


class VGGGuidance(nn.Module):
    """VGG-16's convolutions down to an eighth of a quarter, and back to half of the image's resolution.

    Each of three steps back doubles by a fixed bilinear deconvolution, and adds VGG's map of that size to what a
    convolution makes of it.
    """

    STRIDE = 32

    def __init__(self, in_channels: int, gates: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for width, count in zip(WIDTHS, COUNTS, strict=True):
            self.levels.append(_level(in_channels, width, count))
            in_channels = width
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.bottom = nn.Conv2d(WIDTHS[4], WIDTHS[4], 1)
        steps = ((WIDTHS[4], nn.ReLU()), (WIDTHS[3], nn.ReLU()), (WIDTHS[2], nn.ELU()))
        self.doublings, self.steps = nn.ModuleList(), nn.ModuleList()
        for width, activation in steps:
            self.doublings.append(BilinearDeconvolution(in_channels, 2))
            self.steps.append(nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1), activation))
            in_channels = width
        self.doublings.append(BilinearDeconvolution(in_channels, 2))
        self.gates = nn.Conv2d(in_channels, gates, 3, padding=1)
        initialise(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B G h w"]:
        """The gates; images get zeros on the right and below until every map doubles exactly."""
        skips, x = [], pad_to_multiple(images, self.STRIDE)
        for level in self.levels:
            x = level(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for doubling, step, skip in zip(self.doublings, self.steps, skips[:1:-1], strict=False):
            x = step(doubling(x)) + skip
        height, width = (-(-length // 2) for length in images.shape[-2:])
        return self.gates(self.doublings[-1](x))[..., :height, :width]


def _level(in_channels: int, width: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(count):
        layers += [nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU()]
        in_channels = width
    return nn.Sequential(*layers)


class PaperSPNRefiner(GuidedRefiner):
    """Probabilities at half resolution in 32 channels, propagated with 384 gates by VGG-16, back to logits.

    Gates are always divided by the sum of their sizes; of the four directions the largest counts, and all is done
    twice. Two convolutions at full resolution then make K maps. Difference: these are added to the network's logits,
    and the last convolution begins with zeros, so that a new refiner changes nothing; the authors' network gives them
    alone. VGG begins at random, unless a warm start brings it.

    >>> import torch
    >>> with torch.device("meta"):
    ...     refine = PaperSPNRefiner(21, BackboneSpec("net", (8,), (2,), (2,), (0.5,) * 3, (0.5,) * 3))
    >>> sum(p.numel() for p in refine.parameters() if p.requires_grad)
    21803381
    """

    kind: ClassVar[str] = "spn"

    def __init__(self, classes: int, spec: BackboneSpec) -> None:
        super().__init__()
        self.before = nn.Conv2d(classes, HIDDEN, 4, 2, padding=1)
        self.propagation = SpatialPropagation(HIDDEN, normalisation="always")
        self.trunk = VGGGuidance(spec.in_channels, self.propagation.gates)
        self.doubling = BilinearDeconvolution(HIDDEN, 2)
        self.after = nn.Sequential(
            nn.Conv2d(HIDDEN, 2 * HIDDEN, 3, padding=1), nn.ReLU(), nn.Conv2d(2 * HIDDEN, classes, 3, padding=1)
        )
        for parameter in self.after[-1].parameters():
            nn.init.zeros_(parameter)
        self.reach = LINE
        self.floats = 7 * WIDTHS[0]  # VGG's first maps are the largest

    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        images: Float[Tensor, "B C H W"],
        features: tuple[Float[Tensor, "B _ _ _"], ...] = (),
    ) -> Float[Tensor, "B K H W"]:
        """Refined logits; the backbone's maps are not looked at."""
        probabilities = logits.softmax(1) if logits.shape[1] > 1 else logits.sigmoid()
        below, right = logits.shape[2] % 2, logits.shape[3] % 2
        even = F.pad(probabilities, (0, right, 0, below), mode="replicate")
        x, gates = self.before(even.to(self.before.weight.dtype)), self.guidance(images)
        for _ in range(ROUNDS):
            x = self.propagation(x, gates)
        return logits + self.after(self.doubling(x))[..., : logits.shape[2], : logits.shape[3]]

    def guidance(
        self, images: Float[Tensor, "B C H W"], features: tuple[Float[Tensor, "B _ _ _"], ...] = ()
    ) -> Float[Tensor, "B G h w"]:
        """The gates at half resolution, in the order of :class:`SpatialPropagation`."""
        return self.trunk(images)
