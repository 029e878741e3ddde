"""SPN behind a network: what the logits say is carried along rows and columns, as far as the image lets it.

Liu et al., arXiv:1710.01020; the network of the authors is :mod:`intarsia.models.spn_paper`.
"""

from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.affinity import SpatialPropagation
from intarsia.affinity.spatial_propagation import Normalisation
from intarsia.backbones import BackboneSpec
from intarsia.layers.upsampling import bilinear_filter
from intarsia.models.guidance import ImageGuidance, Source
from intarsia.models.refiner import LINE, GuidedRefiner
from intarsia.models.spn_paper import PaperSPNRefiner

REACH = 48  # pixels: a value can be carried along a whole line, but gates that were trained let little of it through


@dataclass(frozen=True, kw_only=True)
class SPN:
    """How a network's logits are propagated; see :class:`intarsia.affinity.SpatialPropagation`.

    ``form`` "light" is :class:`SPNRefiner`; "paper" the authors' network, which takes no other field.
    ``channels`` are those of the map that is propagated, and of the guidance's. ``shared`` gates are the same for all
    channels, which takes half the time, and in short trainings refined more than the paper's, one for each channel.
    ``source`` says what guidance is made of (:class:`intarsia.models.guidance.ImageGuidance`).
    """

    form: Literal["light", "paper"] = "light"
    channels: Annotated[int, Field(ge=1)] = 32
    ways: Literal[1, 3] = 3
    shared: bool = True
    normalisation: Normalisation = "where_needed"
    merge: Literal["max", "learned"] = "max"
    source: Source = "auto"

    @field_validator("channels", "ways", "shared", "normalisation", "merge", "source")
    @classmethod
    def _check_effect(cls, value: object, info: Any) -> object:
        if info.data.get("form") == "paper" and value != cls.__dataclass_fields__[str(info.field_name)].default:
            raise ValueError("has no effect in form 'paper', which is the authors'; leave it out, or take form 'light'")
        return value

    def build(self, classes: int, spec: BackboneSpec) -> GuidedRefiner:
        """The refiner for so many logits."""
        return PaperSPNRefiner(classes, spec) if self.form == "paper" else SPNRefiner(classes, spec, self)


class SPNRefiner(GuidedRefiner):
    """``logits + after(propagated - before)``, where ``before`` is a map of the logits at half their resolution.

    As in the paper (section 4) a 4×4 convolution of stride 2 makes 32 channels of the logits, and what was propagated
    in four directions comes back to the logits' size. Differences: only what propagation changed is added to the
    logits, so that none of their detail is lost at half resolution; the map begins as means of 2×2 logits, each class
    in every K-th channel, and comes back bilinearly; one gate serves all channels; guidance is cheap
    (:class:`ImageGuidance`) and begins with gates of zero, so that a new refiner changes no logit at all.

    >>> spec = BackboneSpec("net", (8,), (2,), (2,), (0.5,) * 3, (0.5,) * 3)
    >>> refine, logits = SPNRefiner(4, spec, SPN(channels=8)), torch.randn(2, 4, 9, 7)
    >>> images, features = torch.randn(2, 3, 9, 7), (torch.randn(2, 8, 5, 4),)
    >>> torch.equal(refine(logits, images, features), logits)
    True
    >>> refine.guidance(images, features).shape
    torch.Size([2, 12, 5, 4])
    """

    kind: ClassVar[str] = "spn"

    def __init__(self, classes: int, spec: BackboneSpec, form: SPN) -> None:
        super().__init__()
        width = form.channels
        self.before = nn.Conv2d(classes, width, 4, 2, padding=1, bias=False)
        self.trunk = ImageGuidance(spec, 2, width, form.source)
        self.propagation = SpatialPropagation(
            width, form.ways, shared=form.shared, normalisation=form.normalisation, merge=form.merge
        )
        self.gates = nn.Conv2d(width, self.propagation.gates, 1)
        self.after = nn.ConvTranspose2d(width, classes, 4, 2, padding=1, bias=False)
        for parameter in self.gates.parameters():
            nn.init.zeros_(parameter)
        _begin_as_means(self.before, self.after)
        self.reach = LINE if form.normalisation == "always" else REACH
        self.floats = (self.propagation.gates + 12 * width) // 4

    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        images: Float[Tensor, "B C H W"],
        features: tuple[Float[Tensor, "B _ _ _"], ...] = (),
    ) -> Float[Tensor, "B K H W"]:
        """Refined logits."""
        before = self.before(evened(logits).to(self.before.weight.dtype))
        change = self.propagation(before, self.guidance(images, features)) - before
        return logits + self.after(change)[..., : logits.shape[2], : logits.shape[3]]

    def guidance(
        self, images: Float[Tensor, "B C H W"], features: tuple[Float[Tensor, "B _ _ _"], ...] = ()
    ) -> Float[Tensor, "B G h w"]:
        """The gates at half resolution, in the order of :class:`SpatialPropagation`."""
        return self.gates(self.trunk(images, features))


def evened(maps: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H2 W2"]:
    """With an even number of rows and columns: the last one is repeated where there are odd."""
    below, right = maps.shape[2] % 2, maps.shape[3] % 2
    return F.pad(maps, (0, right, 0, below), mode="replicate") if below or right else maps


@torch.no_grad()
def _begin_as_means(before: nn.Conv2d, after: nn.ConvTranspose2d) -> None:
    """Channel c holds class c mod K, and a class is the mean of its channels; what is random tells them apart."""
    width, classes = before.out_channels, before.in_channels
    share = max(1, width // classes)
    for place in range(max(width, classes)):
        channel, k = place % width, place % classes
        before.weight[channel, k, 1:3, 1:3] += 0.25
        after.weight[channel, k] += bilinear_filter(4).to(after.weight) / share
