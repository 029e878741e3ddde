"""Gradients of convolutions' weights by products of matrices are the same gradients."""

import copy
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny import at_step, run_tiny, same_runs
from torch import Tensor, nn

from intarsia.errors import Interrupted
from intarsia.inference.execution import Execution
from intarsia.training import convolution_gradients
from intarsia.training.convolution_gradients import Kernel, multiply_gradients, weight_gradient
from intarsia.training.precision import TIMED_STEPS, executions, fastest

FAST = Execution("cpu", "bfloat16", "channels_last")
LAST = torch.channels_last

KERNELS = [  # and the map
    (Kernel((1, 1), (1, 1), (0, 0), (1, 1)), (5, 6)),
    (Kernel((1, 1), (2, 2), (0, 0), (1, 1)), (9, 12)),
    (Kernel((1, 1), (1, 1), (1, 1), (1, 1)), (4, 5)),
    (Kernel((3, 3), (1, 1), (1, 1), (1, 1)), (9, 11)),
    (Kernel((3, 3), (1, 1), (4, 4), (4, 4)), (9, 11)),
    (Kernel((3, 3), (1, 1), (9, 9), (9, 9)), (9, 11)),
    (Kernel((3, 3), (1, 1), (12, 12), (12, 12)), (9, 11)),
    (Kernel((3, 3), (2, 2), (2, 2), (2, 2)), (9, 8)),
    (Kernel((3, 5), (1, 2), (0, 3), (2, 1)), (9, 8)),
    (Kernel((4, 4), (2, 2), (1, 1), (1, 1)), (8, 11)),
]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Kernel]:
    """Of each gradient that is taken by products, the kernel."""
    kernels = []

    def count(x: Tensor, gradient: Tensor, kernel: Kernel) -> Tensor:
        kernels.append(kernel)
        return weight_gradient(x, gradient, kernel)

    monkeypatch.setattr(convolution_gradients, "weight_gradient", count)
    return kernels


def gradients(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Of all parameters by name, then of the images, then the outputs."""
    net.zero_grad()
    images = FAST.place_images(images).requires_grad_()
    with FAST.autocast():
        outputs = net(images)
    outputs.float().square().mean().backward()
    found = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    assert images.grad is not None
    return {**found, "images": images.grad, "outputs": outputs.detach()}


@pytest.mark.parametrize(("kernel", "size"), KERNELS)
def test_the_gradient_is_that_of_the_library(kernel: Kernel, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 6, *size), torch.randn(5, 6, *kernel.size, requires_grad=True)
    x = x.bfloat16().contiguous(memory_format=LAST)
    outputs = F.conv2d(x.float(), weight, None, kernel.stride, kernel.padding, kernel.dilation)
    assert outputs.shape[2:] == tuple(kernel.outputs(axis, size[axis]) for axis in (0, 1))
    gradient = torch.randn_like(outputs).bfloat16().contiguous(memory_format=LAST)
    outputs.backward(gradient.float())
    found = weight_gradient(x, gradient, kernel)
    assert weight.grad is not None
    torch.testing.assert_close(found.float(), weight.grad, rtol=2**-8, atol=1e-4)
    ones, inside = torch.ones(1, 1, *size), torch.ones(1, 1, *kernel.size)
    covered = F.conv2d(ones, inside, None, kernel.stride, kernel.padding, kernel.dilation)
    assert kernel.share_inside(size) == pytest.approx(float(covered.mean()) / inside.numel())


@pytest.mark.parametrize("bias", [True, False])
def test_all_but_the_gradients_that_are_meant_keep_their_bits(bias: bool, counted: list[Kernel]) -> None:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 128, 3, padding=1),
        nn.Conv2d(128, 160, 1, bias=bias),
        nn.Conv2d(160, 128, 3, padding=6, dilation=6, bias=bias),
        nn.Conv2d(128, 128, 3, padding=1),  # few zeros around the map
        nn.Conv2d(128, 128, 1, groups=2),
        nn.Conv2d(128, 8, 1),  # few channels
    ]
    net, images = FAST.place(nn.Sequential(*layers)), torch.randn(2, 3, 9, 11)
    exact = copy.deepcopy(net)
    exact(images).square().mean().backward()
    before, names = gradients(net, images), list(net.state_dict())
    multiply_gradients(net, FAST)
    after = gradients(net, images)
    assert list(net.state_dict()) == names
    assert [kernel.size for kernel in counted] == [(3, 3), (1, 1)]
    for name, old in before.items():
        new = after[name]
        assert (old.dtype, old.stride()) == (new.dtype, new.stride()), name
        if name not in ("1.weight", "2.weight"):
            assert torch.equal(old, new), name
            continue
        true = exact.get_parameter(name).grad
        assert true is not None
        assert 0 < (new - true).norm() < 1.05 * (old - true).norm(), "no further off than the library's"


def test_what_is_measured_to_choose_a_precision_is_what_is_trained(counted: list[Kernel]) -> None:
    net = nn.Sequential(nn.Conv2d(3, 128, 3), nn.Conv2d(128, 128, 1))
    fastest(executions("cpu", "bfloat16", "auto"), net, torch.randn(2, 3, 8, 8), lambda trial, x: trial(x).sum())
    assert len(counted) == 1 + TIMED_STEPS, "with channels last alone"
    assert "forward" not in vars(net[1]), "what is measured is a copy"


def test_a_map_that_holds_no_output_is_refused_by_the_library() -> None:
    net = FAST.place(nn.Sequential(nn.Conv2d(128, 128, 3)))
    multiply_gradients(net, FAST)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        gradients(net, torch.randn(1, 128, 2, 2))


def test_frozen_weights_copies_and_networks_at_rest(counted: list[Kernel]) -> None:
    torch.manual_seed(0)
    net = FAST.place(nn.Sequential(nn.Conv2d(3, 128, 3), nn.Conv2d(128, 128, 1)))
    images = torch.randn(2, 3, 8, 8)
    multiply_gradients(net, FAST)
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.get_parameter("1.weight").zero_()
    assert not torch.equal(gradients(net, images)["outputs"], gradients(other, images)["outputs"])
    assert len(counted) == 2
    net.get_parameter("1.weight").requires_grad_(False)
    assert "1.weight" not in gradients(net, images)
    with torch.inference_mode():
        assert other(images).dtype == torch.float32
    other(images).sum().backward()
    assert len(counted) == 2


@pytest.mark.parametrize(
    "execution",
    [Execution(), Execution("cpu", "bfloat16"), Execution("cuda", "bfloat16", "channels_last")],
)
def test_elsewhere_nothing_changes(execution: Execution, counted: list[Kernel]) -> None:
    net = FAST.place(nn.Sequential(nn.Conv2d(3, 128, 3), nn.Conv2d(128, 128, 1)))
    multiply_gradients(net, execution)
    gradients(net, torch.randn(2, 3, 8, 8))
    assert not counted


def test_a_run_goes_on_to_the_same_bits(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: list[Kernel]
) -> None:
    """With stages computed twice and averaged weights, behind an interruption."""
    monkeypatch.setattr(convolution_gradients, "FEWEST_CHANNELS", 1)
    monkeypatch.setattr(convolution_gradients, "LARGEST_SHARE", 1.0)
    how: dict[str, Any] = {"precision": "bfloat16", "memory_format": "channels_last", "ema": 0.9}
    run_tiny(discs, tmp_path / "whole", **how)
    assert {kernel.size for kernel in counted} >= {(1, 1), (3, 3)}
    at_step(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted):
        run_tiny(discs, tmp_path / "run", checkpointing=True, **how)
    run_tiny(discs, tmp_path / "run", resume=True, checkpointing=True, **how)
    assert same_runs(tmp_path / "run", tmp_path / "whole")
