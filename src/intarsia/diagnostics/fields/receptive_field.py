"""Receptive fields: what a position could depend on by a network's form, and what it does depend on by its weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from torch import Tensor, nn

from intarsia.backbones.survey import map_strides, named_maps
from intarsia.diagnostics.fields.dependence import LOGITS, Dependence, dependence, named_stages
from intarsia.diagnostics.watching import watching
from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.models import SegmentationNetwork

SIDES = (512, 1024, 2048, 4096, 8192)  # pixels of the images that are sent through until a field fits inside
SEEDS = 4
TWO_SIGMA = 1 - np.exp(-2)  # of a Gaussian in the plane lies within two standard deviations


@dataclass(frozen=True)
class TheoreticalField:
    """What a position in the middle of a map can depend on.

    ``rows`` and ``columns`` are the extent of its field in pixels, and ``seen`` how many of these rows and columns it
    reads: fewer where dilation leaves holes. ``whole`` are the modules that bring in the whole image besides, by a
    mean, pooling into a fixed number of bins, or attention; extent and count leave these paths out.
    """

    name: str
    stride: int
    rows: int
    columns: int
    seen: tuple[int, int]
    whole: tuple[str, ...]


def theoretical_fields(net: nn.Module) -> tuple[TheoreticalField, ...]:
    """The field of each stage of the backbone and of the logits, or of a plain network's output, by its own code.

    Kernels, strides, rates, padding, resizing and cropping are followed along the code as it runs, and branches are
    united (:func:`intarsia.diagnostics.dependence.dependence`). An image grows until a position in the middle sees no
    border; a field above 8192 pixels is given as 8192.

    >>> convolutions = (nn.Conv2d(3, 3, 3, padding=rate, dilation=rate) for rate in (2, 2, 2))
    >>> theoretical_fields(nn.Sequential(*convolutions))
    (TheoreticalField(name='logits', stride=1, rows=13, columns=13, seen=(7, 7), whole=()),)
    """
    fields: dict[str, TheoreticalField] = {}
    names: tuple[str, ...] = (LOGITS,)
    for side in SIDES:
        paths = dependence(net, side, side)
        names = tuple(paths.maps)
        for name in names:
            found, inside = _middle(paths, name, stride_of(net, name))
            if name not in fields and (inside or side == SIDES[-1]):
                fields[name] = found
        if len(fields) == len(names):
            break
    return tuple(fields[name] for name in names)


def _middle(paths: Dependence, name: str, stride: int) -> tuple[TheoreticalField, bool]:
    """The field of a map's middle, and whether it lies inside the image."""
    map_ = paths.positions[paths.maps[name]]
    axes = local_reach(paths, name, map_.rows // 2, map_.columns // 2)
    image = paths.positions[0]
    inside = all(
        read[0] > 0 and read[-1] < size - 1 for read, size in zip(axes, (image.rows, image.columns), strict=True)
    )
    rows, columns = (int(read[-1] - read[0]) + 1 for read in axes)
    seen = len(axes[0]), len(axes[1])
    return TheoreticalField(name, stride, rows, columns, seen, paths.looks_at_everything(name)), inside


def stride_of(net: nn.Module, name: str) -> int:
    """Pixels from one position of a map to the next: a stage's own, or from how a plain network's output grows.

    >>> stride_of(nn.Conv2d(3, 4, 3, stride=2, padding=100), "logits")
    2
    """
    if not isinstance(net, SegmentationNetwork):
        return max(1, map_strides(net)[0][1])
    spec = net.backbone.spec
    return 1 if name == LOGITS else spec.strides[spec.index_of(int(name.removeprefix("stage ")))]


def local_reach(
    paths: Dependence, name: str, row: int, column: int
) -> tuple[Int64[ndarray, " _"], Int64[ndarray, " _"]]:
    """The rows and columns that a position reads; paths that bring in a whole map count only if there are no others.

    Raises:
        ArgumentError: it reads nothing, as in the middle of wide padding.
    """
    for local in (True, False):
        rows, columns = (np.flatnonzero(seen) for seen in paths.reach(name, row, column, local=local))
        if len(rows) and len(columns):
            return rows, columns
    raise ArgumentError(
        f"Row {row}, column {column} of the map `{name}` reads no pixel of the image, since padding surrounds it; "
        "choose a position nearer to the middle."
    )


def effective_field(
    net: nn.Module,
    images: Float[Tensor, "B C H W"],
    name: str = LOGITS,
    at: tuple[int, int] | None = None,
    seeds: int = SEEDS,
) -> Float64[ndarray, "H W"]:
    """How strongly each pixel moves one position of a map: the mean square of its derivatives.

    With one random weight a channel, v ~ N(0, 1), the gradient of v · map at the position is taken with respect to the
    image; its square, summed over the image's channels and averaged over ``seeds`` draws of v and over the images,
    estimates the squared derivatives of all channels together. Luo et al., arXiv:1701.04128, section 2, set the
    gradient of the output to 1 at its centre and average over random images and weights; where weights have
    random signs it is the squares whose mean their equations give. Evaluation mode is used, and the network is left as
    it was.

    Args:
        net: the network.
        images: normalised.
        name: one of the names of :func:`theoretical_fields`.
        at: row and column of the position in the map; by default its middle.
        seeds: number of draws.

    Raises:
        UnknownNameError: the network has no such map.
        ArgumentError: the position lies outside the map, or there is no draw.

    >>> net = nn.Conv2d(1, 4, 3, padding=2, dilation=2)
    >>> np.argwhere(effective_field(net, torch.zeros(1, 1, 7, 7)).sum(1)).ravel()
    array([1, 3, 5])
    """
    if seeds < 1:
        raise ArgumentError(f"`seeds` (={seeds}) must be at least 1.")
    pixels = images.detach().clone().requires_grad_()
    energy = torch.zeros(images.shape[-2:], dtype=torch.float64, device=images.device)
    with evaluating(net), torch.enable_grad():
        vectors = _vectors(net, pixels, name, at)
        generator = torch.Generator().manual_seed(0)
        for _ in range(seeds):
            weights = torch.randn(vectors.shape[1], generator=generator).to(vectors)
            (gradient,) = torch.autograd.grad((vectors * weights).sum(), pixels, retain_graph=True)
            energy += gradient.double().square().sum(1).mean(0)
    return (energy / seeds).cpu().numpy()


def _vectors(net: nn.Module, pixels: Tensor, name: str, at: tuple[int, int] | None) -> Float[Tensor, "B C"]:
    """The channels of one position of a map, with their graph."""
    backbone = isinstance(net, SegmentationNetwork)
    with watching(net, ["backbone"] if backbone else []) as seen:
        maps = {LOGITS: next(iter(named_maps(net(pixels)).values()))}
    if backbone:
        maps |= named_stages(net, seen["backbone"][0])
    if name not in maps:
        raise UnknownNameError("map", name, maps, "`theoretical_fields`")
    rows, columns = maps[name].shape[-2:]
    row, column = (rows // 2, columns // 2) if at is None else at
    if not (0 <= row < rows and 0 <= column < columns):
        raise ArgumentError(f"`at` (={at}) lies outside the map `{name}` of {rows} rows and {columns} columns.")
    return maps[name][:, :, row, column]


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every module gets its own mode back."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@dataclass(frozen=True)
class Gaussian:
    """The normal distribution with the first and second moments of a field.

    Args:
        centre: row and column.
        covariance: of rows and columns, in square pixels.
        inside: the share of the field's energy within two standard deviations; 0.865 if it is a Gaussian.
    """

    centre: tuple[float, float]
    covariance: tuple[tuple[float, float], tuple[float, float]]
    inside: float

    @property
    def sigma(self) -> tuple[float, float]:
        """The standard deviations along rows and columns, in pixels."""
        return float(np.sqrt(self.covariance[0][0])), float(np.sqrt(self.covariance[1][1]))

    @property
    def area(self) -> float:
        """Of the ellipse of two standard deviations: 4 π √det Σ square pixels."""
        return float(4 * np.pi * np.sqrt(max(np.linalg.det(self.covariance), 0.0)))


def fit_gaussian(field: Float64[ndarray, "H W"]) -> Gaussian:
    """The Gaussian of a field's moments.

    In a linear network of n convolutions with independent random weights, kernel k, rates d and strides whose product
    before layer i is s_i, the variance along an axis is Σ (d_i s_i)² (k² − 1) / 12: it grows like √n, while the
    theoretical field grows like n (Luo et al., section 2.2).

    Raises:
        ArgumentError: the field is zero everywhere.

    >>> fit_gaussian(np.ones((1, 3))).sigma
    (0.0, 0.816496580927726)
    """
    total = field.sum()
    if not total > 0:
        raise ArgumentError(
            "The field is zero everywhere: nothing in the image moves this position, as in a network whose last layer "
            "starts at zero; train the network first."
        )
    places = np.argwhere(np.ones(field.shape, dtype=bool))
    weights = field.ravel() / total
    centre = weights @ places
    apart = places - centre
    covariance = (apart * weights[:, None]).T @ apart
    widened = covariance + 1e-9 * np.eye(2)  # a field of one pixel, row or column has none
    distances = np.einsum("ni,ij,nj->n", apart, np.linalg.inv(widened), apart)
    inside = float(weights[distances <= 4].sum())
    (a, b), (c, d) = covariance.tolist()
    return Gaussian((float(centre[0]), float(centre[1])), ((a, b), (c, d)), inside)
