"""The benchmark of training counts what it says it counts, and refuses to time what does not agree."""

import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from intarsia.models import create_model

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its two files, which are no package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield SimpleNamespace(sides=import_module("training_sides"), pages=import_module("training"))
    for name in ("training", "training_sides"):
        del sys.modules[name]


def network() -> nn.Module:
    """Like the peer's: the same network with weights of its own."""
    return create_model("unet", "test_resnet", classes=21, form="smp")


def test_a_step_is_three_forward_passes_of_two_operations_each(benchmark: Any) -> None:
    system = benchmark.sides.System("U-Net", "itself", network, "unet", "test_resnet", "smp")
    found = benchmark.sides.measure(system, benchmark.sides.Size(batch=2, pixels=32, steps=1), compiled=False)
    macs = 0

    def count(layer: nn.Module, _: Any, maps: torch.Tensor) -> None:
        nonlocal macs
        macs += maps.numel() * layer.weight[0].numel()  # pyright: ignore[reportIndexIssue, reportAttributeAccessIssue]

    net = network().eval()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    net(torch.randn(2, 3, 32, 32))
    assert found.gflop == pytest.approx(6 * macs / 1e9)
    assert found.matrix_rate > 0
    assert list(found.seconds) == ["peer", "kept", "ours"]
    page = benchmark.pages.page(
        {"unet": {**vars(found), "peak": {"peer": 100.0, "ours": 60.0}, "waiting": {"0": (8.0, 0.012)}}},
        benchmark.sides.Size(2, 32, 1),
    )
    assert "| smp, eager float32 |" in page
    assert "Peak memory is 0.60 of the peer's." in page
    assert "8.00 images/s, 1.2% waiting, in the process that computes." in page


def _a_little_larger(net: nn.Module, images: Any, outputs: torch.Tensor) -> torch.Tensor:
    return outputs * 1.001


def test_what_does_not_agree_is_not_timed(benchmark: Any) -> None:
    ours, size = network(), benchmark.sides.Size(batch=2, pixels=32)
    theirs = network()
    theirs.register_forward_hook(_a_little_larger)
    with pytest.raises(AssertionError):
        benchmark.sides.agree(theirs, ours, *size.batch_of_noise())
