"""How much of a map repeats with a stride: its spectrum at the stride's frequencies, over what is beside them."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from intarsia.errors import ArgumentError

RING = (2, 3)  # bins from a frequency to its neighbours: Hann's window spreads a pure tone over one
ROUNDING = 1e-6  # an amplitude below this share of the map's own is taken for rounding
PERIODS = 8  # a shorter map has no frequencies between zero and its stride's neighbours


def artefact(maps: Float[Tensor, "B C H W"], stride: int) -> float:
    """How far a map's spectrum stands out at the multiples of 1 / ``stride``: 1 where it does not, 9 for nine times.

    A checkerboard repeats every ``stride`` pixels, so its energy lies at the frequencies (i / s, j / s) and nowhere
    else; a picture's own energy goes on smoothly around them. The number is the power at these frequencies (without
    zero) divided by the mean power of their neighbours, two and three bins away, both summed over frequencies, channels
    and images. White noise gives about 1, and so at most does a map behind bilinear or nearest-neighbour upsampling
    whatever convolution follows, since an interpolated constant has no pattern; on maps of some ten pixels chance may
    give 3. A pure checkerboard gives up to 10¹². A map resized afterwards by a factor that is not whole, as with
    ``align_corners=True``, repeats with no whole number of pixels, and its pattern is missed: such networks do not
    compare with others.

    Args:
        maps: what an upsampling gives, or logits, or a gradient; its trailing rows and columns that do not fill a
            stride are left out.
        stride: the factor by which the map was upsampled (or, for a gradient, downsampled).

    Raises:
        ArgumentError: the stride is below 2, or a side of the map is shorter than eight strides.

    Odena et al., Distill 2016 (doi:10.23915/distill.00003), show these artefacts as pictures; the number is ours.

    >>> noise = torch.randn(4, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> round(artefact(noise, 2), 1)
    1.0
    >>> noise[..., ::2, ::2] += 1
    >>> artefact(noise, 2) > 50
    True
    """
    peaks, neighbours, whole = _strengths(maps, stride)
    floor = ROUNDING**2 * whole
    return (peaks + floor) / (neighbours + floor) if neighbours + floor else 1.0


def artefact_of_large(maps: Float[Tensor, "B C H W"], stride: int) -> float | None:
    """The :func:`artefact`; None where a map is too small to have one."""
    return artefact(maps, stride) if min(maps.shape[-2:]) >= PERIODS * stride else None


def pattern_share(maps: Float[Tensor, "B C H W"], stride: int) -> float:
    """The amplitude of what repeats with ``stride`` over the map's own: 0.01 is a pattern of one per cent.

    Both are roots of mean squares. Beside :func:`artefact` it tells whether a pattern that stands out can be seen: on a
    very smooth map, as behind interpolation by 8, the neighbours are next to nothing, and chance stands out.

    Raises:
        ArgumentError: as :func:`artefact`.

    >>> maps = torch.ones(1, 1, 32, 32)
    >>> maps[..., ::2] += 0.02
    >>> round(pattern_share(maps, 2), 3)
    0.01
    """
    peaks, _, whole = _strengths(maps, stride)
    return (peaks / whole) ** 0.5 if whole else 0.0


def _strengths(maps: Tensor, stride: int) -> tuple[float, float, float]:
    """The power at the stride's frequencies, the mean power of their neighbours, and the whole map's as one tone."""
    if stride < 2:
        raise ArgumentError(f"`stride` (={stride}) must be at least 2: a map that was not resampled has no pattern.")
    rows, columns = (side - side % stride for side in maps.shape[-2:])
    if min(rows, columns) < PERIODS * stride:
        raise ArgumentError(
            f"A map of {maps.shape[-2]}×{maps.shape[-1]} is too small to tell a pattern of stride {stride}; it needs "
            f"{PERIODS * stride} pixels a side, so use a larger image."
        )
    power, whole = _power(maps[..., :rows, :columns])
    at, beside = _lattice(rows, columns, stride)
    return float(power[at[0], at[1]].sum()), float(power[beside[0], beside[1]].mean(dim=1).sum()), whole


def spectrum(maps: Float[Tensor, "B C H W"]) -> Float64[Tensor, "H W"]:
    """The power of each frequency, summed over channels and images, zero in the middle: for a picture of it.

    >>> spectrum(torch.ones(1, 1, 8, 8)).argmax()
    tensor(36)
    """
    return torch.fft.fftshift(_power(maps)[0])


def _power(maps: Tensor) -> tuple[Float64[Tensor, "H W"], float]:
    """The power spectrum under Hann's window, which keeps the borders out, and the power of a tone of the map's own."""
    exact = maps.detach().to("cpu", torch.float64)
    windows = [torch.hann_window(side, periodic=True, dtype=torch.float64) for side in exact.shape[-2:]]
    window = torch.outer(*windows)
    power = torch.fft.fft2(exact * window).abs().square().sum((0, 1))
    whole = float(exact.square().mean((-2, -1)).sum()) * float(window.sum()) ** 2
    return power, whole


def _lattice(rows: int, columns: int, stride: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the stride's frequencies, (2, F), and of the neighbours of each, (2, F, N)."""
    steps = torch.arange(stride)
    i, j = (part.flatten()[1:] for part in torch.meshgrid(steps, steps, indexing="ij"))  # without (0, 0)
    at = torch.stack([i * (rows // stride), j * (columns // stride)])
    reach = torch.arange(-RING[1], RING[1] + 1)
    down, right = (part.flatten() for part in torch.meshgrid(reach, reach, indexing="ij"))
    ring = torch.maximum(down.abs(), right.abs()) >= RING[0]
    offsets = torch.stack([down[ring], right[ring]])
    return at, (at[:, :, None] + offsets[:, None, :]) % torch.tensor([rows, columns])[:, None, None]
