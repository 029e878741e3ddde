"""Which affinities a network has: those of its refiner, or of its answer and its features."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.affinity import MeanField
from intarsia.diagnostics.attention_maps import blocks_of
from intarsia.diagnostics.fields.affinity import AffinityField
from intarsia.diagnostics.fields.affinity_shares import SpatialShares
from intarsia.diagnostics.grid import Grid, grid_of, strides_of
from intarsia.diagnostics.uncertainty import class_shares
from intarsia.diagnostics.watching import input_of, output_of, watched
from intarsia.energies.crf_settings import CRFSettings
from intarsia.models import SegmentationNetwork
from intarsia.models.cspn import CSPNRefiner
from intarsia.models.refiner import GuidedRefiner
from intarsia.models.spn import SPNRefiner
from intarsia.models.spn_paper import ROUNDS, PaperSPNRefiner
from intarsia.shapes import RGBImage

REACHES = (1, 2, 3)  # the loss's sizes 3, 5 and 7


@dataclass(frozen=True, eq=False)
class Placed:
    """An affinity field over a picture.

    Args:
        key: a word for files.
        field: the affinities.
        grid: where its positions lie.
        farther: the same with edges that are made of farther neighbours.
    """

    key: str
    field: AffinityField
    grid: Grid
    farther: tuple[AffinityField, ...] = ()

    def position(self, x: int, y: int) -> tuple[int, int]:
        """Column and row of the field's position that is nearest to a pixel of the picture."""
        row, column = self.grid.position(x, y)
        return column, row


def affinities_of(
    net: SegmentationNetwork, image: Float[Tensor, "1 C H W"], picture: RGBImage, settings: CRFSettings | None = None
) -> list[Placed]:
    """The field of the network's refiner, or those of its answer and its features; then the kernel of a dense CRF.

    Args:
        net: in evaluation mode.
        image: normalised.
        picture: the same pixels, of which the CRF's kernel is made.
        settings: of that kernel, unless the network's refiner is a CRF itself; by default the usual ones.
    """
    whole = Grid(picture.shape[0], picture.shape[1], 1, (0.0, 0.0))
    crf = blocks_of(net, MeanField)
    if crf:
        return [Placed("crf", AffinityField.of_crf(picture, settings_of(net.get_submodule(crf[0]))), whole)]
    kernel = Placed("crf", AffinityField.of_crf(picture, settings), whole)
    if isinstance(net.refiner, GuidedRefiner):
        return [_guided(net, net.refiner, image), kernel]
    return [_answers(net, image, whole), _features(net, image), kernel]


def settings_of(crf: nn.Module) -> CRFSettings:
    """What a mean field has learned, as one weight a kernel: the mean of the classes' weights, or zero below that."""
    assert isinstance(crf, MeanField)
    smoothness, appearance = (
        max(0.0, weights.mean().item()) for weights in (crf.smoothness_weight, crf.appearance_weight)
    )
    return CRFSettings(crf.iterations, smoothness, crf.sigmas.smoothness_sxy, appearance, *crf.sigmas[1:])


def _guided(net: SegmentationNetwork, refiner: GuidedRefiner, image: Tensor) -> Placed:
    with torch.no_grad():
        _, images, features = watched(net, image, ["refiner"], _inputs_of)["refiner"][0]
        guidance = refiner.guidance(images, features)[0].float()
    stride = -(-image.shape[-2] // guidance.shape[-2])
    grid = Grid(guidance.shape[1], guidance.shape[2], stride, ((stride - 1) / 2, (stride - 1) / 2))
    return Placed(refiner.kind, _FIELDS[type(refiner)](net, image, guidance), grid)


def _inputs_of(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> tuple[Any, ...]:
    return inputs


def _spatial(net: SegmentationNetwork, image: Tensor, guidance: Tensor) -> AffinityField:
    assert isinstance(net.refiner, SPNRefiner | PaperSPNRefiner)
    propagation = net.refiner.propagation
    if propagation.merge is not None:
        remark = "The network weighs directions and channels by what it has learned; here all count alike."
    elif isinstance(net.refiner, PaperSPNRefiner):
        remark = f"The network takes the largest of the directions, {ROUNDS} times over; this is one time."
    else:
        remark = "The network takes the largest of the directions, which depends on the values."
    gates = guidance.unflatten(0, propagation.shape).cpu()
    return AffinityField(SpatialShares(gates, propagation.normalisation, remark))


def _convolutional(net: SegmentationNetwork, image: Tensor, guidance: Tensor) -> AffinityField:
    assert isinstance(net.refiner, CSPNRefiner)
    form = net.refiner.form
    strength = watched(net, image, ["refiner.strength"], output_of)["refiner.strength"][0][0, 0].float()
    return AffinityField.of_cspn(guidance, form.steps, norm=form.norm, layout="centred", strength=strength)


_FIELDS: Mapping[type[GuidedRefiner], Callable[..., AffinityField]] = MappingProxyType(
    {SPNRefiner: _spatial, PaperSPNRefiner: _spatial, CSPNRefiner: _convolutional}
)


def _answers(net: SegmentationNetwork, image: Tensor, whole: Grid) -> Placed:
    with torch.no_grad():
        shares = class_shares(net(image)[0].float().cpu())
    near, *farther = (AffinityField.of_probabilities(shares, reach) for reach in REACHES)
    return Placed("probabilities", near, whole, tuple(farther))


def _features(net: SegmentationNetwork, image: Tensor) -> Placed:
    """Of the map that the head classifies."""
    features = watched(net, image, ["head"], input_of)["head"][0][0].float().cpu().numpy()
    stride, size = strides_of(net, ["head"])["head"], (image.shape[-2], image.shape[-1])
    grid = grid_of(net, stride, size, (features.shape[1], features.shape[2]))
    return Placed("features", AffinityField.of_features(features, f"Features at stride {stride}"), grid)
