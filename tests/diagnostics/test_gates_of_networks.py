"""Gates: what a block's output is to its input."""

import numpy as np
import pytest
import torch
from standins import patch_network
from timm.layers.squeeze_excite import EffectiveSEModule, SEModule
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import nn

from intarsia.diagnostics import gates
from intarsia.diagnostics.watching import watched
from intarsia.layers import AttentionRefinement, FeatureFusion, SqueezeExcitation

X = torch.randn(1, 16, 6, 5, generator=torch.Generator().manual_seed(0))
MULTIPLIERS = {
    "ours": lambda: SqueezeExcitation(16, 4),
    "timm's": lambda: SEModule(16),
    "timm's for EfficientNet": lambda: SqueezeExcite(16),
    "timm's effective": lambda: EffectiveSEModule(16),
}


def ratios(after: torch.Tensor, before: torch.Tensor) -> np.ndarray:
    """Of each channel, where it is not zero."""
    return np.array([float((a / b)[b > 0].mean()) for a, b in zip(after[0], before[0], strict=True)])


@pytest.mark.parametrize("name", MULTIPLIERS)
def test_a_gate_is_output_over_input(name: str) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(MULTIPLIERS[name]()).eval()
    (found,) = gates(net, X).values()
    assert found.std() > 0
    np.testing.assert_allclose(found, (net(X) / X).mean((0, 2, 3)).detach().numpy(), rtol=1e-4)


@pytest.mark.parametrize("residual", [False, True])
def test_attention_refinement(residual: bool) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(AttentionRefinement(16, 8, residual=residual)).eval()
    (features,) = watched(net, X, ["0.features"])["0.features"]
    with torch.no_grad():
        expected = ratios(net(X), features) - residual
    np.testing.assert_allclose(gates(net, X)["0"], expected, rtol=1e-4)


@pytest.mark.parametrize("gate", ["two_convolutions", "one_normalised"])
def test_feature_fusion(gate: str) -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fusion = FeatureFusion(16, 12, gate=gate)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fusion(x[:, :8], x[:, 8:])

    torch.manual_seed(1)
    net = Halves().eval()
    (fused,) = watched(net, X, ["fusion.fuse"])["fusion.fuse"]
    with torch.no_grad():
        expected = ratios(net(X), fused) - 1  # y + y · a
    np.testing.assert_allclose(gates(net, X)["fusion"], expected, rtol=1e-4, atol=1e-6)


def test_every_block_is_found_in_order_and_no_gate_is_none() -> None:
    image = torch.randn(1, 3, 32, 32)
    net = patch_network(SqueezeExcitation(16), nn.Sequential(nn.ReLU(), SqueezeExcitation(16, 4)))
    assert list(gates(net, image)) == ["decoder.1", "decoder.2.1"]
    assert gates(patch_network(), image) == {}
