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

A pooling that rounds its size up (``ceil_mode``) has one more sample where the size does not divide; its padding on the
right grows by as many pixels as that sample may lie outside.

Images whose size divides by the largest nominal stride obey the law exactly. Squeeze-and-excitation gates pool over
more positions on a denser map, so with them the law holds for gates held fixed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from intarsia.errors import ArgumentError
from intarsia.layers.padding import Sides

Dilation = Literal["exact", "uniform"]
Rates = Mapping[int, Sequence[int]]
"""Nominal stride of a stage → the dilation rates that its units take in turn."""
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
    ceil: bool = False  # rounds its size up, as Caffe's poolings do

    @property
    def stage(self) -> int:
        """The nominal stride of its output."""
        return self.nominal * self.stride

    @property
    def parent(self) -> str:
        """The module that it is part of: a residual block, say."""
        return self.name.rpartition(".")[0]


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


def plan(
    layers: Iterable[SpatialLayer], output_stride: int, dilation: Dilation = "exact", rates: Rates | None = None
) -> tuple[Placement, ...]:
    """Place every layer that changes at this output stride.

    ``"uniform"`` gives a convolution that lost its stride the dilation of the layers behind it, as semseg,
    segmentation_models_pytorch and some papers do: for weights trained that way. It breaks the law.

    ``rates`` breaks it, too: the units of a stage take the given dilation rates in turn, whatever the law asks for. A
    unit is all convolutions larger than 1×1 with one parent module (a residual block) whose output has the stage's
    nominal stride. Too few rates are cycled through, of too many the first are taken. With ``{32: (4, 8, 16)}`` the
    last stage of a ResNet at output stride 8 has the multi-grid (1, 2, 4) of DeepLab v3 (section 3.1 there);
    TuSimple's hybrid dilated convolution (arXiv:1702.08502, section 3.2) is ``{16: (1, 2, 5, 9), 32: (5, 9, 17)}``.

    >>> conv = SpatialLayer("layer4.0.conv2", (3, 3), 2, (1, 1), Sides(1, 1, 1, 1), nominal=16)
    >>> plan([conv], 8)[0].dilation, plan([conv], 8, "uniform")[0].dilation, plan([conv], 32)
    ((2, 2), (4, 4), ())
    >>> plan([conv], 8, rates={32: (5,)})[0].dilation
    (5, 5)
    """
    check_dilation(dilation)
    layers = tuple(layers)
    chosen = _chosen_rates(layers, rates or {})
    placed = (_place(layer, output_stride, dilation, chosen.get(layer.name)) for layer in layers)
    return tuple(placement for placement in placed if placement is not None)


def _chosen_rates(layers: Sequence[SpatialLayer], rates: Rates) -> dict[str, int]:
    """The rate of each convolution that ``rates`` speaks of."""
    spatial = [layer for layer in layers if layer.is_convolution and max(layer.kernel) > 1]
    chosen: dict[str, int] = {}
    for stage, given in rates.items():
        members = [layer for layer in spatial if layer.stage == stage]
        units = list(dict.fromkeys(layer.parent for layer in members))
        _check_rates(stage, given, sorted({layer.stage for layer in spatial}))
        for layer in members:
            chosen[layer.name] = given[units.index(layer.parent) % len(given)]
    return chosen


def _check_rates(stage: int, given: Sequence[int], stages: Sequence[int]) -> None:
    shown = f"`rates` (={{{stage}: {tuple(given)}}})"
    if stage not in stages:
        known = ", ".join(map(str, stages))
        raise ArgumentError(
            f"{shown} names a stage that the network has not; its convolutions give strides {known}. Leave that stage "
            "out, or the multi-grid of a model: `multi_grid=()`, `--options.multi_grid ''`."
        )
    if not given or min(given) < 1:
        raise ArgumentError(f"{shown} must be dilation rates of at least 1; leave the stage out to keep its own.")


def _place(layer: SpatialLayer, output_stride: int, dilation: Dilation, rate: int | None) -> Placement | None:
    before, after = layer.nominal, layer.stage
    stride = min(after, output_stride) // min(before, output_stride)
    uniform = dilation == "uniform" and layer.is_convolution
    factor = max(1, (after if uniform else before) // output_stride)
    own_h, own_w = layer.dilation
    rate_h, rate_w = (own_h * factor, own_w * factor) if rate is None else (rate, rate)
    if (stride, rate_h, rate_w) == (layer.stride, own_h, own_w):
        return None
    left, right, top, bottom = layer.sides
    scaled = Sides(left * rate_w // own_w, right * rate_w // own_w, top * rate_h // own_h, bottom * rate_h // own_h)
    if stride == layer.stride:
        return Placement(layer.name, layer.kernel, stride, (rate_h, rate_w), scaled, scaled)
    kernel_h, kernel_w = layer.kernel
    filled = Sides(
        scaled.left,
        rate_w * (kernel_w - 1) + 1 - stride - scaled.left + factor * _outside(layer, kernel_w, left + right, left),
        scaled.top,
        rate_h * (kernel_h - 1) + 1 - stride - scaled.top + factor * _outside(layer, kernel_h, top + bottom, top),
    )
    counted = Sides(*(min(a, b) for a, b in zip(filled, scaled, strict=True)))
    return Placement(layer.name, layer.kernel, stride, (rate_h, rate_w), filled, counted)


def _outside(layer: SpatialLayer, kernel: int, padding: int, before: int) -> int:
    """How far behind the map the last sample of a layer that rounds up may lie; one that starts there is dropped."""
    return max(0, min(padding - kernel + layer.stride, before)) if layer.ceil else 0
