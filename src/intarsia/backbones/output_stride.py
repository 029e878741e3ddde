"""The only place where stride becomes dilation.

**The à-trous law.** With the same weights, a network at a smaller output stride computes a denser map of the same
function: the denser map, sampled every (nominal / actual stride)-th pixel, *equals* the strided one (DeepLab v3,
arXiv:1706.05587, section 3.1; the algorithme à trous of Holschneider et al., 1989).

For a layer with kernel k, stride s and dilation δ, whose input has the nominal stride S (the stride that it has in the
undilated network), at output stride OS::

    dilation      d = δ · max(1, S / OS)
    stride        min(S·s, OS) / min(S, OS)
    left padding  max(1, S / OS) × the layer's own left padding
    right padding fills to keep the size where the stride was taken away, and scales like the left one elsewhere

Images whose size divides by the largest nominal stride obey the law exactly. Squeeze-and-excitation gates pool over
more positions on a denser map, so with them the law holds for gates held fixed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from intarsia.errors import ArgumentError
from intarsia.layers.padding import Sides

Dilation = Literal["exact", "uniform"]
OUTPUT_STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class SpatialLayer:
    """A layer that looks at more than one position or moves by more than one, as the network was published."""

    name: str
    kernel: tuple[int, int]
    stride: int
    dilation: tuple[int, int]
    sides: Sides
    nominal: int  # the stride of its input in the undilated network
    is_convolution: bool = True


@dataclass(frozen=True)
class Placement:
    """How that layer stands in the dilated network."""

    name: str
    kernel: tuple[int, int]
    stride: int
    dilation: tuple[int, int]
    sides: Sides
    counted: Sides  # the part of ``sides`` that the published layer had, for means that count padding


def check_output_stride(output_stride: int) -> None:
    """Refuse anything but 8, 16 and 32.

    >>> check_output_stride(12)
    Traceback (most recent call last):
    intarsia.errors.ArgumentError: `output_stride` (=12) must be 8, 16 or 32; the nearest is 16.
    """
    if output_stride not in OUTPUT_STRIDES:
        nearest = min(OUTPUT_STRIDES, key=lambda known: (abs(known - output_stride), -known))
        raise ArgumentError(f"`output_stride` (={output_stride}) must be 8, 16 or 32; the nearest is {nearest}.")


def check_dilation(dilation: str) -> None:
    """Refuse anything but ``"exact"`` and ``"uniform"``."""
    if dilation not in ("exact", "uniform"):
        raise ArgumentError(f"`dilation` (={dilation!r}) must be 'exact' or 'uniform'.")


def plan(layers: Iterable[SpatialLayer], output_stride: int, dilation: Dilation = "exact") -> tuple[Placement, ...]:
    """Place every layer that changes at this output stride.

    ``"uniform"`` gives a convolution that lost its stride the dilation of the layers behind it, as semseg,
    segmentation_models_pytorch and some papers do: for weights trained that way. It breaks the law.

    >>> conv = SpatialLayer("layer4.0.conv2", (3, 3), 2, (1, 1), Sides(1, 1, 1, 1), nominal=16)
    >>> plan([conv], 8)[0].dilation, plan([conv], 8, "uniform")[0].dilation, plan([conv], 32)
    ((2, 2), (4, 4), ())
    """
    check_dilation(dilation)
    placed = (_place(layer, output_stride, dilation) for layer in layers)
    return tuple(placement for placement in placed if placement is not None)


def _place(layer: SpatialLayer, output_stride: int, dilation: Dilation) -> Placement | None:
    before, after = layer.nominal, layer.nominal * layer.stride
    stride = min(after, output_stride) // min(before, output_stride)
    uniform = dilation == "uniform" and layer.is_convolution
    factor = max(1, (after if uniform else before) // output_stride)
    if stride == layer.stride and factor == 1:
        return None
    rate = (layer.dilation[0] * factor, layer.dilation[1] * factor)
    scaled = Sides(*(factor * side for side in layer.sides))
    if layer.stride == 1:
        return Placement(layer.name, layer.kernel, stride, rate, scaled, scaled)
    reach_h, reach_w = (d * (k - 1) + 1 for d, k in zip(rate, layer.kernel, strict=True))
    filled = Sides(scaled.left, reach_w - stride - scaled.left, scaled.top, reach_h - stride - scaled.top)
    counted = Sides(*(min(a, b) for a, b in zip(filled, scaled, strict=True)))
    return Placement(layer.name, layer.kernel, stride, rate, filled, counted)
