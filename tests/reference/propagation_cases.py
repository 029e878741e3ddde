"""What spatial and convolutional propagation are tested with, on the CPU and on a GPU."""

import torch
from torch import Tensor

OPTIONS = [
    {"norm": norm, "centre": centre, "layout": layout}
    for norm in ("8sum", "8sum_abs")
    for centre in ("initial", "current")
    for layout in ("shifted", "centred")
]
MEASURED = (None, "kept", "replaced", "blended")


def spatial_inputs(
    height: int, width: int, ways: int = 3, shared: bool = False, batch: int = 2, channels: int = 2, scale: float = 0.5
) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(height + 100 * width)
    x = torch.randn(batch, channels, height, width, generator=draw, dtype=torch.float64)
    gates = torch.randn(batch, ways, 1 if shared else channels, height, width, generator=draw, dtype=torch.float64)
    return x, scale * gates


def convolutional_inputs(
    height: int, width: int, kernel_size: int = 3, *, batch: int = 2, channels: int = 2, measured: bool = True
) -> tuple[Tensor, Tensor, Tensor | None]:
    draw = torch.Generator().manual_seed(height + 100 * width)
    h0, values = torch.randn(2, batch, channels, height, width, generator=draw, dtype=torch.float64)
    guidance = torch.randn(batch, kernel_size**2 - 1, height, width, generator=draw, dtype=torch.float64)
    some = torch.rand(batch, 1, height, width, generator=draw) < 0.3
    return h0, guidance, values * some if measured else None
