"""Entropy, margin and the rest, against their definitions."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from standins import patch_network
from torch import nn

from intarsia.diagnostics import dropout_disagreement, entropy, margin, mirror_disagreement
from intarsia.diagnostics.uncertainty import border_distance, class_shares, dropouts_of
from intarsia.errors import ArgumentError

IMAGE = torch.randn(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))


def test_entropy_and_margin_by_hand() -> None:
    shares = np.array([[1.0, 0.25, 0.7], [0.0, 0.25, 0.2], [0.0, 0.25, 0.1], [0.0, 0.25, 0.0]])[:, None]
    mixed = -(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1)) / np.log(4)
    np.testing.assert_allclose(entropy(shares), [[0, 1, mixed]], atol=1e-12)
    np.testing.assert_allclose(margin(shares), [[1, 0, 0.5]], atol=1e-12)


def test_one_logit_is_two_classes() -> None:
    shares = class_shares(torch.tensor([[[0.0, 3.0, -3.0]]]))
    expected = torch.tensor([0.0, 3.0, -3.0]).sigmoid().numpy()
    np.testing.assert_allclose(shares[1, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(shares.sum(0), 1, rtol=1e-6)


def test_the_mirror_finds_what_looks_left() -> None:
    """A network of symmetric filters says the same of a mirror image; of others the difference is Σ |p − p'| / 2."""
    net = patch_network(side=4)
    conv = net.backbone.body.patches
    found = mirror_disagreement(net, IMAGE)
    with torch.no_grad():
        plain, back = net(IMAGE)[0].softmax(0), net(IMAGE.flip(-1))[0].softmax(0).flip(-1)
        np.testing.assert_allclose(found, (plain - back).clamp(min=0).sum(0), atol=1e-6)
        assert found.max() > 0.01
        conv.weight.copy_((conv.weight + conv.weight.flip(-1)) / 2)
    np.testing.assert_allclose(mirror_disagreement(net, IMAGE), 0, atol=1e-6)


def test_dropout_against_the_definition_and_nothing_stays() -> None:
    net = patch_network(nn.Dropout2d(0.5), nn.BatchNorm2d(16))
    before = torch.get_rng_state()
    found = dropout_disagreement(net, IMAGE, passes=3, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(module.training for module in net.modules())
    assert torch.equal(net.decoder[2].running_mean, torch.zeros(16))
    torch.manual_seed(5)
    net.decoder[1].train()
    with torch.no_grad():
        passes = torch.stack([net(IMAGE)[0].softmax(0) for _ in range(3)]).double().numpy()
    expected = entropy(passes.mean(0)) - np.mean([entropy(shares) for shares in passes], 0)
    np.testing.assert_allclose(found, expected.clip(0), atol=1e-6)
    assert found.max() > 1e-3


def test_dropout_that_never_drops_is_none() -> None:
    assert dropouts_of(patch_network(nn.Dropout(0.0))) == []
    net = patch_network(nn.Dropout(0.1))
    assert dropouts_of(net) == ["decoder.1"]
    net.auxiliary_heads.append(nn.Sequential(nn.Dropout2d(0.5)))
    assert dropouts_of(net) == ["decoder.1"]  # auxiliary heads do not answer


def test_dropout_needs_dropout_and_passes() -> None:
    with pytest.raises(ArgumentError, match=r"has no dropout that is used in prediction"):
        dropout_disagreement(patch_network(), IMAGE)
    with pytest.raises(ArgumentError, match=r"`passes` \(=1\) must be at least 2"):
        dropout_disagreement(patch_network(nn.Dropout(0.5)), IMAGE, passes=1)


def test_modes_return_where_the_network_fails() -> None:
    net = patch_network(nn.Dropout(0.5), nn.Conv2d(5, 16, 1))  # which gets 16 channels
    with pytest.raises(RuntimeError, match="channels"):
        dropout_disagreement(net, IMAGE)
    assert not net.decoder[1].training


def test_distances_to_the_nearest_border() -> None:
    mask = np.random.default_rng(0).integers(0, 2, (4, 5)).repeat(6, 0).repeat(7, 1).astype(np.uint8)
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
    padded = np.pad(mask, 1, mode="edge")
    differs = [
        padded[1 + i : mask.shape[0] + 1 + i, 1 + j : mask.shape[1] + 1 + j] != mask
        for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0))
    ]
    border = np.argwhere(np.any(differs, 0))
    expected = cKDTree(border).query(np.stack([rows.ravel(), columns.ravel()], 1))[0].reshape(mask.shape)
    np.testing.assert_allclose(border_distance(mask), expected)
    assert np.isinf(border_distance(np.zeros((3, 3), np.uint8))).all()
