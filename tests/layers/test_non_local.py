"""Non-local blocks against the definition, with the whole matrix of similarities."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.layers import NonLocal
from intarsia.layers.non_local import rectified_sum

X = torch.randn(2, 6, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SIMILARITIES = ["embedded_gaussian", "dot_product", "concatenation"]


def similarity(block: NonLocal, theta: Tensor, phi: Tensor) -> Tensor:
    """f(x_i, x_j) / C(x), (B, N, M)."""
    if block.similarity == "embedded_gaussian":
        return torch.einsum("bcn,bcm->bnm", theta, phi).softmax(-1)
    if block.similarity == "dot_product":
        return torch.einsum("bcn,bcm->bnm", theta, phi) / phi.shape[-1]
    n, m = theta.shape[-1], phi.shape[-1]
    pairs = torch.cat([theta[..., :, None].expand(-1, -1, n, m), phi[..., None, :].expand(-1, -1, n, m)], dim=1)
    return block.pair(pairs)[:, 0].relu() / m


def by_definition(block: NonLocal, x: Tensor) -> Tensor:
    theta, phi, g = block.theta(x), block.phi(x), block.g(x)
    if block.subsample:
        phi, g = (F.max_pool2d(F.pad(part, (0, 1, 0, 1), value=-1e9), 2) for part in (phi, g))
    f = similarity(block, theta.flatten(2), phi.flatten(2))
    y = torch.einsum("bnm,bcm->bcn", f, g.flatten(2)).unflatten(2, x.shape[-2:])
    return block.norm(block.restore(y)) + x


def grown(block: NonLocal) -> NonLocal:
    """Past its start as the identity."""
    for parameter in (*block.norm.parameters(), *block.restore.parameters()):
        nn.init.normal_(parameter)
    return block.double()


@pytest.mark.parametrize("subsample", [False, True])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_is_its_definition_with_gradients(name: str, subsample: bool) -> None:
    block = grown(NonLocal(6, name, subsample=subsample)).eval()
    x = X.clone().requires_grad_()
    results = []
    for out in (block(x), by_definition(block, x)):
        weights = [p for n, p in block.named_parameters() if n.split(".")[0] not in ("norm", "restore")]
        results.append([out, *torch.autograd.grad(out.square().sum(), [x, *weights])])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_starts_as_the_identity_and_can_leave_it(name: str, norm: bool) -> None:
    block = NonLocal(6, name, norm=norm).double().train()
    out = block(X)
    torch.testing.assert_close(out, X, rtol=0, atol=0)
    out.square().sum().backward()
    first = block.norm.weight if norm else block.restore.weight
    assert first.grad is not None
    assert first.grad.abs().min() > 0


@pytest.mark.parametrize(
    ("channels", "norm", "count"),
    [(512, False, 525_568), (512, True, 526_592), (1024, False, 2_099_712), (1024, True, 2_101_760)],
)
def test_parameters(channels: int, norm: bool, count: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in NonLocal(channels, norm=norm).parameters()) == count


def test_rectified_sum_is_one_and_its_gradient_is_right() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b, values = (
        torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True)
        for s in ((2, 11), (2, 8), (2, 3, 8))
    )
    expected = torch.einsum("bnm,bcm->bcn", (a[..., :, None] + b[..., None, :]).relu(), values)
    torch.testing.assert_close(rectified_sum(a, b, values), expected)
    assert torch.autograd.gradcheck(rectified_sum, (a, b, values))


def test_rectified_sum_of_many_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b, values = (torch.randn(s, generator=generator) for s in ((1, 50), (1, 9409), (1, 4, 9409)))
    exact = torch.einsum("bnm,bcm->bcn", (a[..., :, None] + b[..., None, :]).double().relu(), values.double())
    scale = float(exact.abs().max())
    torch.testing.assert_close(rectified_sum(a, b, values).double(), exact, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_map_of_one_position_and_bfloat16(name: str) -> None:
    block = grown(NonLocal(6, name, subsample=True)).eval()
    torch.testing.assert_close(block(X[..., :1, :1]), by_definition(block, X[..., :1, :1]))
    block, x = block.float(), X.float()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(block(x).float(), block(x).float(), rtol=0.05, atol=0.05)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("name", SIMILARITIES)
def test_compiles_and_exports(name: str) -> None:
    block = grown(NonLocal(6, name)).eval()
    torch.testing.assert_close(torch.compile(block, fullgraph=True, backend="eager")(X), block(X))
    torch.testing.assert_close(torch.export.export(block, (X,)).module()(X), block(X))


@pytest.mark.usefixtures("unchecked_shapes")
def test_refusals() -> None:
    with pytest.raises(UnknownNameError, match="no similarity `gaussian`; did you mean embedded_gaussian"):
        NonLocal(6, "gaussian")
    with pytest.raises(ArgumentError, match=r"`channels` \(=1\) must be at least 2"):
        NonLocal(1)
