"""CSPN behind a network: logits diffuse, and each pixel decides along which neighbours and how far.

Cheng et al., arXiv:1808.00150 and arXiv:1810.02695, who refine depth so.
"""

from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.affinity import convolutional_propagation
from intarsia.backbones import BackboneSpec
from intarsia.models.guidance import ImageGuidance, Source
from intarsia.models.refiner import GuidedRefiner


@dataclass(frozen=True, kw_only=True)
class CSPN:
    """How a network's logits diffuse; see :func:`intarsia.affinity.convolutional_propagation`.

    ``channels`` are those of the guidance's maps, which are as large as the image; ``source`` says what they are made
    of (:class:`intarsia.models.guidance.ImageGuidance`).
    """

    steps: PositiveInt = 12
    kernel_size: Literal[3, 5, 7] = 3
    norm: Literal["8sum", "8sum_abs"] = "8sum_abs"
    channels: Annotated[int, Field(ge=1)] = 16
    source: Source = "auto"

    def build(self, classes: int, spec: BackboneSpec) -> "CSPNRefiner":
        """The refiner for so many logits."""
        return CSPNRefiner(classes, spec, self)


class CSPNRefiner(GuidedRefiner):
    """``logits + strength · (diffused - logits)``: one guidance for all classes, and a strength for each pixel.

    The paper's diffusion is the whole answer. Here a ``strength`` of zero keeps the network's: it is zero at first, so
    that training goes on where the network ended, and guidance, of which only ratios count, can begin anywhere. Where
    all weights are sizes (norm "8sum_abs") and strengths lie between 0 and 1 no logit leaves the range of those around
    it. Guidance is read at the pixel, as in the paper.

    >>> spec = BackboneSpec("net", (8,), (2,), (2,), (0.5,) * 3, (0.5,) * 3)
    >>> refine, logits = CSPNRefiner(4, spec, CSPN(steps=3)), torch.randn(2, 4, 9, 7)
    >>> images, features = torch.randn(2, 3, 9, 7), (torch.randn(2, 8, 5, 4),)
    >>> torch.equal(refine(logits, images, features), logits)
    True
    >>> refine.guidance(images, features).shape
    torch.Size([2, 8, 9, 7])
    """

    kind: ClassVar[str] = "cspn"

    def __init__(self, classes: int, spec: BackboneSpec, form: CSPN) -> None:
        super().__init__()
        self.form = form
        self.trunk = ImageGuidance(spec, 1, form.channels, form.source)
        self.affinities = nn.Conv2d(form.channels, form.kernel_size**2 - 1, 3, padding=1)
        self.strength = nn.Conv2d(form.channels, 1, 3, padding=1)
        for parameter in self.strength.parameters():
            nn.init.zeros_(parameter)
        self.reach = form.steps * (form.kernel_size // 2)
        self.floats = 4 * form.channels + 3 * form.kernel_size**2 + 2 * classes

    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        images: Float[Tensor, "B C H W"],
        features: tuple[Float[Tensor, "B _ _ _"], ...] = (),
    ) -> Float[Tensor, "B K H W"]:
        """Refined logits."""
        trunk = self.trunk(images, features)
        diffused = convolutional_propagation(
            logits,
            self.affinities(trunk),
            self.form.steps,
            self.form.kernel_size,
            norm=self.form.norm,
            layout="centred",
        )
        return torch.lerp(logits, diffused, self.strength(trunk).to(logits.dtype))

    def guidance(
        self, images: Float[Tensor, "B C H W"], features: tuple[Float[Tensor, "B _ _ _"], ...] = ()
    ) -> Float[Tensor, "B G H W"]:
        """A channel for each neighbour."""
        return self.affinities(self.trunk(images, features))
