"""Spatial propagation: each line of a map mixes with the line before it, as gates say (SPN).

Liu et al., "Learning Affinity via Spatial Propagation Networks", NIPS 2017, arXiv:1710.01020, section 3. Gates are what
a network makes of an image; a gate near one carries a value on, and a pixel whose gates are zero keeps its own.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.affinity.devices import has_kernels
from intarsia.affinity.in_pytorch import propagate_lines, propagate_lines_back
from intarsia.affinity.refusals import check_finite, check_floating, check_one_device, check_one_grid, exact_dtype
from intarsia.errors import ArgumentError
from intarsia.kernels.parts import in_parts
from intarsia.kernels.propagation.back import propagate_back
from intarsia.kernels.propagation.recurrence import propagate
from intarsia.kernels.propagation.strips import sweep_of

Direction = Literal["left_to_right", "right_to_left", "top_to_bottom", "bottom_to_top"]
Normalisation = Literal["where_needed", "always"]

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
DIVIDED_FROM = {None: float("inf"), "where_needed": 1.0, "always": 1e-8}  # sums of sizes that gates are divided by


def spatial_propagation(
    x: Float[Tensor, "B C H W"],
    gates: Float[Tensor, "B ways gate_channels H W"],
    direction: Direction,
    normalisation: Normalisation | None = "where_needed",
) -> Float[Tensor, "B C H W"]:
    """The linear recurrence along one direction (section 3.1, equations 1, 2 and 8).

    From left to right, with gates p read at the pixel itself and h[k, t] the output in row k and column t:
    ``h[k, t] = (1 - p0 - p1 - p2) x[k, t] + p0 h[k-1, t-1] + p1 h[k, t-1] + p2 h[k+1, t-1]``.
    From top to bottom rows and columns change places; the other two start at the other end. A gate that leads out of
    the image counts as zero, so that the first line is x itself.

    Args:
        x: any map.
        gates: three ways, in the order above, or one (p1 alone); with as many channels as x, or one for all of them.
        direction: where the recurrence goes.
        normalisation: the paper bounds the output by asking for Σ|p| ≤ 1 (section 3.3). "where_needed" divides by Σ|p|
            where it is 1 or more, as the authors' PyTorch code does, "always" everywhere, as their Caffe code does (but
            for sums below 1e-8, so that gates of zero stay zero and have a finite gradient). With None nothing is
            divided, and the output can grow without bounds.

    Half precision is computed in float32. On the CPU a compiled kernel computes it, on as many threads as PyTorch has
    (maps of the batch's channels are shared out between them), on a GPU one of Triton, with a warp or a few for each
    map; second derivatives are not defined there. Elsewhere, without Triton, and for lines too long for a GPU's shared
    memory (from 4097 pixels on, in float64 from 2049), a loop over lines in PyTorch does.
    Only the CPU's looks at the numbers.

    Raises:
        ArgumentError: shapes do not fit, tensors lie on two devices or hold whole numbers, or (on the CPU) gates are
            not finite.

    >>> x = torch.tensor([[1.0, 5.0, 2.0]]).view(1, 1, 1, 3)
    >>> spatial_propagation(x, torch.ones(1, 1, 1, 1, 3), "left_to_right").flatten()
    tensor([1., 1., 1.])
    """
    check_floating(x=x, gates=gates)
    check_one_device(x=x, gates=gates)
    _check_shapes(x, gates)
    if direction not in DIRECTIONS:
        raise ArgumentError(f"`direction` (={direction!r}) must be one of {', '.join(DIRECTIONS)}.")
    if normalisation not in DIVIDED_FROM:
        raise ArgumentError(f"`normalisation` (={normalisation!r}) must be 'where_needed', 'always' or None.")
    exact, threshold = exact_dtype(x, gates), DIVIDED_FROM[normalisation]
    parts = x.to(exact), gates.to(exact)
    if not x.numel():
        return (parts[0] * (1 - parts[1].sum(1))).to(x.dtype)  # as empty, and both get gradients
    if has_kernels(x):
        return _propagate(*parts, direction, threshold).to(x.dtype)
    return propagate_lines(*parts, *_course(direction), threshold).to(x.dtype)


def _check_shapes(x: Tensor, gates: Tensor) -> None:
    if x.ndim != 4 or gates.ndim != 5:
        raise ArgumentError(
            f"`x` {tuple(x.shape)} must be (B, C, H, W), and `gates` {tuple(gates.shape)} (B, ways, C or 1, H, W)."
        )
    if gates.shape[1] not in (1, 3) or gates.shape[2] not in (1, x.shape[1]):
        raise ArgumentError(
            f"`gates` {tuple(gates.shape)} have {gates.shape[1]} ways of {gates.shape[2]} channels: there must be 3 "
            f"ways or 1, with the {x.shape[1]} channels of `x` or 1; `unflatten(1, (3, {x.shape[1]}))` splits guidance."
        )
    check_one_grid(x=x, gates=gates)


@torch.library.custom_op("intarsia::spatial_propagation", mutates_args=())
def _propagate(x: Tensor, gates: Tensor, direction: str, threshold: float) -> Tensor:
    x, gates = x.contiguous(), gates.contiguous()
    h = torch.empty_like(x)
    x_, gates_, h_ = (tensor.detach().numpy() for tensor in (x, gates, h))
    (across, backwards), finite = _course(direction), list[bool]()

    def work(first: int, last: int) -> None:
        sweep = sweep_of(x_, gates.shape[1], across, backwards, threshold)
        finite.append(propagate(x_, gates_, sweep, first, last, h_))

    in_parts(work, x.shape[0] * x.shape[1], torch.get_num_threads())
    if not all(finite):  # what is not finite comes as far as the last line
        check_finite(h, gates=gates)
    return h


@_propagate.register_kernel("cuda")
def _propagate_on_gpu(x: Tensor, gates: Tensor, direction: str, threshold: float) -> Tensor:
    from intarsia.kernels.propagation import on_gpu  # Triton is not on every machine

    course = _course(direction)
    if not on_gpu.holds_lines(x, course[0]):
        return propagate_lines(x, gates, *course, threshold)
    with torch.cuda.device(x.device):
        return on_gpu.propagate(x, gates, *course, threshold)


@_propagate.register_fake
def _like(x: Tensor, gates: Tensor, direction: str, threshold: float) -> Tensor:
    return x.new_empty(x.shape)


@torch.library.custom_op("intarsia::spatial_propagation_backward", mutates_args=())
def _propagate_backward(
    grad: Tensor, x: Tensor, gates: Tensor, h: Tensor, direction: str, threshold: float
) -> tuple[Tensor, Tensor]:
    grad, x, gates, h = (tensor.contiguous() for tensor in (grad, x, gates, h))
    shared = gates.shape[2] == 1
    grad_x, grad_gates = torch.empty_like(x), torch.zeros_like(gates) if shared else torch.empty_like(gates)
    inputs = [tensor.detach().numpy() for tensor in (grad, x, gates, h)]
    outputs = [tensor.numpy() for tensor in (grad_x, grad_gates)]
    across, backwards = _course(direction)
    channels = x.shape[1] if shared else 1  # maps that add to one gradient belong to one thread

    def work(first: int, last: int) -> None:
        sweep = sweep_of(inputs[1], gates.shape[1], across, backwards, threshold)
        propagate_back(*inputs, sweep, first * channels, last * channels, *outputs)

    in_parts(work, x.shape[0] * x.shape[1] // channels, torch.get_num_threads())
    return grad_x, grad_gates


@_propagate_backward.register_kernel("cuda")
def _propagate_backward_on_gpu(
    grad: Tensor, x: Tensor, gates: Tensor, h: Tensor, direction: str, threshold: float
) -> tuple[Tensor, Tensor]:
    from intarsia.kernels.propagation import on_gpu

    course = _course(direction)
    if not on_gpu.holds_lines(x, course[0]):
        return propagate_lines_back(grad, x, gates, *course, threshold)
    with torch.cuda.device(x.device):
        return on_gpu.propagate_back(grad, x, gates, h, *course, threshold)


@_propagate_backward.register_fake
def _like_both(
    grad: Tensor, x: Tensor, gates: Tensor, h: Tensor, direction: str, threshold: float
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), gates.new_empty(gates.shape)


def _keep(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, Tensor, str, float], output: Tensor) -> None:
    x, gates, ctx.direction, ctx.threshold = inputs  # type: ignore[attr-defined]
    ctx.save_for_backward(x, gates, output)


def _backward(ctx: torch.autograd.function.BackwardCFunction, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
    found = _propagate_backward(grad, *ctx.saved_tensors, ctx.direction, ctx.threshold)  # type: ignore[attr-defined]
    return *found, None, None


_propagate.register_autograd(_backward, setup_context=_keep)


def _course(direction: str) -> tuple[bool, bool]:
    """Whether steps go from column to column, and whether backwards."""
    return direction in DIRECTIONS[:2], direction in (DIRECTIONS[1], DIRECTIONS[3])


class SpatialPropagation(nn.Module):
    """A map propagated in all four directions, and the four results merged (section 4).

    Args:
        channels: of the map.
        ways: 3, or 1 for the one-way connection.
        shared: one gate for all channels instead of one each.
        normalisation: see `spatial_propagation`.
        merge: "max" takes the largest of the four, the paper's; "learned" weighs them by a 1×1 convolution over all
            4 · channels, which is their mean at first.

    >>> refine = SpatialPropagation(channels=32)
    >>> refine.gates  # four directions, three ways, 32 channels
    384
    >>> refine(torch.randn(1, 32, 8, 8), torch.randn(1, 384, 8, 8)).shape
    torch.Size([1, 32, 8, 8])
    """

    def __init__(
        self,
        channels: int,
        ways: Literal[1, 3] = 3,
        *,
        shared: bool = False,
        normalisation: Normalisation | None = "where_needed",
        merge: Literal["max", "learned"] = "max",
    ) -> None:
        super().__init__()
        self.shape = (len(DIRECTIONS), ways, 1 if shared else channels)
        self.gates = len(DIRECTIONS) * ways * (1 if shared else channels)
        self.normalisation: Normalisation | None = normalisation
        self.merge = None
        if merge == "learned":
            self.merge = nn.Conv2d(len(DIRECTIONS) * channels, channels, 1, bias=False)
            with torch.no_grad():
                self.merge.weight.copy_(
                    torch.eye(channels).repeat(1, len(DIRECTIONS))[:, :, None, None] / len(DIRECTIONS)
                )

    def forward(self, x: Float[Tensor, "B C H W"], guidance: Float[Tensor, "B G H W"]) -> Float[Tensor, "B C H W"]:
        """Guidance holds the gates: directions in the order of `DIRECTIONS`, in each its ways, in each its channels."""
        if guidance.shape[1] != self.gates:
            raise ArgumentError(
                f"`guidance` has {guidance.shape[1]} channels and must have {self.gates}, {self.shape[1]} ways of "
                f"{self.shape[2]} gates in each of four directions; its last convolution needs as many outputs."
            )
        gates = guidance.unflatten(1, self.shape)
        results = [
            spatial_propagation(x, gates[:, number], direction, self.normalisation)
            for number, direction in enumerate(DIRECTIONS)
        ]
        return torch.stack(results).amax(0) if self.merge is None else self.merge(torch.cat(results, 1))
