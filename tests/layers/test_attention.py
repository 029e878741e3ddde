"""Attention in blocks against the naive form with the whole matrix."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from intarsia.layers import attend, attention


def naive(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return values @ (queries.mT @ keys).softmax(-1).mT


def inputs(batch: int = 2, n: int = 12, m: int = 9, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(batch, 3, n), (batch, 3, m), (batch, 5, m)]
    return [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes]


@pytest.fixture(params=[1, 30, 9 * 5, 9 * 12 + 8, 10**6], ids=lambda scores: f"{scores}_scores")
def _in_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One query at a time, several, several that do not divide, one image at a time, and all at once."""
    monkeypatch.setattr(attention, "SCORES", request.param)


@pytest.mark.usefixtures("_in_blocks")
def test_result_and_gradients_are_the_naive_ones() -> None:
    parts = inputs(batch=3)
    weights = torch.randn(3, 5, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    results = []
    for form in (attend, naive):
        out = form(*parts)
        results.append([out, *torch.autograd.grad((out * weights).sum(), parts)])
    torch.testing.assert_close(*results)


@pytest.mark.usefixtures("_in_blocks")
def test_gradcheck() -> None:
    assert torch.autograd.gradcheck(attend, inputs())


def test_no_block_holds_more_scores_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "SCORES", 40)
    held = []
    scores = attention._scores
    monkeypatch.setattr(attention, "_scores", lambda q, k: held.append((s := scores(q, k)).numel()) or s)
    out = attend(*inputs())
    assert max(held) == 4 * 9
    assert sum(held) == 2 * 12 * 9
    held.clear()
    out.sum().backward()
    assert max(held) == 8 * 9  # twice as many
    assert sum(held) == 2 * 12 * 9  # once again


def test_large_scores_do_not_overflow() -> None:
    queries, keys, values = inputs(dtype=torch.float32)
    torch.testing.assert_close(attend(queries * 1e4, keys, values), naive(queries * 1e4, keys, values))


def test_channels_last_maps_give_the_same() -> None:
    parts = inputs()
    turned = [part.mT.contiguous().mT for part in parts]
    torch.testing.assert_close(attend(*turned), attend(*parts))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_operators_pass_pytorchs_checks() -> None:
    parts = inputs(batch=1, n=4, m=3)
    torch.library.opcheck(attention._attend, parts)
    grad = torch.ones(1, 5, 4, dtype=torch.float64)
    saved = [part.detach() for part in (*parts, *attention._attend(*parts))]
    torch.library.opcheck(attention._attend_backward, (grad, *saved))


def test_bfloat16_sums_in_float32() -> None:
    exact = inputs(n=40, m=200, dtype=torch.float32)
    rounded = [part.detach().bfloat16().requires_grad_() for part in exact]
    out = attend(*rounded)
    assert out.dtype == torch.bfloat16
    close = {"rtol": 0.02, "atol": 0.02}
    torch.testing.assert_close(out.float(), naive(*exact), **close)
    ours, theirs = (
        torch.autograd.grad(o.float().square().sum(), p) for o, p in ((out, rounded), (naive(*exact), exact))
    )
    for grad, expected in zip(ours, theirs, strict=True):
        assert grad.dtype == torch.bfloat16
        torch.testing.assert_close(grad.float(), expected, rtol=0.05, atol=0.03 * float(expected.abs().max()))


class Attention(nn.Module):
    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return attend(queries, keys, values)


@pytest.mark.usefixtures("unchecked_shapes")
def test_compiles_whole_and_exports_for_any_size() -> None:
    parts = inputs()
    compiled = torch.compile(Attention(), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*parts), naive(*parts))
    positions = {2: torch.export.Dim.DYNAMIC}
    exported = torch.export.export(Attention(), tuple(inputs()), dynamic_shapes=[positions] * 3).module()
    other = inputs(n=20, m=7)
    torch.testing.assert_close(exported(*other), naive(*other))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_under_autocast_scores_stay_exact(dtype: torch.dtype) -> None:
    parts = inputs(dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        out = attend(*parts)
    torch.testing.assert_close(out, attend(*parts), rtol=0, atol=0)


def test_pytorchs_counter_counts_it_like_the_naive_form() -> None:
    counts = []
    for form in (attend, naive):
        with FlopCounterMode(display=False) as counter:
            form(*(part.detach() for part in inputs()))
        counts.append(counter.get_total_flops())
    assert counts == [2 * 2 * 12 * 9 * (3 + 5)] * 2
