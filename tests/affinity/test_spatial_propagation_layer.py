"""The layer that propagates in all four directions: how it splits guidance, and how it merges."""

import pytest
import torch
from torch import Tensor, nn

from intarsia.affinity import SpatialPropagation, spatial_propagation
from intarsia.affinity.spatial_propagation import DIRECTIONS
from intarsia.errors import ArgumentError


def test_four_directions_are_merged_by_the_largest() -> None:
    x = torch.randn(2, 2, 6, 9, dtype=torch.float64)
    for ways, shared in ((3, False), (1, True)):
        net = SpatialPropagation(2, ways, shared=shared)  # type: ignore[arg-type]
        guidance = torch.randn(2, net.gates, 6, 9, dtype=torch.float64)
        gates = guidance.view(2, 4, ways, 1 if shared else 2, 6, 9)
        each = [spatial_propagation(x, gates[:, number], direction) for number, direction in enumerate(DIRECTIONS)]
        torch.testing.assert_close(net(x, guidance), torch.stack(each).max(0).values, rtol=0, atol=0)


def test_the_learned_merge_starts_as_the_mean_and_learns() -> None:
    x = torch.randn(2, 2, 6, 9, dtype=torch.float64)
    net = SpatialPropagation(2, merge="learned", normalisation="always").double()
    guidance = torch.randn(2, net.gates, 6, 9, dtype=torch.float64)
    gates = guidance.view(2, 4, 3, 2, 6, 9)
    each = [spatial_propagation(x, gates[:, n], direction, "always") for n, direction in enumerate(DIRECTIONS)]
    out = net(x, guidance)
    torch.testing.assert_close(out, torch.stack(each).mean(0))
    out.square().sum().backward()
    assert net.merge is not None
    assert net.merge.weight.grad is not None


def test_guidance_with_another_number_of_gates_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"`guidance` has 12 channels and must have 24, 3 ways of 2 gates"):
        SpatialPropagation(2)(torch.zeros(1, 2, 4, 4), torch.zeros(1, 12, 4, 4))


class Refined(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.refine = SpatialPropagation(2)

    def forward(self, x: Tensor, guidance: Tensor) -> Tensor:
        return self.refine(x, guidance)


@pytest.mark.usefixtures("unchecked_shapes")
def test_compiles_whole_and_exports_for_any_size() -> None:
    net = Refined()
    x, guidance = torch.randn(1, 2, 6, 8), torch.randn(1, 24, 6, 8, requires_grad=True)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    grads = [torch.autograd.grad(form(x, guidance).square().sum(), guidance) for form in (compiled, net)]
    torch.testing.assert_close(*grads)
    sizes = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    two = (torch.randn(2, 2, 6, 8), torch.randn(2, 24, 6, 8))
    exported = torch.export.export(net, two, dynamic_shapes=[sizes] * 2).module()
    other = (torch.randn(3, 2, 7, 5), torch.randn(3, 24, 7, 5))
    torch.testing.assert_close(exported(*other), net(*other))
