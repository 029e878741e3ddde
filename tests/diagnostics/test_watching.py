"""Watching a network: what is seen is what was computed, and nothing stays."""

import copy

import pytest
import torch
from torch import nn

from intarsia.diagnostics.watching import input_of, output_of, watched, watching

X = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU(inplace=True), nn.Conv2d(3, 1, 1)).eval()


def hooks_of(net: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules())


def test_what_is_seen_is_what_was_computed() -> None:
    """Also where the next layer works in place: the convolution's own negative values are seen."""
    net = network()
    seen = watched(net, X, ["0", "2"])
    torch.testing.assert_close(seen["0"], [net[0](X)])
    assert (seen["0"][0] < 0).any()
    torch.testing.assert_close(seen["2"], [net(X)])
    torch.testing.assert_close(watched(net, X, ["2"], input_of)["2"], [net[0](X).relu()])
    assert not seen["2"][0].requires_grad


def test_every_call_is_seen_in_turn() -> None:
    net = network()
    with watching(net, ["0"], output_of) as seen:
        net(X)
        net(2 * X)
    torch.testing.assert_close(seen["0"], [net[0](X), net[0](2 * X)])


def same_as_before(net: nn.Module, weights: dict[str, torch.Tensor], answer: torch.Tensor) -> bool:
    same = all(torch.equal(tensor, weights[name]) for name, tensor in net.state_dict().items())
    return same and hooks_of(net) == 0 and torch.equal(net(X), answer) and not net.training


def test_hooks_go_and_the_network_is_as_before() -> None:
    net = network()
    weights, answer = copy.deepcopy(net.state_dict()), net(X)
    with watching(net, ["0", "1", "2"]):
        assert hooks_of(net) == 3
        net(X)
    assert same_as_before(net, weights, answer)


def test_hooks_go_where_the_network_fails() -> None:
    net = network()
    weights, answer = copy.deepcopy(net.state_dict()), net(X)
    with pytest.raises(RuntimeError, match="channels"), watching(net, ["0", "1", "2"]):
        net(X[:, :1])
    assert same_as_before(net, weights, answer)


def test_no_hook_stays_where_a_name_is_wrong() -> None:
    net = network()
    with pytest.raises(AttributeError, match="9"), watching(net, ["0", "9"]):
        pass
    assert hooks_of(net) == 0
