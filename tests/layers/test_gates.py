"""Squeeze and excitation, attention refinement, feature fusion."""

import pytest
import torch
from torch import nn

from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.layers import AttentionRefinement, FeatureFusion, SqueezeExcitation

X = torch.randn(2, 16, 5, 7, generator=torch.Generator().manual_seed(0))
Y = torch.randn(2, 8, 5, 7, generator=torch.Generator().manual_seed(1))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


COUNTS = {
    "SE (FACTS 15)": (lambda: SqueezeExcitation(256), 8_464),
    "ARM of CoinCheung's cp.arm32": (lambda: AttentionRefinement(512, 128), 512 * 128 * 9 + 256 + 128 * 128 + 256),
    "FFM of CoinCheung": (lambda: FeatureFusion(256, 256, gate="one_normalised"), 132_096),
    "FFM of TorchSeg": (lambda: FeatureFusion(256, 256), 256 * 256 * 3 + 512),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters(name: str) -> None:
    make, expected = COUNTS[name]
    with torch.device("meta"):
        assert count(make()) == expected


def test_squeeze_excitation_by_hand() -> None:
    block = SqueezeExcitation(16, reduction=4)
    w1, w2 = block.squeeze.weight.flatten(1), block.excite.weight.flatten(1)
    s = torch.sigmoid((X.mean((2, 3)) @ w1.T + block.squeeze.bias).relu() @ w2.T + block.excite.bias)
    torch.testing.assert_close(block(X), torch.einsum("bchw,bc->bchw", X, s))


def saturated(attention: nn.Sequential, value: float) -> None:
    """Make a gate constant: σ(value) at every channel."""
    attention[-1] = nn.Hardtanh(value, value + 1e-9)  # whatever comes in, `value` goes out


@pytest.mark.parametrize(("residual", "factor"), [(False, 0.25), (True, 1.25)])
def test_refinement_weighs_its_convolution(residual: bool, factor: float) -> None:
    block = AttentionRefinement(16, 4, residual=residual).eval()
    saturated(block.attention, 0.25)
    torch.testing.assert_close(block(X), factor * block.features(X))


@pytest.mark.parametrize(("residual", "factor"), [(False, 0.25), (True, 1.25)])
@pytest.mark.parametrize("gate", ["two_convolutions", "one_normalised"])
def test_fusion_weighs_both_paths(gate: str, residual: bool, factor: float) -> None:
    block = FeatureFusion(24, 4, gate=gate, residual=residual).eval()
    saturated(block.attention, 0.25)
    torch.testing.assert_close(block(X, Y), factor * block.fuse(torch.cat([X, Y], 1)))


GATES = {
    "ARM": lambda: AttentionRefinement(16, 4).attention,
    "FFM": lambda: FeatureFusion(16, 4).attention,
    "FFM of CoinCheung": lambda: FeatureFusion(16, 4, gate="one_normalised").attention,
}
PARTS = {
    "ARM": ["Conv2d", "PooledBatchNorm2d", "Sigmoid"],
    "FFM": ["Conv2d", "ReLU", "Conv2d", "Sigmoid"],
    "FFM of CoinCheung": ["Conv2d", "PooledBatchNorm2d", "Sigmoid"],
}


@pytest.mark.parametrize("name", GATES)
def test_published_gates(name: str) -> None:
    assert [type(part).__name__ for part in GATES[name]()] == PARTS[name]


def test_gates_see_the_mean_of_the_image() -> None:
    block = FeatureFusion(24, 4).eval()
    seen: list[torch.Tensor] = []
    block.attention.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    block(X, Y)
    torch.testing.assert_close(seen[0], block.fuse(torch.cat([X, Y], 1)).mean((2, 3), keepdim=True))


@pytest.mark.parametrize("gate", ["two_convolutions", "one_normalised"])
def test_a_single_image_trains(gate: str) -> None:
    refined = AttentionRefinement(16, 4).train()(X[:1])
    FeatureFusion(12, 4, gate=gate).train()(refined, Y[:1]).sum().backward()


@pytest.mark.usefixtures("unchecked_shapes")
def test_refusals() -> None:
    with pytest.raises(ArgumentError, match=r"`reduction` \(=16\) must lie between 1 and .* \(=8\)"):
        SqueezeExcitation(8)
    with pytest.raises(ArgumentError, match=r"`reduction` \(=0\)"):
        SqueezeExcitation(8, reduction=0)
    with pytest.raises(UnknownNameError, match="no gate `normalised`; did you mean one_normalised"):
        FeatureFusion(8, 4, gate="normalised")
