"""The measure of a checkerboard: patterns of known strength, and maps that can have none."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.diagnostics.fields.spectrum import artefact, pattern_share, spectrum
from intarsia.errors import ArgumentError
from intarsia.layers import BilinearDeconvolution, ResizeConvolution


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_white_noise_has_no_pattern(stride: int) -> None:
    assert artefact(noise(16, 16, 50, 61), stride) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("amplitude", [0.1, 0.5])
def test_strength_of_a_known_pattern(amplitude: float) -> None:
    """In noise of variance 1 a tone of amplitude a stands out by a² (Σw)² / Σw², w being Hann's window."""
    rows = torch.arange(64)
    tone = amplitude * (-1.0) ** (rows[:, None] + rows)
    window = torch.hann_window(64, periodic=True, dtype=torch.float64)
    gain = float(window.sum() ** 2 / window.square().sum()) ** 2
    expected = (amplitude**2 * gain + 3) / 3  # one of three frequencies has the tone, and all have the noise
    assert artefact(noise(32, 16, 64, 64) + tone, 2) == pytest.approx(expected, rel=0.15)
    assert artefact(noise(32, 16, 64, 64) + tone, 3) == pytest.approx(1, abs=0.15)


def test_neither_scale_nor_level_nor_the_rest_of_a_stride_matters() -> None:
    maps = noise(1, 4, 48, 48)
    maps[..., ::3, ::3] += 2
    measured = artefact(maps, 3)
    assert artefact(1e-3 * maps, 3) == pytest.approx(measured)
    assert artefact(maps + 5, 3) == pytest.approx(measured, rel=1e-6)
    assert artefact(F.pad(maps, (0, 2, 0, 1), value=9.0), 3) == pytest.approx(measured)


def test_a_pure_checkerboard_and_no_map_at_all() -> None:
    rows = torch.arange(32)
    board = ((rows[:, None] + rows) % 2).double().expand(1, 1, 32, 32)
    assert artefact(board, 2) > 1e10
    assert artefact(torch.ones(1, 2, 32, 32) / 3, 2) == pytest.approx(1, abs=0.1)
    assert artefact(torch.zeros(1, 2, 32, 32), 2) == 1


def test_interpolation_leaves_no_pattern_and_an_uneven_kernel_does() -> None:
    torch.manual_seed(0)
    coarse = noise(2, 8, 40, 40).float() + 1  # of a mean other than zero, as maps behind a ReLU
    even = (BilinearDeconvolution(8, 2), ResizeConvolution(8, 8, 2), ResizeConvolution(8, 8, 2, "bilinear"))
    uneven = torch.nn.ConvTranspose2d(8, 8, 3, 2, 1)
    assert max(artefact(block(coarse), 2) for block in even) < 1.5
    assert artefact(uneven(coarse), 2) > 50


def test_spectrum_is_that_of_a_tone() -> None:
    rows = torch.arange(24, dtype=torch.float64)
    tone = torch.cos(2 * math.pi * rows / 4).expand(1, 1, 24, 24)
    power = spectrum(tone)
    assert divmod(int(power.argmax()), 24) in {(12, 6), (12, 18)}  # no change along the rows, a quarter along columns
    assert power[12, 12] < 1e-20 * power.max()


@pytest.mark.parametrize(
    ("size", "stride", "message"),
    [
        ((32, 32), 1, r"`stride` \(=1\) must be at least 2"),
        ((32, 31), 4, r"map of 32×31 is too small .* stride 4; it needs 32 pixels a side"),
    ],
)
def test_refusals(size: tuple[int, int], stride: int, message: str) -> None:
    for measure in (artefact, pattern_share):
        with pytest.raises(ArgumentError, match=message):
            measure(noise(1, 1, *size), stride)


def test_the_share_of_a_pattern() -> None:
    """Of a map of mean square 1 + a² that carries a tone of amplitude a, away from the tone's frequency."""
    rows = torch.arange(48)
    smooth = 2**0.5 * torch.sin(2 * math.pi * rows.double() / 48).expand(1, 1, 48, 48)
    tone = 0.05 * (-1.0) ** (rows[:, None] + rows).double()
    assert pattern_share(smooth + tone, 2) == pytest.approx(0.05 / (1 + 0.05**2) ** 0.5)
    assert pattern_share(smooth, 2) < 1e-12
    assert pattern_share(torch.zeros(1, 1, 48, 48), 2) == 0
