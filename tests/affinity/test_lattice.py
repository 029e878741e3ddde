"""The lattice in plain PyTorch: against the compiled one, against the exact Gaussian, and its own laws."""

import pytest
import torch
from torch import Tensor

from intarsia.affinity import Lattice, lattice
from intarsia.affinity.lattice import Numbering
from intarsia.kernels.permutohedral.general import Permutohedral


def points(dimensions: int, count: int = 200, batch: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(dimensions)
    return (6 * torch.rand(batch, count, dimensions, generator=generator, dtype=torch.float64) - 1).to(dtype)


def values(count: int = 200, batch: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(batch, count, 3, generator=torch.Generator().manual_seed(9), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dimensions", [1, 2, 3, 5, 8])
def test_it_is_the_compiled_lattice(dimensions: int, transposed: bool) -> None:
    features, v = points(dimensions, dtype=torch.float32), values(dtype=torch.float32)
    ours = Lattice(features).filter(v, transposed)
    theirs = [Permutohedral(f.numpy()).filter(x.numpy(), transposed) for f, x in zip(features, v, strict=True)]
    torch.testing.assert_close(ours, torch.stack([torch.from_numpy(x) for x in theirs]), rtol=1e-3, atol=1e-3)


def test_in_the_plane_it_is_nearly_the_gaussian() -> None:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(30.0), indexing="ij")
    features = torch.stack([rows, columns], -1).view(1, -1, 2) / 4
    v = torch.stack([columns > 15, rows > columns], -1).view(1, -1, 2).float()
    matrix, net = (-0.5 * torch.cdist(features, features).square()).exp(), Lattice(features)
    means = net.filter(v) / net.filter(torch.ones_like(v))
    exact = matrix @ v / matrix.sum(-1, keepdim=True)
    assert (means - exact).abs().mean() < 0.02
    assert (v - exact).abs().mean() > 0.08


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_transposed_is_the_adjoint(dimensions: int) -> None:
    net, x = Lattice(points(dimensions)), values()
    y = x.flip(1)
    torch.testing.assert_close((net.filter(x) * y).sum(), (x * net.filter(y, transposed=True)).sum())
    if dimensions > 1:  # where the axes' order matters
        assert not torch.allclose(net.filter(x), net.filter(x, transposed=True))


def test_images_do_not_mix() -> None:
    features, v = points(3), values()
    features[1] = features[0]
    both = Lattice(features).filter(v)
    alone = [Lattice(features[:1]).filter(v[i : i + 1]) for i in (0, 1)]
    torch.testing.assert_close(both, torch.cat(alone))


def test_keys_that_do_not_fit_into_one_number(monkeypatch: pytest.MonkeyPatch) -> None:
    features, v = points(6), values()
    expected = Lattice(features).filter(v)
    monkeypatch.setattr(lattice, "KEYS", 2**16)
    torch.testing.assert_close(Lattice(features).filter(v), expected)


def test_many_channels_overflow_nothing() -> None:
    features = points(20, count=30, batch=1) * 50  # far apart: each point hears itself alone
    filtered = Lattice(features).filter(values(30, 1))
    ratio = filtered / values(30, 1)
    torch.testing.assert_close(ratio, ratio[:, :, :1].expand_as(ratio))


@pytest.mark.parametrize("keys", [2**62, 40])
def test_rows_get_one_number_each(keys: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lattice, "KEYS", keys)
    rows = torch.randint(-3, 3, (300, 3), generator=torch.Generator().manual_seed(0))
    numbering = Numbering(rows, margin=1)
    same = (rows[:, None] == rows).all(-1)
    assert torch.equal(numbering.numbers[:, None] == numbering.numbers, same)
    assert sorted(set(numbering.numbers.tolist())) == list(range(int(numbering.numbers.max()) + 1))
    other = rows + torch.tensor([0, 1, -1])
    numbers, there = numbering.find(other)
    known = (other[:, None] == rows).all(-1)
    assert torch.equal(there, known.any(1))
    assert torch.equal(numbers[there], numbering.numbers[known.int().argmax(1)][there])
