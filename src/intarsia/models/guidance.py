"""What guides a propagation: a few convolutions on the image, joined with the backbone's fine maps."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones import BackboneSpec
from intarsia.errors import ArgumentError
from intarsia.layers.convolutions import convolution
from intarsia.layers.resizing import resize

Source = Literal["auto", "image", "both"]

FINE = (2, 4)  # strides whose maps still know where borders are


class ImageGuidance(nn.Module):
    """Normalised images, and the backbone's maps at strides 2 and 4 → a map of ``channels`` at ``stride`` 1 or 2.

    The image gives borders to the pixel, and the backbone what lies on their sides, at the cost of a 1×1 convolution.
    A map of stride s is taken to tile the image, whether that was extended or not: it is resized by s, and cut or its
    last row repeated.

    Args:
        spec: of the backbone.
        stride: of the map that is made.
        channels: of that map.
        source: "image" alone; "both", for which the backbone's maps must tile the image; "auto" is both where they do.

    Raises:
        ArgumentError: the backbone's maps are asked for and do not tile the image.

    >>> import torch
    >>> spec = BackboneSpec("net", (8, 16), (2, 4), (2, 4), (0.5,) * 3, (0.5,) * 3)
    >>> maps = torch.randn(1, 8, 4, 3), torch.randn(1, 16, 2, 2)
    >>> ImageGuidance(spec, stride=2, channels=5)(torch.randn(1, 3, 7, 5), maps).shape
    torch.Size([1, 5, 4, 3])
    """

    def __init__(self, spec: BackboneSpec, stride: Literal[1, 2], channels: int, source: Source = "auto") -> None:
        super().__init__()
        if source == "both" and spec.own_origins is not None:
            raise ArgumentError(
                f'`source` (="both") needs maps that tile the image, and those of backbone `{spec.name}` do not; take '
                '"image".'
            )
        self.stride = stride
        self.image = nn.Conv2d(spec.in_channels, channels, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        places = [] if source == "image" or spec.own_origins is not None else fine_maps(spec)
        self.places = [(place - len(spec.channels), spec.strides[place]) for place in places]
        self.projections = nn.ModuleList(nn.Conv2d(spec.channels[place], channels, 1, bias=False) for place in places)
        self.mix = convolution(channels, channels)

    def forward(
        self, images: Float[Tensor, "B C H W"], features: tuple[Float[Tensor, "B _ _ _"], ...] = ()
    ) -> Float[Tensor, "B D h w"]:
        """The map; ``features`` end with the backbone's maps, in front of which others may stand."""
        x = self.image(images)
        for (place, stride), projection in zip(self.places, self.projections, strict=True):
            x = x + self._fitted(projection(features[place]), stride, x.shape[-2:])
        return self.mix(F.relu(self.norm(x)))

    def _fitted(self, side: Tensor, stride: int, size: tuple[int, ...]) -> Tensor:
        height, width = (length * stride // self.stride for length in side.shape[-2:])
        side = resize(side, (height, width))
        below, right = max(0, size[0] - height), max(0, size[1] - width)
        if below or right:  # of a backbone that drops an image's last rows
            side = F.pad(side, (0, right, 0, below), mode="replicate")
        return side[..., : size[0], : size[1]]


def fine_maps(spec: BackboneSpec) -> list[int]:
    """Which maps are read: the deepest at each of the strides 2 and 4, or the finest where there is none.

    >>> fine_maps(BackboneSpec("net", (8, 8, 16, 32), (2, 4, 4, 8), (2, 4, 4, 8), (0.5,), (0.5,)))
    [0, 2]
    """
    deepest = {stride: place for place, stride in enumerate(spec.strides) if stride in FINE}
    return sorted(deepest.values()) or [0]
