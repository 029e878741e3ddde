"""Checkerboards: every step of a network that changes resolution, forward and backward, with the map that it gives."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from intarsia.diagnostics.fields.receptive_field import evaluating
from intarsia.diagnostics.fields.spectrum import artefact_of_large
from intarsia.diagnostics.fields.unevenness import overlap, tap_sums
from intarsia.errors import ArgumentError

ARGUMENTS = {
    F.conv_transpose2d: ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    F.conv2d: ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    F.interpolate: ("input", "size", "scale_factor", "mode"),
    F.pixel_shuffle: ("input", "upscale_factor"),
    F.max_pool2d: ("input", "kernel_size", "stride", "padding", "dilation"),
    F.avg_pool2d: ("input", "kernel_size", "stride"),
}
POOLS = {F.max_pool2d: "maximum", F.avg_pool2d: "mean"}


@dataclass(frozen=True, eq=False)
class Resampling:
    """One step of a network from a coarse map to a fine one, or, seen backward, from a fine one to a coarse one.

    Args:
        name: the module that does it.
        how: in words, such as ``deconvolution 3×3``.
        stride: the factor.
        overlap: (s, s), how many taps meet in each pixel of a stride if all are one
            (:func:`intarsia.diagnostics.fields.unevenness.overlap`).
        own: (C, s, s), the sums of the taps that the network has there, from a constant input (forward) or a constant
            gradient (backward); None where nothing is learned, or not in the module that does it.
        artefact: how far the map that the step gives (backward: the gradient that it passes on) stands out at the
            stride's frequencies (:func:`intarsia.diagnostics.fields.spectrum.artefact`); None for a map that is too
            small.
        map: that map.
    """

    name: str
    how: str
    stride: int
    overlap: Int[Tensor, "s s"]
    own: Float64[Tensor, "C s s"] | None
    artefact: float | None
    map: Float[Tensor, "B C H W"]


def upsamplings(net: nn.Module, images: Float[Tensor, "B C H W"]) -> tuple[Resampling, ...]:
    """Every step of a network that makes its maps finer, in the order of computation, seen on some images.

    Transposed convolutions, resizing, and channels shuffled into pixels, by whole factors from 2 on; the repetition of
    a mean of the image is none. Evaluation mode is used, and the network is left as it was.

    >>> from intarsia.diagnostics.fields.unevenness import unevenness
    >>> steps = upsamplings(nn.Sequential(nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)), torch.randn(1, 3, 9, 9))
    >>> [(step.how, step.stride, round(unevenness(step.overlap), 2)) for step in steps]
    [('deconvolution 3×3', 2, 0.44)]
    """
    recorder = _Recorder(net)
    with evaluating(net), recorder.naming(), recorder, torch.no_grad():
        net(images)
    return tuple(recorder.finer)


def downsamplings(net: nn.Module, images: Float[Tensor, "B C H W"]) -> tuple[Resampling, ...]:
    """Every strided convolution and pooling, in the order of computation, seen backward.

    The gradient is that of the winning logits, summed over all pixels and images, which reaches every layer as a loss
    would. A layer whose input gets no gradient is left out. Evaluation mode is used, no gradient stays with the
    parameters, and the network is left as it was.

    >>> from intarsia.diagnostics.fields.unevenness import unevenness
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.MaxPool2d(2))
    >>> [(step.how, round(unevenness(step.overlap), 2)) for step in downsamplings(net, torch.randn(1, 3, 32, 32))]
    [('convolution 3×3', 0.44), ('maximum 2×2', 0.0)]
    """
    recorder = _Recorder(net)
    pixels = images.detach().clone().requires_grad_()
    with evaluating(net), recorder.naming(), recorder, torch.enable_grad():
        total = net(pixels).amax(1).sum()
    inputs = [entered for entered, _ in recorder.coarser]
    gradients = torch.autograd.grad(total, inputs, allow_unused=True) if inputs else ()
    steps = zip((step for _, step in recorder.coarser), gradients, strict=True)
    return tuple(_seen(step, gradient) for step, gradient in steps if gradient is not None)


def image_gradient(net: nn.Module, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """The gradient of the winning logits, summed over pixels and images, at the images themselves.

    >>> image_gradient(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2)).unique().numel()
    1
    """
    pixels = images.detach().clone().requires_grad_()
    with evaluating(net), torch.enable_grad():
        return torch.autograd.grad(net(pixels).amax(1).sum(), pixels)[0]


class _Recorder(TorchFunctionMode):
    """Notes each call of a function that changes resolution."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.names: list[str] = []
        self.entered: list[tuple[Any, ...]] = []
        self.finer: list[Resampling] = []
        self.coarser: list[tuple[Tensor, dict[str, Any]]] = []

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Hooks that say which module computes; they do not stay."""

        def enter(name: str) -> Any:
            def hook(_module: nn.Module, args: tuple[Any, ...]) -> None:
                self.names.append(name)
                self.entered.append(args)

            return hook

        def leave(_module: nn.Module, _args: Any, _output: Any) -> None:
            self.names.pop()
            self.entered.pop()

        handles = []
        for name, module in self.net.named_modules():
            handles += [module.register_forward_pre_hook(enter(name)), module.register_forward_hook(leave)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in ARGUMENTS and isinstance(result, Tensor) and result.ndim == 4:
            given = dict(zip(ARGUMENTS[func], args, strict=False)) | dict(kwargs or {})
            before, after = given["input"].shape[-2:], result.shape[-2:]
            if func in (F.conv_transpose2d, F.interpolate, F.pixel_shuffle) and min(before) > 1:
                self._note_finer(func, given, round(after[0] / before[0]), result)
            elif func in (F.conv2d, *POOLS):
                self._note_coarser(func, given)
        return result

    def _note_finer(self, func: Any, given: Mapping[str, Any], ratio: int, result: Tensor) -> None:
        stride = _one(given.get("stride", 1)) if func is F.conv_transpose2d else ratio
        rows, columns = given["input"].shape[-2:]
        broken = func is F.interpolate and result.shape[-2:] != (rows * ratio, columns * ratio)
        if stride < 2 or broken:
            return
        even = torch.ones(stride, stride, dtype=torch.int64)
        if func is F.conv_transpose2d:
            weight = given["weight"]
            how = f"deconvolution {weight.shape[2]}×{weight.shape[3]}"
            rate = _one(given.get("dilation", 1))
            even = overlap(weight.shape[2], stride, rate)
            own = tap_sums(weight, stride, rate, given.get("groups", 1))
        elif func is F.pixel_shuffle:
            how, own = "channels shuffled", self._response(stride)
        else:
            how, own = f"resized, {given.get('mode', 'nearest')}", None
        self.finer.append(Resampling(self.names[-1], how, stride, even, own, artefact_of_large(result, stride), result))

    def _response(self, stride: int) -> Float64[Tensor, "C s s"] | None:
        """What the module around a shuffle makes of ones, in its interior, without its bias."""
        module, (entered, *_) = self.net.get_submodule(self.names[-1]), self.entered[-1]
        if not isinstance(entered, Tensor):
            return None
        convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
        if not convolutions:
            return None  # the layers that feed a plain shuffle stand elsewhere
        reach = max((_one(m.dilation) * (max(m.kernel_size) // 2) for m in convolutions), default=0)
        ones = entered.new_ones(1, entered.shape[1], 2 * reach + 1, 2 * reach + 1)
        answer = (module.forward(ones) - module.forward(torch.zeros_like(ones)))[0].detach().cpu().double()
        inside = slice(reach * stride, (reach + 1) * stride)
        return answer[:, inside, inside]

    def _note_coarser(self, func: Any, given: Mapping[str, Any]) -> None:
        kernel = given["weight"].shape[2] if func is F.conv2d else _one(given["kernel_size"])
        stride = _one(given.get("stride", 1) or kernel)
        if stride < 2 or not given["input"].requires_grad:
            return
        rate, groups = _one(given.get("dilation", 1)), given.get("groups", 1)
        step = {
            "name": self.names[-1],
            "how": f"{POOLS.get(func, 'convolution')} {kernel}×{kernel}",
            "stride": stride,
            "overlap": overlap(kernel, stride, rate),
            "own": tap_sums(given["weight"], stride, rate, groups) if func is F.conv2d else None,
        }
        self.coarser.append((given["input"], step))


def _seen(step: Mapping[str, Any], gradient: Tensor) -> Resampling:
    return Resampling(**step, artefact=artefact_of_large(gradient, step["stride"]), map=gradient)


def _one(value: Any) -> int:
    return value if isinstance(value, int) else value[0]


def check_resamplings(net: nn.Module, finer: tuple[Resampling, ...], coarser: tuple[Resampling, ...]) -> None:
    """Refuse a network that never changes resolution.

    Raises:
        ArgumentError: it has neither steps to finer nor to coarser maps.
    """
    if not finer and not coarser:
        raise ArgumentError(
            f"{type(net).__name__} neither upsamples nor has a strided layer, so that it can have no checkerboard; "
            "explain a network with a stride."
        )
