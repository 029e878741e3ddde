"""Fully convolutional networks: FCN-32s, FCN-16s and FCN-8s."""

from functools import partial
from types import MappingProxyType

from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.errors import ArgumentError
from intarsia.layers.upsampling import BilinearDeconvolution
from intarsia.models.framing import Cropped
from intarsia.models.options import Form
from intarsia.models.segmentation_network import SegmentationNetwork

AT_ONCE = {32: 1.0, 16: 0.01, 8: 0.0001}  # the authors' code: shallow maps have larger values than deep ones


@dataclass(frozen=True, kw_only=True)
class FCNForm(Form):
    """``learn_upsampling`` frees the deconvolutions, which start bilinear; the authors found no use in that.

    ``at_once`` scales the skips' maps, for training from the start instead of 32s → 16s → 8s. ``dense``
    deconvolutions also join different classes, with zeros at first: Caffe's and so wkentaro/pytorch-fcn's.
    """

    learn_upsampling: bool = False
    at_once: bool = False
    dense: bool = False


FORMS = MappingProxyType({"paper": FCNForm(), "at_once": FCNForm(at_once=True), "wkentaro": FCNForm(dense=True)})


class FCNDecoder(nn.Module):
    """Scores of the coarsest map, doubled and added to those of the next finer one, down to ``finest``.

    FCN, arXiv:1605.06211, section 4.2 and figure 3. Score layers start at zero: a skip adds nothing at first.
    Deconvolutions keep their rim, and what overlaps is cut out: ``crops`` are the samples that the doubled map loses at
    its beginning, or if negative those that the finer one loses. ``origin`` is where the first sample of the sum lies,
    in pixels of the image, and ``stride`` how far the next is from it.
    """

    def __init__(self, spec: BackboneSpec, classes: int, form: FCNForm, finest: int) -> None:
        super().__init__()
        nominal = [stride for stride in (32, 16, 8) if stride >= finest]
        self.indices = [spec.index_of(stride) for stride in nominal]
        self.factors = [AT_ONCE[stride] if form.at_once else 1.0 for stride in nominal]
        self.scores = nn.ModuleList(_score(spec.channels[index], classes) for index in self.indices)
        self.upsamplings = nn.ModuleList()
        self.crops: list[int] = []
        self.stride, self.origin = spec.strides[self.indices[0]], spec.origins[self.indices[0]]
        for index in self.indices[1:]:
            stride, origin = spec.strides[index], spec.origins[index]
            crop = crop_between(self.stride, self.origin, stride, origin)
            if crop is None:
                raise ArgumentError(
                    f"The maps of `{spec.name}` at output stride {spec.output_stride} lie half a sample apart, which "
                    "no cropping mends; use output_stride=32."
                )
            self.crops.append(crop)
            self.upsamplings.append(deconvolution(classes, self.stride // stride, form))
            self.stride, self.origin = stride, origin + max(0, -crop) * stride

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B K H W"]:
        """The summed scores on the finest map's grid."""
        scores = [
            score(features[index] * factor if factor != 1 else features[index])
            for score, index, factor in zip(self.scores, self.indices, self.factors, strict=True)
        ]
        total = scores[0]
        for finer, upsampling, crop in zip(scores[1:], self.upsamplings, self.crops, strict=True):
            doubled = upsampling(total)
            total = doubled + _cut(finer, -crop, doubled) if crop < 0 else _cut(doubled, crop, finer) + finer
        return total


def crop_between(coarse: int, coarse_origin: float, fine: int, fine_origin: float) -> int | None:
    """At which sample of a deconvolved map the finer map begins; negative if the finer map begins before.

    Maps of strides S = ``coarse`` and s = ``fine`` have their first samples at pixels O and o. A deconvolution by
    r = S / s with kernel 2r has its middle at r − ½, so that it puts the coarse sample j at index r·j + r − ½ of its
    output; it belongs to index r·j + (O − o) / s of the finer map. The difference is the crop. ``None`` if it is no
    whole number. For r = 1 nothing is deconvolved.

    >>> crop_between(32, 12.5, 1, 0), crop_between(32, 12.5, 16, -91.5), crop_between(32, 15.5, 16, 7.5)
    (19, -5, 1)
    """
    ratio = coarse // fine
    crop = (ratio - 0.5 if ratio > 1 else 0.0) - (coarse_origin - fine_origin) / fine
    return int(crop) if crop == int(crop) else None


def deconvolution(classes: int, ratio: int, form: FCNForm) -> nn.Module:
    """Bilinear upsampling by ``ratio`` that keeps its rim; nothing for maps of one stride."""
    if ratio == 1:
        return nn.Identity()
    return BilinearDeconvolution(classes, ratio, learnable=form.learn_upsampling, dense=form.dense, padding=0)


def fcn(finest: int, backbone: Backbone, classes: int, form: FCNForm, auxiliary: bool) -> SegmentationNetwork:
    """A backbone with maps at strides 32, 16 and 8 as far as ``finest`` asks for them, scores, deconvolutions."""
    assert not auxiliary, "the catalog says that there is none"
    spec = backbone.spec
    decoder = FCNDecoder(spec, classes, form, finest)
    offset = crop_between(decoder.stride, decoder.origin, 1, 0)
    assert offset is not None, "half a sample of a coarse map is a whole pixel"
    # A backbone that says where its maps lie has room around the image; another one may drop an image's last rows.
    multiple = 1 if spec.own_origins else spec.output_stride
    head = deconvolution(classes, decoder.stride, form)
    return SegmentationNetwork(backbone, decoder, head, frame=Cropped(offset, multiple))


fcn32s, fcn16s, fcn8s = (partial(fcn, finest) for finest in (32, 16, 8))


def _score(channels: int, classes: int) -> nn.Conv2d:
    score = nn.Conv2d(channels, classes, 1)
    for parameter in score.parameters():
        nn.init.zeros_(parameter)
    return score


def _cut(longer: Tensor, first: int, like: Tensor) -> Tensor:
    return longer[..., first : first + like.shape[-2], first : first + like.shape[-1]]
