"""Spatial propagation against its definition pixel by pixel, and the laws of the paper."""

import numpy as np
import pytest
import torch
from reference.propagation_cases import spatial_inputs as inputs
from reference.spatial_propagation import spatial_propagation as pixel_by_pixel
from torch import Tensor

from intarsia.affinity import spatial_propagation
from intarsia.affinity.spatial_propagation import DIRECTIONS, Direction, Normalisation, _propagate, _propagate_backward
from intarsia.errors import ArgumentError
from intarsia.kernels.propagation import strips

NORMALISATIONS = ("where_needed", "always", None)
SIZES = [(1, 1), (1, 5), (5, 1), (9, 20), (20, 9)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_it_is_the_recurrence_pixel_by_pixel(direction: Direction, size: tuple[int, int]) -> None:
    for ways in (1, 3):
        for shared in (False, True):
            for normalisation in NORMALISATIONS:
                x, gates = inputs(*size, ways, shared)
                expected = pixel_by_pixel(x.numpy(), gates.numpy(), direction, normalisation)
                found = spatial_propagation(x, gates, direction, normalisation)
                case = f"{ways} ways, shared {shared}, {normalisation}"
                np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-10, err_msg=case)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("ways", [1, 3])
def test_gradcheck(direction: Direction, normalisation: Normalisation | None, ways: int) -> None:
    x, gates = inputs(3, 4, ways, batch=1)
    assert torch.autograd.gradcheck(
        lambda x, gates: spatial_propagation(x, gates, direction, normalisation),
        (x.requires_grad_(), gates.requires_grad_()),
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_strips_and_threads_change_nothing(direction: Direction, monkeypatch: pytest.MonkeyPatch) -> None:
    for shared in (False, True):
        x, gates = (t.requires_grad_() for t in inputs(70, 45, shared=shared, scale=0.3))
        results = []
        for cache, threads in ((strips._CACHE, 1), (1, 1), (1 << 15, 2)):
            monkeypatch.setattr(strips, "_CACHE", cache)
            torch.set_num_threads(threads)
            h = spatial_propagation(x, gates, direction)
            results.append([h, *torch.autograd.grad(h, (x, gates), torch.cos(h.detach()))])
        torch.set_num_threads(1)
        torch.testing.assert_close(results[1:], [results[0]] * 2, rtol=0, atol=0)


def test_float32_is_close_to_float64_forward_and_backward() -> None:
    x, gates = (t.requires_grad_() for t in inputs(40, 70))
    rounded = [t.detach().float().requires_grad_() for t in (x, gates)]
    for direction in DIRECTIONS:
        exact, ours = (spatial_propagation(*parts, direction) for parts in ((x, gates), rounded))
        torch.testing.assert_close(ours.double(), exact, rtol=1e-4, atol=1e-5)
        grads = [torch.autograd.grad(h.square().sum(), p) for h, p in ((exact, (x, gates)), (ours, rounded))]
        for expected, found in zip(*grads, strict=True):
            torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_what_is_not_finite_stays_in_its_map(direction: Direction) -> None:
    x, gates = inputs(9, 9)
    x[0, 0] = float("inf")
    h = spatial_propagation(x, gates, direction)
    assert not h[0, 0].isfinite().all()
    others = torch.tensor([[False, True], [True, True]])
    assert h[others].isfinite().all()
    expected = spatial_propagation(x[1:], gates[1:], direction)
    torch.testing.assert_close(h[1:], expected, rtol=0, atol=0)


@pytest.mark.parametrize("direction", DIRECTIONS)
class TestLaws:
    def test_a_constant_map_stays(self, direction: Direction) -> None:
        _, gates = inputs(7, 12)
        for normalisation in ("where_needed", "always"):
            constant = torch.full((2, 2, 7, 12), 3.5, dtype=torch.float64)
            torch.testing.assert_close(spatial_propagation(constant, gates, direction, normalisation), constant)

    def test_gates_of_zero_change_nothing_and_have_a_finite_gradient(self, direction: Direction) -> None:
        x, gates = inputs(7, 12)
        for normalisation in NORMALISATIONS:
            zero = torch.zeros_like(gates).requires_grad_()
            h = spatial_propagation(x, zero, direction, normalisation)
            torch.testing.assert_close(h, x, rtol=0, atol=0)
            (grad,) = torch.autograd.grad(h.square().sum(), zero)
            assert grad.isfinite().all()
            assert grad.abs().max() > 0.1

    def test_a_straight_gate_of_one_copies_the_first_line(self, direction: Direction) -> None:
        x, gates = inputs(7, 12)
        gates = torch.zeros_like(gates)
        gates[:, 1] = 1
        axis, first = (3 if "left" in direction else 2), (0 if direction in (DIRECTIONS[0], DIRECTIONS[2]) else -1)
        expected = x.select(axis, first).unsqueeze(axis).expand_as(x)
        torch.testing.assert_close(spatial_propagation(x, gates, direction), expected)

    def test_an_impulse_reaches_its_cone_and_no_more(self, direction: Direction) -> None:
        x, gates = torch.zeros(1, 1, 9, 9), torch.full((1, 3, 1, 9, 9), 0.25)
        x[0, 0, 4, 4] = 1
        reached = spatial_propagation(x, gates, direction)[0, 0] != 0
        i, j = torch.meshgrid(torch.arange(9) - 4, torch.arange(9) - 4, indexing="ij")
        along, aside = (j, i) if "left" in direction else (i, j)
        along = along if direction in (DIRECTIONS[0], DIRECTIONS[2]) else -along
        assert torch.equal(reached, (along >= 0) & (aside.abs() <= along))

    def test_positive_gates_below_one_keep_the_range(self, direction: Direction) -> None:
        x, gates = inputs(20, 33)
        h = spatial_propagation(x, gates.abs(), direction)
        assert h.max() <= x.max() + 1e-12
        assert h.min() >= x.min() - 1e-12

    def test_the_gradient_of_a_gate_is_the_difference_that_it_closes(self, direction: Direction) -> None:
        """With the gradient d arriving at a pixel of the last line, that of p1 is d · (h before it - x)."""
        x, gates = inputs(6, 6, scale=0.2)
        gates.requires_grad_()
        h = spatial_propagation(x, gates, direction, None)
        axis, last = (3 if "left" in direction else 2), (5 if direction in (DIRECTIONS[0], DIRECTIONS[2]) else 0)
        (grad,) = torch.autograd.grad(h.select(axis, last).sum(), gates)
        expected = h.select(axis, abs(last - 1)) - x.select(axis, last)
        torch.testing.assert_close(grad[:, 1].select(axis, last), expected)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("x", "gates", "sentence"),
    [
        (torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 2, 4, 4), r"have 2 ways of 2 channels: there must be 3 ways or 1"),
        (torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 3, 4, 4), r"with the 2 channels of `x` or 1"),
        (torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 2, 4, 5), r"must agree in batch, height and width"),
        (torch.zeros(2, 2, 4, 4), torch.zeros(1, 3, 2, 4, 4), r"must agree in batch, height and width"),
        (torch.zeros(1, 2, 4, 4), torch.zeros(1, 6, 4, 4), r"`gates` \(1, 6, 4, 4\) \(B, ways, C or 1, H, W\)"),
        (torch.zeros(1, 2, 4, 4).long(), torch.zeros(1, 3, 2, 4, 4), r"`x` holds torch.int64"),
        (
            torch.zeros(1, 2, 4, 4),
            torch.zeros(1, 3, 2, 4, 4).int(),
            r"`gates` holds torch.int32 and must hold floating",
        ),
        (
            torch.zeros(1, 2, 4, 4),
            torch.zeros(1, 3, 2, 4, 4, device="meta"),
            r"`gates` is on meta and `x` on cpu, and they must be on the same; `gates.to\(x.device\)` moves it",
        ),
    ],
)
def test_what_does_not_fit_is_refused(x: Tensor, gates: Tensor, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        spatial_propagation(x, gates, "left_to_right")


@pytest.mark.usefixtures("unchecked_shapes")
def test_unknown_words_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"`direction` \(='east'\) must be one of left_to_right, right_to_left"):
        spatial_propagation(*inputs(3, 3), "east")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"`normalisation` \(='often'\) must be"):
        spatial_propagation(*inputs(3, 3), "left_to_right", "often")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_gates_that_are_not_finite_are_refused(direction: Direction, wrong: float) -> None:
    x, gates = inputs(5, 6)
    gates[1, 2, 1, 3, 2] = wrong
    with pytest.raises(ArgumentError, match=r"`gates` must be finite, but 1 of its 360 .* at \[1, 2, 1, 3, 2\] \(="):
        spatial_propagation(x, gates, direction)


def test_a_map_that_is_not_finite_goes_through() -> None:
    x, gates = inputs(5, 6)
    x[0, 0, 2, 2] = float("nan")
    assert spatial_propagation(x, gates, "left_to_right").isnan().any()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_operators_pass_pytorchs_checks() -> None:
    x, gates = inputs(3, 4, batch=1)
    arguments = (x.requires_grad_(), gates.requires_grad_(), "left_to_right", 1.0)
    torch.library.opcheck(_propagate, arguments)
    x, gates = x.detach(), gates.detach()
    saved = (torch.ones_like(x), x, gates, _propagate(x, gates, "left_to_right", 1.0), "left_to_right", 1.0)
    torch.library.opcheck(_propagate_backward, saved)


@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (1, 0, 3, 4), (1, 2, 0, 4), (1, 2, 3, 0)], ids=str)
def test_empty_maps_stay_empty(shape: tuple[int, int, int, int]) -> None:
    for channels in (1, shape[1]):
        x, gates = (torch.zeros(s, requires_grad=True) for s in (shape, (shape[0], 3, channels, *shape[2:])))
        for direction in DIRECTIONS:
            h = spatial_propagation(x, gates, direction)
            assert h.shape == shape
            found = torch.autograd.grad(h, (x, gates), torch.zeros_like(h))
            assert [grad.shape for grad in found] == [x.shape, gates.shape]
            assert not found[1].any()


def test_maps_of_any_strides_give_the_same() -> None:
    x, gates = (t.requires_grad_() for t in inputs(6, 9))
    results = []
    for turned in (x, x.to(memory_format=torch.channels_last), x.mT.contiguous().mT):
        h = spatial_propagation(turned, gates, "bottom_to_top")
        results.append([h, *torch.autograd.grad(h.mT.contiguous().square().sum(), (x, gates))])
    torch.testing.assert_close(results[1:], [results[0]] * 2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    x, gates = (t.to(dtype).requires_grad_() for t in inputs(6, 9))
    with torch.autocast("cpu", torch.bfloat16):
        h = spatial_propagation(x, gates, "left_to_right")
    assert h.dtype == dtype
    torch.testing.assert_close(h, spatial_propagation(x.float(), gates.float(), "left_to_right").to(dtype))
    h.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == dtype
