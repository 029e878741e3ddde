"""Path counts against kernels of ones, holes of known stacks, and stacks read off networks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from intarsia.diagnostics.fields.gridding import (
    dilated_stack,
    hybrid_rates,
    path_counts,
    path_map,
    with_hybrid_rates,
)
from intarsia.errors import ArgumentError
from intarsia.layers import coverage, hdc_maximum_distance
from intarsia.models import SegmentationNetwork, create_model


def meta(*names: str, **options: object) -> SegmentationNetwork:
    with torch.device("meta"):
        return create_model(*names, classes=3, **options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("rates", "covered", "extent"), [((2, 2, 2), 7, 13), ((1, 2, 5), 17, 17), ((5, 9, 17), 27, 63)]
)
def test_covered_taps(rates: tuple[int, ...], covered: int, extent: int) -> None:
    counts = path_counts(rates)
    assert (sum(count > 0 for count in counts), len(counts)) == (covered, extent) == coverage(rates)
    assert sum(counts) == 27


@pytest.mark.parametrize(
    ("rates", "kernels"), [((2, 2, 2), (3, 3, 3)), ((1, 2, 5), (3, 3, 3)), ((1, 2, 2), (5, 3, 2)), ((1, 1), (3, 1))]
)
def test_counts_are_what_kernels_of_ones_compute(rates: tuple[int, ...], kernels: tuple[int, ...]) -> None:
    """The gradient of one output of the convolutions themselves, in the plane."""
    extent = 1 + sum(r * (k - 1) for r, k in zip(rates, kernels, strict=True))
    image = torch.zeros(1, 1, extent, extent, dtype=torch.float64, requires_grad=True)
    x = image
    for rate, kernel in zip(rates, kernels, strict=True):
        x = F.conv2d(x, torch.ones(1, 1, kernel, kernel, dtype=torch.float64), dilation=rate)
    x.sum().backward()
    assert x.numel() == 1
    assert image.grad is not None
    np.testing.assert_array_equal(path_map(rates, kernels).astype(float), image.grad[0, 0].numpy())


def test_counts_are_exact_beyond_64_bits() -> None:
    assert sum(path_counts((1,) * 60)) == 3**60
    assert path_map((1,) * 60).sum() == 9**60
    assert path_counts((1,) * 60)[60] % 2 == 1  # a central trinomial coefficient that no float64 holds


@pytest.mark.parametrize("kernels", [(3, 3), 0, (3, 0, 3)])
def test_kernels_are_refused(kernels: tuple[int, ...] | int) -> None:
    with pytest.raises(ArgumentError, match="must be one size from 1 on for each of the rates"):
        path_counts((1, 2, 3), kernels)


@pytest.mark.parametrize("rates", [(2, 2, 2), (4, 4, 4), (2, 4, 4), (5, 9, 17), (2,) * 7, (3, 3), (1,), (6,)])
@pytest.mark.parametrize("repeats", [1, 2])
def test_hybrid_rates_leave_no_holes(rates: tuple[int, ...], repeats: int) -> None:
    hybrid = hybrid_rates(rates, repeats=repeats)
    assert len(hybrid) == len(rates)
    assert sum(hybrid) <= sum(rates)
    layers = [rate for rate in hybrid[:3] for _ in range(repeats)]
    if len(rates) > 1:
        assert len(set(coverage(layers))) == 1
        assert hdc_maximum_distance(layers) <= 3


@pytest.mark.parametrize("rates", [(1, 2, 5), (1, 2, 5, 2, 2, 2)])
def test_rates_without_holes_stay(rates: tuple[int, ...]) -> None:
    assert hybrid_rates(rates)[:3] == (1, 2, 5)
    assert hybrid_rates(rates)[3:] in ((), (1, 2, 3))


def test_hybrid_rates_of_the_paper_and_the_furthest() -> None:
    assert hybrid_rates((2, 2, 2, 2, 2)) == (1, 2, 3, 2, 2)
    assert hybrid_rates((4, 4, 4)) == (1, 3, 8)
    assert hybrid_rates((30, 30, 30)) == (1, 3, 9)  # 3³ positions: more no three layers of three taps cover


@pytest.mark.parametrize(
    ("names", "options", "stage", "stride", "rates"),
    [
        (("pspnet", "resnet50"), {"output_stride": 8}, 32, 8, (2, 4, 4)),
        (("pspnet", "resnet26"), {"output_stride": 16}, 32, 16, (1, 2)),
        (("fcn", "resnet18"), {"output_stride": 8}, 32, 8, (2, 4, 4, 4)),
        (("pspnet", "resnet26"), {"rates_at_32": (1, 5)}, 32, 8, (1, 5)),
        (("drn", "drn_c_26"), {}, 32, 8, (4, 4, 4, 4, 2, 2, 1, 1)),
    ],
)
def test_stacks_of_networks(
    names: tuple[str, str], options: dict[str, object], stage: int, stride: int, rates: tuple[int, ...]
) -> None:
    stack = dilated_stack(meta(*names, **options))
    assert (stack.stage, stack.stride, stack.rates) == (stage, stride, rates)
    assert stack.kernels == (3,) * len(rates)


def test_a_network_is_built_again_with_hybrid_rates() -> None:
    net = meta("fcn", "resnet26", output_stride=8)
    stack = dilated_stack(net)
    assert stack.coverage == coverage(stack.rates)
    assert stack.coverage[0] < stack.coverage[1]
    again = with_hybrid_rates(net, stack)
    assert again is not None
    assert dilated_stack(again).rates == hybrid_rates(stack.rates)
    assert len(set(dilated_stack(again).coverage)) == 1
    assert [p.shape for p in again.parameters()] == [p.shape for p in net.parameters()]


def test_basic_blocks_have_two_convolutions_of_one_rate() -> None:
    net = meta("danet", "resnet18")
    again = with_hybrid_rates(net, dilated_stack(net))
    assert again is not None
    found = dilated_stack(again)
    assert found.rates[::2] == found.rates[1::2]
    assert len(set(found.coverage)) == 1


def test_networks_without_the_option_are_left_alone() -> None:
    dilated_by_design = meta("drn", "drn_c_26")
    assert with_hybrid_rates(dilated_by_design, dilated_stack(dilated_by_design)) is None
    foreign = meta("pspnet", "resnet18")
    foreign.blueprint = None
    assert with_hybrid_rates(foreign, dilated_stack(foreign)) is None


def test_no_dilation_is_said() -> None:
    with pytest.raises(
        ArgumentError, match=r"No stage of backbone `resnet18` is dilated at output stride 32, .* such as 8"
    ):
        dilated_stack(meta("unet", "resnet18"))
