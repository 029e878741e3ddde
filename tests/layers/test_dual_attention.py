"""DANet's two attentions: their laws, and the authors' outputs."""

import pytest
import torch
from goldens import check, fill, generator, golden
from torch import Tensor, nn

from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.layers import ChannelAttention, PositionAttention

X = torch.randn(2, 16, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
BLOCKS = {
    "position": lambda: PositionAttention(16),
    "dissimilar": lambda: ChannelAttention("dissimilar"),
    "similar": lambda: ChannelAttention("similar"),
}


def grown(block: nn.Module, gamma: float = 0.5) -> nn.Module:
    nn.init.constant_(block.gamma, gamma)
    return block.double()


@pytest.mark.parametrize(
    ("theirs", "block"), [("PAM_Module", PositionAttention(32)), ("CAM_Module", ChannelAttention())], ids=["PAM", "CAM"]
)
def test_the_authors_outputs(theirs: str, block: nn.Module) -> None:
    content = golden("danet_attention_modules").content
    weights = {name.replace("_conv", ""): fill(name, tuple(shape)) for name, shape in content["names"][theirs].items()}
    block.double().load_state_dict(weights)
    (expected,) = [output for output in content["outputs"] if output["module"] == theirs]
    image = 0.3 * generator(expected["seed"]).standard_normal(expected["input_shape"])
    check(expected, block(torch.from_numpy(image)))


@pytest.mark.parametrize("name", BLOCKS)
def test_gamma_zero_is_the_identity(name: str) -> None:
    torch.testing.assert_close(grown(BLOCKS[name](), 0.0)(X), X, rtol=0, atol=0)


@pytest.mark.parametrize("name", BLOCKS)
def test_position_order_does_not_matter(name: str) -> None:
    block, order = grown(BLOCKS[name]()), torch.randperm(20, generator=torch.Generator().manual_seed(1))

    def shuffled(x: Tensor) -> Tensor:
        return x.flatten(2)[..., order].unflatten(2, (5, 4))

    torch.testing.assert_close(block(shuffled(X)), shuffled(block(X)))


@pytest.mark.parametrize("preference", ["dissimilar", "similar"])
def test_channel_order_does_not_matter_to_channel_attention(preference: str) -> None:
    block, order = grown(ChannelAttention(preference)), torch.randperm(16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(block(X[:, order]), block(X)[:, order])


def test_position_attention_of_a_constant_map() -> None:
    """Weights that sum to one average equal values to that value."""
    block = grown(PositionAttention(16), 0.7)
    nn.init.dirac_(block.value.weight)
    nn.init.zeros_(block.value.bias)
    x = X[..., :1, :1].expand_as(X)
    torch.testing.assert_close(block(x), 1.7 * x)


@pytest.mark.parametrize("preference", ["dissimilar", "similar"])
def test_channel_attention_prefers_what_it_says(preference: str) -> None:
    """Two equal channels and one opposite: each gathers from its like, or from its contrary. Rows sum to one."""
    pattern = torch.tensor([3.0, -3.0], dtype=torch.float64)
    x = torch.stack([pattern, pattern, -pattern]).reshape(1, 3, 1, 2)
    gathered = grown(ChannelAttention(preference), 1.0)(x) - x
    torch.testing.assert_close(gathered, x if preference == "similar" else -x)


def test_channel_energies_are_exact_under_autocast() -> None:
    x = X.float() * 10
    block = grown(ChannelAttention("similar"), 1.0).float()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = block(x)
    torch.testing.assert_close(rounded, block(x), rtol=0.01, atol=0.1)


@pytest.mark.parametrize(("channels", "count"), [(512, 328_321)])
def test_parameters(channels: int, count: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in PositionAttention(channels).parameters()) == count
        assert sum(p.numel() for p in ChannelAttention().parameters()) == 1


@pytest.mark.usefixtures("unchecked_shapes")
def test_refusals() -> None:
    with pytest.raises(ArgumentError, match=r"`reduction` \(=8\) must lie between 1 and the number of channels \(=4\)"):
        PositionAttention(4)
    with pytest.raises(UnknownNameError, match="no preference `same`"):
        ChannelAttention("same")


@pytest.mark.usefixtures("unchecked_shapes")
def test_compiles_exports_and_runs_in_autocast() -> None:
    block = grown(PositionAttention(16)).float()
    x = X.float()
    torch.testing.assert_close(torch.compile(block, fullgraph=True, backend="eager")(x), block(x))
    torch.testing.assert_close(torch.export.export(block, (x,)).module()(x), block(x))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(block(x), block(x).float(), rtol=0.02, atol=0.02)
        block(x).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in block.parameters())
