"""Batch norm whose statistics are those of the batch of all processes, on a CPU too."""

from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import convert_sync_batchnorm
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]


class SynchronisedBatchNorm(_BatchNorm):
    """``nn.BatchNorm`` over the images of all processes together.

    Ioffe and Szegedy, arXiv:1502.03167, algorithm 1, with the mini-batch spread over processes, as
    DeepLab v3 needs it (arXiv:1706.05587, section 4.1: fewer than 12 images leave poor statistics). Outputs, gradients
    and running statistics are those of one process that sees all images. Processes may bring different numbers of
    images. ``nn.SyncBatchNorm`` computes the same, but on a GPU only.

    In evaluation, and where there is one process, it is plain batch norm. Names of parameters and buffers are those of
    ``nn.BatchNorm2d``; ``drop`` and ``act`` stand behind it in timm's networks.

    All processes must call it equally often: each training pass waits for the others.

    >>> SynchronisedBatchNorm(4)(torch.randn(2, 4, 3, 3)).shape
    torch.Size([2, 4, 3, 3])
    """

    @classmethod
    def like(cls, norm: _BatchNorm) -> "SynchronisedBatchNorm":
        """With the very parameters and buffers of ``norm``, so that an optimiser that knows them still does."""
        made = cls(norm.num_features, norm.eps, norm.momentum, False, norm.track_running_stats)
        made.affine, made.weight, made.bias = norm.affine, norm.weight, norm.bias
        for name, buffer in norm.named_buffers(recurse=False):
            made.register_buffer(name, buffer)
        if isinstance(norm, BatchNormAct2d):
            made.drop, made.act = norm.get_submodule("drop"), norm.get_submodule("act")
        return made.train(norm.training)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.drop: nn.Module = nn.Identity()
        self.act: nn.Module = nn.Identity()

    def forward(self, input: Float[Tensor, "B C *size"]) -> Float[Tensor, "B C *size"]:
        """Normalise with the statistics of all processes; outside of training with the running ones."""
        together = self.training and dist.is_initialized() and dist.get_world_size() > 1
        return self.act(self.drop(self._together(input) if together else super().forward(input)))

    @cast(Any, torch.compiler.disable)  # what processes tell each other is no part of a graph
    def _together(self, images: Tensor) -> Tensor:
        count, mean, variance = _statistics(images.detach())
        if count == 1:  # as the library's
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {images.size()}")
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
            self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var.dtype), rate)
        return _Normalise.apply(images, mean, variance, count, self.weight, self.bias, self.eps)  # pyright: ignore[reportReturnType]

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions will do."""


def synchronised(net: nn.Module) -> nn.Module:
    """``net`` with every batch norm replaced by a synchronised one, which takes over parameters, buffers and mode.

    Those of a network on a GPU become ``nn.SyncBatchNorm``.

    >>> net = synchronised(nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)))
    >>> list(net.state_dict())
    ['0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var', '1.num_batches_tracked']
    """
    if any(parameter.is_cuda for parameter in net.parameters()):
        return convert_sync_batchnorm(net)
    if isinstance(net, _BatchNorm):
        return SynchronisedBatchNorm.like(net)
    for name, child in net.named_children():
        setattr(net, name, synchronised(child))
    return net


def _statistics(images: Tensor) -> tuple[int, Tensor, Tensor]:
    """Number of values a channel, their mean and biased variance (C,) in float64, over all processes.

    Each process's variance is around its own mean, and the means' spread is added: no difference of large sums.
    """
    if images.dtype in (torch.float16, torch.bfloat16):  # whose statistics would be as coarse as they are
        images = images.float()
    count = images.numel() // images.shape[1]
    means, variances = torch.batch_norm_update_stats(images, None, None, 0.0)  # type: ignore[attr-defined]
    own = torch.cat([means.new_tensor([count], dtype=torch.float64), means.double(), variances.double()])
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own)
    counts, means, variances = torch.stack(parts).split([1, images.shape[1], images.shape[1]], dim=1)
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    variance = (counts * (variances + (means - mean).square())).sum(0) / total
    return int(total), mean, variance


class _Normalise(torch.autograd.Function):
    """weight · (x − mean) / √(variance + ε) + bias, where mean and variance depend on x in every process."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, variance: Tensor, count: int, weight: Tensor, bias: Tensor, eps: float
    ) -> Tensor:
        dtype = x.dtype if weight is None else weight.dtype
        mean, variance = mean.to(dtype), variance.to(dtype)
        ctx.save_for_backward(x, mean, variance, weight)
        ctx.count, ctx.eps = count, eps
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """As if mean and variance were constants, and then what x does through them (arXiv:1502.03167, section 3)."""
        x, mean, variance, weight = ctx.saved_tensors
        slopes, to_weight, to_bias = torch.ops.aten.native_batch_norm_backward(
            gradients[0], x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([to_bias, to_weight]).double()
        dist.all_reduce(sums)
        from_mean, from_variance = (sums / ctx.count).to(mean.dtype)
        scale = (variance + ctx.eps).rsqrt()
        slope = scale if weight is None else scale * weight
        by_channel = [1, -1] + [1] * (x.ndim - 2)
        centred = x - mean.view(by_channel)
        slopes = slopes - (centred * (slope * scale * from_variance).view(by_channel)).add_(
            (slope * from_mean).view(by_channel)
        )
        affine = (None, None) if weight is None else (to_weight, to_bias)
        return slopes.to(x.dtype), None, None, None, *affine, None
