"""U-Net as its paper draws it: convolutions without padding, and images mirrored at their borders."""

from types import MappingProxyType

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.backbones.unet_contracting import double_convolution, initialise
from intarsia.errors import ArgumentError
from intarsia.models.framing import Mirrored
from intarsia.models.options import Form, Probability
from intarsia.models.segmentation_network import SegmentationNetwork

STRIDES = (1, 2, 4, 8, 16)


@dataclass(frozen=True, kw_only=True)
class UNetPaperForm(Form):
    """``dropout`` at the end of the contracting path (section 3.1), whose strength the paper does not give."""

    dropout: Probability = 0.5


FORMS = MappingProxyType({"paper": UNetPaperForm()})


class ExpandingPath(nn.Module):
    """Four times: a 2×2 up-convolution that halves the channels, the cropped skip beside it, two 3×3 convolutions.

    U-Net, arXiv:1505.04597, section 2 and figure 1. ``crops`` are the samples that each skip loses at its beginning,
    and ``origin`` is the pixel of the image under the first sample of the result.
    """

    def __init__(self, spec: BackboneSpec, form: UNetPaperForm) -> None:
        super().__init__()
        if spec.own_origins is None or spec.strides != STRIDES:
            raise ArgumentError(
                f"unet_paper needs the paper's own contracting path, not backbone `{spec.name}`; use "
                "backbone='unet_contracting', or the model `unet`, which takes any."
            )
        self.dropout = nn.Dropout(form.dropout)
        self.upsamplings, self.levels = nn.ModuleList(), nn.ModuleList()
        self.crops: list[int] = []
        self.origin = spec.origins[-1]
        for level in reversed(range(len(STRIDES) - 1)):
            channels, stride = spec.channels[level], STRIDES[level]
            self.upsamplings.append(nn.ConvTranspose2d(spec.channels[level + 1], channels, 2, stride=2))
            self.levels.append(double_convolution(2 * channels, channels, padded=False, norm=False))
            # Sample j goes to 2j and 2j + 1, whose middle is j's place: half a sample before it the skip begins.
            crop = int((self.origin - spec.origins[level]) / stride - 0.5)
            self.crops.append(crop)
            self.origin = spec.origins[level] + (crop + 2) * stride  # two convolutions, a sample each
        initialise(self)

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """The map at stride 1, 92 pixels a side smaller than the image."""
        x = self.dropout(features[-1])
        for upsampling, level, skip, crop in zip(
            self.upsamplings, self.levels, features[-2::-1], self.crops, strict=True
        ):
            x = upsampling(x)
            height, width = x.shape[-2:]
            x = level(torch.cat([skip[..., crop : crop + height, crop : crop + width], x], dim=1))
        return x


def unet_paper(backbone: Backbone, classes: int, form: UNetPaperForm, auxiliary: bool) -> SegmentationNetwork:
    """Contracting path, expanding path, 1×1 convolution; 572 × 572 pixels give logits for the inner 388 × 388."""
    assert not auxiliary, "the catalog says that there is none"
    decoder = ExpandingPath(backbone.spec, form)
    head = nn.Conv2d(backbone.spec.channels[0], classes, 1)
    initialise(head)
    return SegmentationNetwork(backbone, decoder, head, frame=Mirrored(int(decoder.origin), STRIDES[-1]))
