"""The fastest way to run a network on this machine, found by a short measurement.

A network as it is written spends a large part of its time between convolutions: batch norms, activations and sums
each read and write whole maps. Here its operators are recorded for each size of image, batch norms are folded into
convolutions, activations and sums join them as one oneDNN kernel whose weights are packed beforehand, and all maps have
one precision and one layout of memory from the image to the logits, without casts between. Which precision and layout
is measured. No compiler is needed, and a new size of image costs a fraction of a second.
"""

import copy
import itertools
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from intarsia.errors import ArgumentError
from intarsia.inference.execution import MemoryFormat, Precision
from intarsia.inference.fusion import answer_in_float32, fuse, fusible
from intarsia.inference.graph import Weights, capture, fold_batch_norms

SIZES_KEPT = 16  # programs; they share their weights
TIMED_RUNS = 5
HOPELESS = 1.5  # times the fastest so far: not timed again
MARGIN = 0.95  # bfloat16 must win clearly before it replaces float32
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}  # of the logits' root mean square; ten times what ResNets show
AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Plan:
    """Precision and layout of all maps and weights."""

    precision: Precision
    memory_format: MemoryFormat

    def __str__(self) -> str:
        return f"{self.precision} {self.memory_format}"

    def weights(self, net: nn.Module) -> Weights:
        """The network's tensors, to be placed so."""
        dtype = torch.bfloat16 if self.precision == "bfloat16" else torch.float32
        layout = torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format
        return Weights(net, dtype, layout)


class OptimisedNetwork(nn.Module):
    """A network for inference only, by recorded operators: what :func:`optimise` returns.

    Images of any size give what the network gives, in float32. ``milliseconds`` holds what was measured, by plan.
    """

    def __init__(self, net: nn.Module, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.milliseconds: dict[str, float] = {}
        self._net = (net,)  # in a tuple, so that it is no submodule: nothing of it may be moved or trained
        self._weights = plan.weights(net)
        self._programs: OrderedDict[torch.Size, tuple[fx.GraphModule, pytree.TreeSpec]] = OrderedDict()
        self.eval()

    @torch.inference_mode()
    def forward(self, images: Float[Tensor, "B C H W"]) -> Any:
        """What the network answers, float32."""
        program, answer = self._program(images)
        return pytree.tree_unflatten(program(self._weights.place(images)), answer)

    def _program(self, images: Tensor) -> tuple[fx.GraphModule, pytree.TreeSpec]:
        if images.shape not in self._programs:
            with torch.inference_mode(False):
                self._programs[images.shape] = self._record(torch.empty_like(images))
            if len(self._programs) > SIZES_KEPT:
                self._programs.popitem(last=False)
        self._programs.move_to_end(images.shape)
        return self._programs[images.shape]

    def _record(self, images: Tensor) -> tuple[fx.GraphModule, pytree.TreeSpec]:
        program = capture(self._net[0], images, self._weights)
        fold_batch_norms(program)
        if images.device.type == "cpu" and fusible():
            fuse(program)
        answer_in_float32(program)
        return self._weights.module(program.graph), program.answer


def optimise(net: nn.Module, images: Float[Tensor, "B C H W"] | None = None) -> OptimisedNetwork:
    """The same network for inference only, as fast as this machine runs it without a compiler.

    Precision (float32 or bfloat16) and layout are those that a few timed runs found fastest; the result's ``plan`` and
    ``milliseconds`` say which. It takes any network in evaluation mode, of this package, torchvision or
    segmentation_models_pytorch, and answers what that answers: float32, of the same structure, for any size of image;
    the first image of a size costs a fraction of a second more. ``net`` is unchanged, and what happens to it later
    does not matter. A form whose answer differs from the network's by more than rounding is no candidate; whole numbers
    (classes, masks) must be the same at nearly all pixels, what is no tensor (None, numbers, text) is the same.

    Args:
        net: the network, on the device where it will run.
        images: normalised images to measure with; by default one of 512×512 pixels of noise.

    Raises:
        ArgumentError: the network is in training mode, or cannot be recorded as a list of operators, or changes
            from call to call.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1)).eval()
    >>> fast = optimise(net, torch.randn(1, 3, 32, 32))
    >>> fast(torch.randn(2, 3, 40, 24)).shape
    torch.Size([2, 2, 38, 22])
    """
    if net.training:
        raise ArgumentError("`net` is in training mode; call `.eval()` on it first.")
    frozen = copy.deepcopy(net).requires_grad_(False)
    images = _noise(frozen) if images is None else images
    with torch.inference_mode():
        expected, plain = _timed(frozen, images)
        forms = {}
        for plan in plans(images.device):
            form = OptimisedNetwork(frozen, plan)
            try:
                answer, _ = _timed(form, images)
            except ArgumentError:
                if plan.precision == "float32":
                    raise
                continue  # some operators of the network want float32
            if _agrees(answer, expected, TOLERANCE[plan.precision]):
                forms[plan] = form
        seconds = {plan: float("inf") for plan in forms}
        for _ in range(TIMED_RUNS):
            for plan in [plan for plan in forms if seconds[plan] <= HOPELESS * min(seconds.values())]:
                seconds[plan] = min(seconds[plan], _timed(forms[plan], images)[1])
    chosen = forms[fastest(seconds)]
    chosen.milliseconds = {AS_IT_IS: plain * 1e3} | {str(plan): s * 1e3 for plan, s in seconds.items()}
    return chosen


def plans(device: torch.device) -> list[Plan]:
    """What may be fast on a device; bfloat16 only where it has instructions for it."""
    formats: tuple[MemoryFormat, ...] = ("contiguous", "channels_last")
    rounds = torch.cuda.is_bf16_supported() if device.type == "cuda" else fusible() and _rounds_on_cpu()
    precisions: tuple[Precision, ...] = ("float32", "bfloat16") if rounds else ("float32",)
    return [Plan(p, m) for p, m in itertools.product(precisions, formats)]


def fastest(seconds: dict[Plan, float]) -> Plan:
    """The plan that took least time, of float32 unless bfloat16 wins clearly.

    Raises:
        ArgumentError: there is none.
    """
    if not seconds:
        raise ArgumentError("No recorded form of `net` gives its answer; use it as it is.")
    best = min(seconds, key=lambda plan: seconds[plan])
    exact = min((p for p in seconds if p.precision == "float32"), key=lambda p: seconds[p], default=best)
    return best if seconds[best] < MARGIN * seconds[exact] else exact


def _rounds_on_cpu() -> bool:
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _timed(net: nn.Module, images: Tensor) -> tuple[Any, float]:
    start = time.perf_counter()
    answer = net(images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return answer, time.perf_counter() - start


def _agrees(answer: Any, expected: Any, tolerance: float) -> bool:
    (ours, structure), (theirs, wanted) = pytree.tree_flatten(answer), pytree.tree_flatten(expected)
    return structure == wanted and all(_same(a, b, tolerance) for a, b in zip(ours, theirs, strict=True))


def _same(ours: Any, theirs: Any, tolerance: float) -> bool:
    """Whether two leaves differ by rounding only: of logits a share of their size, of classes a share of the pixels."""
    if not isinstance(theirs, Tensor):
        return ours == theirs
    if not (theirs.is_floating_point() or theirs.is_complex()):
        return float((ours != theirs).double().mean()) <= tolerance / 10
    error, scale = (float(t.abs().square().mean().sqrt()) for t in (ours - theirs, theirs))
    return error <= tolerance * scale


def _noise(net: nn.Module) -> Tensor:
    first = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None:
        raise ArgumentError(f"`net` ({type(net).__name__}) has no 2-D convolution; pass `images` to measure with.")
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, first.in_channels, 512, 512, generator=generator).to(first.weight.device)
