"""The two Gaussian kernels of the dense CRF over a batch of maps, normalised: what messages are filtered with."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from intarsia.affinity.lattice import Lattice
from intarsia.errors import ArgumentError
from intarsia.kernels.mean_field.gaussian import gaussian_taps
from intarsia.kernels.permutohedral.general import Permutohedral

TINY = 1e-20

Maps = Float[Tensor, "B K H W"]
Result = TypeVar("Result")
# Values, a scale for each position, whether transposed → scale · K · (scale · values).
Filter = Callable[[Float[Tensor, "B N C"], Float[Tensor, "B N 1"], bool], Float[Tensor, "B N C"]]


class Smoothness:
    """exp(−½ |p − q|² / σ²) over the positions of pixels, symmetrically normalised; it is its own adjoint.

    Exact within 4 σ, along one axis after the other; :func:`intarsia.dense_crf` is quicker and smooths at half the
    resolution where σ is large, which differs by some thousandths in a probability.
    """

    def __init__(self, like: Maps, sxy: float) -> None:
        self.columns, self.rows = (_both_sides(sxy, length).to(like) for length in like.shape[2:])
        self.scale = like.new_ones(())
        self.scale = self(like.new_ones(1, 1, *like.shape[2:])).add(TINY).rsqrt()

    def __call__(self, values: Maps, transposed: bool = False) -> Maps:
        """Along columns, then along rows."""
        maps = (values * self.scale).contiguous(memory_format=torch.channels_last)  # five times as fast so
        classes = maps.shape[1]
        columns, rows = (taps.expand(classes, 1, -1) for taps in (self.columns, self.rows))
        maps = F.conv2d(maps, columns[..., None], padding=(columns.shape[2] // 2, 0), groups=classes)
        maps = F.conv2d(maps, rows[:, :, None], padding=(0, rows.shape[2] // 2), groups=classes)
        return (maps * self.scale).contiguous()


class Appearance:
    """exp(−½ |p − q|² / σ_xy² − ½ |I_p − I_q|² / σ_rgb²) on the permutohedral lattice, symmetrically normalised.

    The lattice is that of :func:`intarsia.dense_crf` on a CPU, and PyTorch's own elsewhere.

    Raises:
        ArgumentError: an image is not finite.
    """

    def __init__(self, levels: Maps, sxy: float, srgb: float) -> None:
        _check_finite(levels)
        features = _features(levels, sxy, srgb)
        self.filter = _compiled(features) if features.device.type == "cpu" else _in_pytorch(features)
        ones = features.new_ones(*features.shape[:2], 1)
        self.scale = (self.filter(ones, ones, False) + TINY).rsqrt()

    def __call__(self, values: Maps, transposed: bool = False) -> Maps:
        """``transposed`` is the adjoint: the lattice is not quite symmetric."""
        rows = values.flatten(2).mT.contiguous()
        return self.filter(rows, self.scale, transposed).mT.contiguous().view(values.shape)


def _check_finite(levels: Maps) -> None:
    finite = levels.isfinite()
    if not finite.all():
        image, channel, row, column = (~finite).nonzero()[0].tolist()
        raise ArgumentError(
            f"`images` are {levels[image, channel, row, column].item()} for image {image}, channel {channel} at row "
            f"{row}, column {column}; they must be finite: fill it in, or leave the image out."
        )


def _both_sides(sxy: float, length: int) -> Float[Tensor, " T"]:
    one_side = torch.from_numpy(gaussian_taps(sxy, length))
    return torch.cat([one_side[1:].flip(0), one_side])


def _features(levels: Maps, sxy: float, srgb: float) -> Float[Tensor, "B N d"]:
    """Column, row and colours, in standard deviations."""
    rows, columns = (torch.arange(n, device=levels.device, dtype=levels.dtype) for n in levels.shape[2:])
    places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).flatten(0, 1) / sxy
    colours = levels.flatten(2).mT / srgb
    return torch.cat([places.expand(len(levels), -1, -1), colours], dim=-1)


def _compiled(features: Float[Tensor, "B N d"]) -> Filter:
    """A compiled lattice for each image; several images are worked on at once, as many as PyTorch has threads."""
    threads = min(len(features), torch.get_num_threads())
    lattices = _spread(lambda image: Permutohedral(image.astype(np.float32)), features.numpy(), threads)

    def scaled(
        values: Float[Tensor, "B N C"], scale: Float[Tensor, "B N 1"], transposed: bool
    ) -> Float[Tensor, "B N C"]:
        result = torch.zeros_like(values)
        images = zip(lattices, values.numpy(), scale.squeeze(2).numpy(), result.numpy(), strict=True)
        _spread(lambda image: image[0].add(image[1], image[2], image[2], image[3], transposed), images, threads)
        return result

    return scaled


def _in_pytorch(features: Float[Tensor, "B N d"]) -> Filter:
    """One lattice for all images, of PyTorch's operations."""
    lattice = Lattice(features)
    return lambda values, scale, transposed: lattice.filter(values * scale, transposed) * scale


def _spread(work: Callable[[Any], Result], items: Iterable[Any], threads: int) -> list[Result]:
    """The results in order. The threads end with the call, so that a process may fork afterwards."""
    if threads == 1:
        return list(map(work, items))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
