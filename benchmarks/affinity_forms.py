"""The forms of learned affinity that `affinity.py` compares, and what they are given.

Beside the kernels: the recurrence as it reads, and with columns first in memory; the diffusion in the style of the
published module, and as slices of one padded map; affinity fields with every pixel's neighbours laid out by ``unfold``.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.affinity import convolutional_propagation, spatial_propagation
from intarsia.affinity.affinity_field import affinity_field_loss

OFFSETS = [(1, 1), (1, 0), (1, -1), (0, 1), (0, -1), (-1, 1), (-1, 0), (-1, -1)]  # of the published module's channels

Form = Callable[[Tensor, Tensor], Tensor]


def spn(direction: str = "left_to_right") -> Form:
    return lambda x, gates: spatial_propagation(x, gates, direction, None)


def cspn(steps: int = 24, kernel_size: int = 3) -> Form:
    return lambda h0, guidance: convolutional_propagation(h0, guidance, steps, kernel_size)


def step_major(x: Tensor, gates: Tensor) -> Tensor:
    """Left to right with columns first in memory, so that each step reads and writes whole lines."""
    x, gates = x.permute(3, 0, 1, 2).contiguous(), gates.permute(1, 4, 0, 2, 3).contiguous()
    p0, p1, p2 = F.pad(gates[0, ..., 1:], (1, 0)), gates[1], F.pad(gates[2, ..., :-1], (0, 1))
    own = (1 - p0 - p1 - p2) * x
    h = [x[0]]
    for t in range(1, len(x)):
        before = F.pad(h[-1], (1, 1))
        h.append(own[t] + p0[t] * before[..., :-2] + p1[t] * before[..., 1:-1] + p2[t] * before[..., 2:])
    return torch.stack(h).permute(1, 2, 3, 0).contiguous()


def column_loop(x: Tensor, gates: Tensor) -> Tensor:
    """Left to right as the equation is read."""
    p0, p1, p2 = F.pad(gates[:, 0, :, 1:], (0, 0, 1, 0)), gates[:, 1], F.pad(gates[:, 2, :, :-1], (0, 0, 0, 1))
    h = [x[..., 0]]
    for t in range(1, x.shape[3]):
        before = F.pad(h[-1], (1, 1))
        a, b, c = p0[..., t], p1[..., t], p2[..., t]
        carried = a * before[..., :-2] + b * before[..., 1:-1] + c * before[..., 2:]
        h.append((1 - a - b - c) * x[..., t] + carried)
    return torch.stack(h, -1)


def published(h0: Tensor, guidance: Tensor) -> Tensor:
    """24 steps in the style of the published module: each pads eight copies of the map and sums by a convolution."""
    pads = [(1 - right, 1 + right, 1 - down, 1 + down) for down, right in OFFSETS]
    one = torch.ones(1, 8, 1, 1, 1)
    gates = torch.stack([F.pad(guidance[:, k : k + 1], pad) for k, pad in enumerate(pads)], 1)
    weights = gates / F.conv3d(gates.abs(), one)
    first = ((1 - F.conv3d(weights, one)).squeeze(1))[..., 1:-1, 1:-1] * h0
    h = h0
    for _ in range(24):
        maps = torch.stack([F.pad(h, pad) for pad in pads], 1)
        h = first + F.conv3d(weights * maps, one).squeeze(1)[..., 1:-1, 1:-1]
    return h


def slices(h0: Tensor, guidance: Tensor) -> Tensor:
    """24 steps of slices of one padded map: the quickest form in PyTorch that was found."""
    height, width = h0.shape[2:]
    padded = F.pad(guidance, (1, 1, 1, 1))
    cut = [(slice(1 + down, 1 + down + height), slice(1 + right, 1 + right + width)) for down, right in OFFSETS]
    gates = torch.stack([padded[:, k, rows, columns] for k, (rows, columns) in enumerate(cut)], 1)
    weights = gates / gates.abs().sum(1, keepdim=True)
    first, h = (1 - weights.sum(1, keepdim=True)) * h0, h0
    for _ in range(24):
        padded, h = F.pad(h, (1, 1, 1, 1)), first
        for k, (rows, columns) in enumerate(cut):
            h = torch.addcmul(h, weights[:, k : k + 1], padded[..., rows, columns])
    return h


def unfolded(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of affinity fields at all three sizes, where each pixel's window is laid out in memory."""
    classes, (height, width) = logits.shape[1], labels.shape[1:]
    p = logits.softmax(1)
    a, b = p.clamp_min(1e-4), (1 - p).clamp_min(1e-4)
    owns = F.one_hot(labels, classes).movedim(3, 1).to(p.dtype)
    loss = logits.new_zeros(())
    for offset in (1, 2, 3):

        def windows(maps: Tensor, offset: int = offset) -> Tensor:
            return (
                F.unfold(maps, 3, dilation=offset, padding=offset).unflatten(1, (-1, 9)).unflatten(3, (height, width))
            )

        inside = windows(torch.ones_like(labels[:, None], dtype=p.dtype)) > 0
        valid = inside & inside.flip(2)
        valid[:, :, 4] = False  # the pixel itself
        q_a, q_b = windows(a).clamp_min(1e-4), windows(b).clamp_min(1e-4)
        kl = q_a * (q_a / a[:, :, None]).log() + q_b * (q_b / b[:, :, None]).log()
        edges = valid & (windows(owns) != owns[:, :, None])
        others = valid & ~edges
        for entries, values in ((edges, (3 - kl).clamp_min(0)), (others, kl)):
            loss = loss + torch.where(entries, values, 0).sum() / entries.sum().clamp_min(1)
    return loss


def spn_inputs(channels: int = 32, side: int = 128) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(1, channels, side, side), torch.rand(1, 3, channels, side, side) / 3


def cspn_inputs(height: int = 228, width: int = 304, neighbours: int = 8) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return 1 + torch.rand(1, 1, height, width), torch.randn(1, neighbours, height, width)


def aaf_inputs(side: int = 65, classes: int = 21) -> tuple[Tensor, Tensor]:
    """Labels are in squares, so that there are edges and places without."""
    torch.manual_seed(0)
    squares = torch.randint(classes, (1, -(-side // 8), -(-side // 8)))
    labels = squares.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :side, :side].contiguous()
    return 2 * torch.randn(1, classes, side, side), labels


SPN = {"kernel": spn(), "step-major loop": step_major, "column loop": column_loop}
CSPN = {"kernel": cspn(), "published style": published, "slices": slices}
AAF = {"kernel": affinity_field_loss, "unfolded": unfolded}
CASES: dict[str, tuple[dict[str, Form], Callable[[], tuple[Tensor, Tensor]]]] = {
    "SPN": (SPN, spn_inputs),
    "CSPN": (CSPN, cspn_inputs),
    "AAF 65": (AAF, aaf_inputs),
    "AAF 129": (AAF, partial(aaf_inputs, 129)),
}
