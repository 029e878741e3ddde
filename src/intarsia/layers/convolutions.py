"""Convolution → batch norm → ReLU, plain and separable: the brick of every decoder."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class PooledBatchNorm2d(nn.BatchNorm2d):
    """Batch norm for maps pooled to few positions, which also trains on a single image.

    One value a channel has no variance: with batch 1 and one position (image pooling, the coarsest pyramid bin)
    PyTorch refuses to train. Here the running statistics serve in that case, as in evaluation. Everything else,
    names of parameters included, is ``nn.BatchNorm2d``.

    >>> import torch
    >>> PooledBatchNorm2d(4).train()(torch.randn(1, 4, 1, 1)).shape
    torch.Size([1, 4, 1, 1])
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalise with the batch's statistics if it has any."""
        batch, _, height, width = input.shape
        if batch * height * width > 1:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


def convolution(in_channels: int, out_channels: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Size-keeping convolution without bias, batch norm, ReLU."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def separable_convolution(
    in_channels: int, out_channels: int, kernel: int = 3, dilation: int = 1, *, depthwise_norm: bool = True
) -> nn.Sequential:
    """Depthwise, then pointwise convolution, each with batch norm and ReLU.

    MobileNet, arXiv:1704.04861, section 3.1 and figure 3. ``depthwise_norm=False`` leaves out the first norm and ReLU,
    as segmentation_models_pytorch does.
    """
    padding = dilation * (kernel // 2)
    depthwise = nn.Conv2d(
        in_channels, in_channels, kernel, padding=padding, dilation=dilation, groups=in_channels, bias=False
    )
    between = [nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True)] if depthwise_norm else []
    return nn.Sequential(depthwise, *between, *convolution(in_channels, out_channels, 1))


def pooled_projection(in_channels: int, out_channels: int) -> nn.Sequential:
    """1×1 convolution, batch norm and ReLU for pooled maps."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False), PooledBatchNorm2d(out_channels), nn.ReLU(inplace=True)
    )
