"""Rows of attention: what the blocks themselves gathered, and the softmax by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from standins import patch_network
from torch import Tensor, nn

from intarsia.diagnostics import attention_between, attention_maps, channel_attention, position_attention
from intarsia.diagnostics.attention_maps import attention_grid
from intarsia.diagnostics.watching import input_of, watched
from intarsia.errors import ArgumentError
from intarsia.layers import ChannelAttention, NonLocal, PositionAttention
from intarsia.models import SegmentationNetwork

CHANNELS = 16
IMAGE = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
BLOCKS = {
    "position": lambda c: PositionAttention(c),
    "embedded_gaussian": lambda c: NonLocal(c),
    "subsampled": lambda c: NonLocal(c, subsample=True, norm=False),
    "dot_product": lambda c: NonLocal(c, "dot_product"),
    "concatenation": lambda c: NonLocal(c, "concatenation", subsample=True),
}
SOFTMAX = ("position", "embedded_gaussian", "subsampled")


def network(*blocks: nn.Module) -> SegmentationNetwork:
    """With weights large enough that attention is far from even."""
    torch.manual_seed(0)
    for block in blocks:
        for parameter in block.parameters():
            nn.init.normal_(parameter, std=0.5)
    return patch_network(*blocks, channels=CHANNELS)


def with_block(name: str) -> tuple[SegmentationNetwork, str, nn.Module]:
    block = BLOCKS[name](CHANNELS)
    return network(block), "decoder.1", block


@pytest.mark.parametrize("name", BLOCKS)
def test_rows_give_what_the_block_gathers(name: str) -> None:
    """The block's own forward pass, which holds no matrix, sums its values by these weights."""
    net, path, block = with_block(name)
    points = [(x, y) for y in range(4, 96, 8) for x in range(4, 64, 8)]  # one in each position, at output stride 8
    rows = torch.from_numpy(position_attention(net, IMAGE, points)).flatten(1)
    assert rows.std() > 0.02 * rows.abs().mean()  # far from even, so that a wrong weight shows
    if name == "position":
        (x,) = watched(net, IMAGE, [path], input_of)[path]
        (out,) = watched(net, IMAGE, [path], lambda module, inputs, output: output)[path]
        gathered, values = (out - x) / block.gamma, watched(net, IMAGE, [f"{path}.value"])[f"{path}.value"][0]
    else:
        (gathered,) = watched(net, IMAGE, [f"{path}.restore"], input_of)[f"{path}.restore"]
        (values,) = watched(net, IMAGE, [f"{path}.g"])[f"{path}.g"]
        values = F.max_pool2d(values, 2, ceil_mode=True) if block.subsample else values
    expected: Tensor = values[0].flatten(1) @ rows.mT
    torch.testing.assert_close(gathered[0].flatten(1), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax_rows_sum_to_one(name: str) -> None:
    net, _, _ = with_block(name)
    rows = position_attention(net, IMAGE, [(0, 0), (63, 95), (30, 41)])
    assert rows.shape == ((3, 6, 4) if name == "subsampled" else (3, 12, 8))
    np.testing.assert_allclose(rows.sum((1, 2)), 1, rtol=1e-5)
    assert (rows >= 0).all()


def test_danets_map_by_hand_in_float64() -> None:
    net, path, block = with_block("position")
    (x,) = watched(net, IMAGE, [path], input_of)[path]
    query, key = (
        torch.einsum("dc,chw->dhw", conv.weight[..., 0, 0].double(), x[0].double()) + conv.bias.double()[:, None, None]
        for conv in (block.query, block.key)
    )
    for px, py in [(0, 0), (33, 70), (63, 95)]:
        scores = torch.einsum("d,dhw->hw", query[:, py // 8, px // 8], key)
        expected = (scores - scores.max()).exp()
        expected = expected / expected.sum()
        (found,) = position_attention(net, IMAGE, [(px, py)])
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-3, atol=1e-7)


def test_blocks_are_chosen_by_name() -> None:
    net, point = network(PositionAttention(CHANNELS), NonLocal(CHANNELS)), [(20, 20)]
    by_default, first, second = (position_attention(net, IMAGE, point, b) for b in (None, "decoder.1", "decoder.2"))
    assert np.array_equal(by_default, first)
    assert not np.allclose(first, second)


@pytest.mark.parametrize("name", ["position", "subsampled"])
def test_between_classes_is_the_mean_over_all_pairs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against loops over positions; a few queries at a time, an ignored corner, and a class that is not there."""
    monkeypatch.setattr(attention_maps, "SCORES", 7 * 96)
    net, _, _ = with_block(name)
    mask = np.zeros((96, 64), np.uint8)
    mask[:48, 32:], mask[48:, :16], mask[80:, 48:] = 1, 2, 255
    found = attention_between(net, IMAGE, mask, 4)
    grid = attention_grid(net, IMAGE)
    points = [(x, y) for y in range(4, 96, 8) for x in range(4, 64, 8)]
    rows = position_attention(net, IMAGE, points).reshape(96, -1)
    of_query = np.array([mask[y, x] for x, y in points])
    of_key = mask[np.ix_(*grid.places(96, 64))].ravel()
    for i in range(4):
        for j in range(4):
            chosen = rows[np.ix_(of_query == i, of_key == j)]
            if chosen.size:
                assert found.weights[i, j] == pytest.approx(chosen.mean() * rows.shape[1], rel=1e-4)
            else:
                assert np.isnan(found.weights[i, j])
    assert found.looking.tolist() == [(of_query == i).sum() for i in range(4)]
    assert found.seen.tolist() == [(of_key == i).sum() for i in range(4)]
    outside = rows[np.ix_(of_query == 1, (of_key != 1) & (of_key != 255))]
    assert found.outside(1) == pytest.approx(outside.mean() * rows.shape[1], rel=1e-4)
    assert found.inside(1) == found.weights[1, 1]


def test_a_class_alone_has_no_outside() -> None:
    net, _, _ = with_block("position")
    found = attention_between(net, IMAGE, np.zeros((96, 64), np.uint8), 2)
    assert found.inside(0) == pytest.approx(1, rel=1e-4)  # of all positions the mean is even
    assert np.isnan(found.outside(0))
    assert np.isnan(found.inside(1))


def test_attention_to_ones_own_class_is_seen() -> None:
    """Keys that are the queries: each position prefers what looks like it."""
    net, _, block = with_block("position")
    with torch.no_grad():
        block.key.weight.copy_(block.query.weight)
        block.key.bias.copy_(block.query.bias)
    image = torch.cat([torch.full((1, 3, 48, 64), 3.0), torch.full((1, 3, 48, 64), -3.0)], 2)
    mask = np.zeros((96, 64), np.uint8)
    mask[48:] = 1
    found = attention_between(net, image, mask, 2)
    assert found.inside(0) > 1.2 > 0.8 > found.outside(0)


@pytest.mark.parametrize("preference", ["similar", "dissimilar"])
def test_channel_rows_give_what_the_block_gathers(preference: str) -> None:
    block = ChannelAttention(preference)
    nn.init.constant_(block.gamma, 0.5)
    net, path = patch_network(block, channels=CHANNELS), "decoder.1"
    (x,) = watched(net, IMAGE, [path], input_of)[path]
    (out,) = watched(net, IMAGE, [path])[path]
    weights = torch.from_numpy(channel_attention(net, IMAGE))
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    expected = x[0].flatten(1) + 0.5 * weights @ x[0].flatten(1)
    torch.testing.assert_close(out[0].flatten(1), expected, rtol=1e-3, atol=1e-3)


def test_a_network_without_the_block_says_what_it_has() -> None:
    with pytest.raises(ArgumentError, match=r"has no block of position attention .*; danet has, and any model with"):
        position_attention(network(), IMAGE, [(0, 0)])
    with pytest.raises(ArgumentError, match=r"no block of channel attention"):
        channel_attention(network(), IMAGE)
    with pytest.raises(ArgumentError, match=r"no block `head` of position attention .*decoder\.1"):
        position_attention(with_block("position")[0], IMAGE, [(0, 0)], "head")
