"""What every refiner is: coarse logits, the image and the backbone's maps of it → better logits of the same size."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

LINE = 1 << 16  # pixels, as a reach: as far as an image goes


class Refiner(nn.Module, ABC):
    """Stands behind a network, for which :class:`intarsia.models.SegmentationNetwork` calls it.

    ``reach`` is how many pixels further than the network's own a logit looks in practice: large images are cut into
    tiles that overlap by so much more. ``floats`` is what a pixel of one image takes while it is refined, in numbers of
    four bytes.
    """

    kind: ClassVar[str]  # its name for `create_model`
    reach: int = 0
    floats: int = 0

    @abstractmethod
    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        images: Float[Tensor, "B C H W"],
        features: tuple[Float[Tensor, "B _ _ _"], ...] = (),
    ) -> Float[Tensor, "B K H W"]:
        """Refined logits, for normalised images; ``features`` end with the backbone's maps."""

    def own_numbers(self) -> list[nn.Parameter]:
        """Parameters with a scale of their own, to which zero means nothing: neither decayed nor slowed down."""
        return []


class GuidedRefiner(Refiner):
    """A refiner that propagates along affinities which a network of its own reads from the image."""

    @abstractmethod
    def guidance(
        self, images: Float[Tensor, "B C H W"], features: tuple[Float[Tensor, "B _ _ _"], ...] = ()
    ) -> Float[Tensor, "B G h w"]:
        """The affinities as the operator takes them, before they are normalised."""
