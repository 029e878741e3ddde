"""Which affinities a network has, whether they are what its refiner does, and what the page says of them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from standins import patch_network
from torch import nn

from intarsia.data import Classes
from intarsia.diagnostics import KINDS, Subject
from intarsia.diagnostics.fields.affinity_measures import contrast, inside, segment_of
from intarsia.diagnostics.fields.affinity_of_network import affinities_of, settings_of
from intarsia.diagnostics.pages.affinity import points_beside_borders
from intarsia.diagnostics.pages.affinity_numbers import SAMPLES, sampled_beside_borders
from intarsia.energies.crf_settings import CRFSettings
from intarsia.models import SegmentationNetwork
from intarsia.models.refined import refine

ROWS, COLUMNS = 16, 24
PICTURE = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS, 3)).astype(np.uint8)
IMAGE = torch.from_numpy(PICTURE).permute(2, 0, 1)[None].float() / 127.5 - 1


def network(refiner: str | None = None, classes: int = 3, **options: Any) -> SegmentationNetwork:
    """With gates, guidance and strength that are not what they begin as."""
    net = patch_network(side=4, classes=classes)
    if refiner:
        refine(net, refiner, classes, options)
        for name, parameter in net.refiner.named_parameters():
            if name.split(".")[0] in ("gates", "affinities", "strength"):
                nn.init.normal_(parameter, std=0.3)
    return net.eval()


@pytest.mark.parametrize(
    ("refiner", "keys"),
    [
        (None, ["probabilities", "features", "crf"]),
        ("spn", ["spn", "crf"]),
        ("cspn", ["cspn", "crf"]),
        ("crf", ["crf"]),
    ],
)
@pytest.mark.parametrize("classes", [1, 3])
def test_every_network_has_some(refiner: str | None, keys: list[str], classes: int) -> None:
    fields = affinities_of(network(refiner, classes), IMAGE, PICTURE)
    assert [placed.key for placed in fields] == keys
    for placed in fields:
        assert placed.field.size == (placed.grid.rows, placed.grid.columns)
        edges = placed.grid.spread(placed.field.edges(), ROWS, COLUMNS)
        assert edges.shape == (ROWS, COLUMNS)
        assert 0 <= edges.min() <= edges.max() <= 1
    assert len(fields[0].farther) == (2 if refiner is None else 0)


def test_the_paper_form_has_its_own_gates() -> None:
    (spn, _) = affinities_of(network("spn", form="paper"), IMAGE, PICTURE)
    assert spn.field.size == (ROWS // 2, COLUMNS // 2)
    assert spn.field.of_pixel(3, 2).sum() == pytest.approx(1, abs=1e-5)
    assert spn.field.source.meaning.endswith(" largest of the directions, 2 times over; this is one time.")


@pytest.mark.parametrize("options", [{}, {"kernel_size": 5, "norm": "8sum", "steps": 3}], ids=str)
def test_shares_of_cspn_times_logits_are_the_refined_logits(options: dict[str, Any]) -> None:
    net = network("cspn", **options)
    refiner, net.refiner = net.refiner, None
    with torch.no_grad():
        logits, features = net(IMAGE), net.features(IMAGE)
        refined = refiner(logits, IMAGE, features)[0].numpy()
    net.refiner = refiner
    field = affinities_of(net, IMAGE, PICTURE)[0].field
    for x, y in ((0, 0), (13, 7), (23, 15)):
        assert_allclose((field.of_pixel(x, y) * logits[0].numpy()).sum((1, 2)), refined[:, y, x], atol=1e-5)


@pytest.mark.parametrize(
    ("merge", "said"), [("max", "largest of the directions, which depends on"), ("learned", "by what it has learned; ")]
)
def test_it_is_said_how_the_network_merges_directions(merge: str, said: str) -> None:
    (spn, _) = affinities_of(network("spn", merge=merge, channels=2), IMAGE, PICTURE)
    assert said in spn.field.source.meaning


def test_shares_of_spn_times_its_map_are_the_propagated_map() -> None:
    """With gates for all channels, and the merge that begins as the mean of the directions."""
    net = network("spn", shared=True, merge="learned", channels=8)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    handle = net.refiner.propagation.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad():
        net(IMAGE)
    handle.remove()
    before, after = (tensor[0].numpy() for tensor in seen[0])
    placed = affinities_of(net, IMAGE, PICTURE)[0]
    assert placed.grid.position(x=8, y=5) == (2, 4)
    for x, y in ((0, 0), (4, 2), (11, 7)):
        assert_allclose((placed.field.of_pixel(x, y) * before).sum((1, 2)), after[:, y, x], atol=1e-5)


def test_the_kernel_is_that_of_the_crf_that_the_network_has() -> None:
    net = network("crf", appearance_sxy=20.0)
    with torch.no_grad():
        net.refiner.appearance_weight.copy_(torch.tensor([4.0, 6.0, 8.0]))
        net.refiner.smoothness_weight.fill_(-1)  # learned so: it ties nothing
    settings = settings_of(net.refiner)
    assert (settings.appearance_weight, settings.smoothness_weight, settings.appearance_sxy) == (6, 0, 20)
    assert settings.appearance_srgb == net.refiner.sigmas.appearance_srgb
    row = affinities_of(net, IMAGE, PICTURE)[0].field.of_pixel(3, 3)
    colours = ((PICTURE.astype(float) - PICTURE[3, 3]) ** 2).sum(-1) / 13**2
    places = ((np.indices((ROWS, COLUMNS)) - 3) ** 2).sum(0) / 20**2
    assert_allclose(row, np.exp(-(colours + places) / 2))


def test_a_runs_refinement_gives_the_kernel_beside() -> None:
    settings = CRFSettings(smoothness_weight=0, appearance_sxy=1e6, appearance_srgb=1e6)
    row = affinities_of(network(), IMAGE, PICTURE, settings)[-1].field.of_pixel(0, 0)
    assert_allclose(row, 1, atol=1e-6)


def test_segments_hang_together() -> None:
    mask = np.array([[1, 1, 0, 1], [0, 0, 1, 0]], np.uint8)
    assert segment_of(mask, (0, 0)).tolist() == [[True, True, False, True], [False, False, True, False]]
    assert segment_of(mask, (2, 0)).tolist() == [[False, False, True, False], [True, True, False, True]]


def test_what_knows_distances_alone_is_blind() -> None:
    """A round affinity keeps as much as a blind one; one that stops at the border keeps all, and what is negative
    counts as none."""
    rows, columns = np.indices((41, 41))
    distance = np.hypot(rows - 20, columns - 20).round()
    segment = columns >= 18
    found = inside(np.exp(-distance / 4), segment, (20, 20))
    assert found is not None
    assert found.kept == pytest.approx(found.blind)
    knowing = inside(np.where(segment, 1.0, -1.0), segment, (20, 20))
    assert knowing is not None
    assert knowing.kept == 1
    assert knowing.blind < 0.7
    assert inside(np.zeros((41, 41)), segment, (20, 20)) is None


def test_contrast_leaves_out_what_is_near_or_ignored() -> None:
    mask = np.zeros((6, 40), np.uint8)
    mask[:, 20:] = 1
    edges = np.full((6, 40), 0.25)
    edges[:, 19:21], edges[:, 16:19], edges[:, 21:24] = 1, 9, 9
    assert contrast(edges, mask, 255) == (1, 0.25)
    assert contrast(edges, np.zeros((6, 40), np.uint8), 255) is None
    mask[:, 30:] = 255  # no border runs where pixels to ignore begin
    edges[:, 30:] = 7
    assert contrast(edges, mask, 255) == (1, 0.25)
    mask[:, 18:22] = 255  # a band along the border
    assert contrast(edges, mask, 255) == (1, 0.25)
    assert contrast(edges, np.full((6, 40), 255, np.uint8), 255) is None


def test_points_lie_beside_borders() -> None:
    """Three pixels from the border and away from the rim; where all is rim, or no border, somewhere in the class."""
    mask = np.zeros((32, 64), np.uint8)
    mask[:, 40:], mask[0, 60:] = 1, 2  # the third is too small
    (first, second) = points_beside_borders(mask, 3)
    assert (first[0], second[0]) == (36, 43)
    assert all(4 <= y < 28 for _, y in (first, second))
    thin = np.zeros((32, 64), np.uint8)
    thin[:3] = 1
    assert [thin[y, x] for x, y in points_beside_borders(thin, 2)] == [0, 1]
    assert points_beside_borders(np.zeros((5, 5), np.uint8), 3) == ((2, 2),)
    assert points_beside_borders(np.full((5, 5), 255, np.uint8), 3) == ()


def test_samples_are_spread_over_all_borders() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 30:], mask[20:, 10:20] = 1, 255
    sampled = sampled_beside_borders(mask, 255)
    assert len(sampled) == len(set(sampled)) == SAMPLES
    assert all(mask[y, x] != 255 for x, y in sampled)
    rows = [y for _, y in sampled]
    assert rows == sorted(rows)
    assert rows[-1] > 30
    assert sampled_beside_borders(np.zeros((4, 4), np.uint8), 255) == []


def subject(net: SegmentationNetwork, **given: Any) -> Subject:
    return Subject(net, IMAGE, PICTURE, Classes.numbered(3), **given)


def test_the_page_of_a_refiner() -> None:
    truth = np.zeros((ROWS, COLUMNS), np.uint8)
    truth[:, 12:], truth[:2] = 1, 255
    page = KINDS["affinity"](subject(network("spn"), points=((3, 4), (20, 1)), truth=truth))
    names = [figure.name for figure in page.figures]
    assert names == [
        *("picture", "prediction", "truth"),
        *("around-3-4", "spn-3-4", "crf-3-4", "around-20-1", "spn-20-1", "crf-20-1"),
        *("edges-spn", "edges-crf"),
    ]
    (table,) = page.tables
    assert list(table.columns) == ["", "the segment", "Spatial propagation", "blind", "CRF kernel", "blind"]
    assert [row[0] for row in table.rows] == ["class 0, 3,4", "mean of 16 pixels beside borders"]  # not the ignored one
    assert table.rows[0][1] == "44 %"
    assert [label for label, _ in page.facts] == ["Edges of spatial propagation", "Edges of CRF kernel"]
    assert all("on true borders" in value for _, value in page.facts)
    assert "Shares are parts of one" in page.how_to_read
    assert "Likenesses" in page.how_to_read


def test_a_refiner_that_has_learned_nothing_takes_nothing_from_others() -> None:
    """The map is dark, and there is nothing that could stay inside."""
    net = patch_network(side=4)
    refine(net, "spn", 3, {})
    truth = np.zeros((ROWS, COLUMNS), np.uint8)
    truth[:, 12:] = 1
    page = KINDS["affinity"](subject(net.eval(), points=((3, 4),), truth=truth))
    assert page.tables[0].rows[0][2:4] == ("–", "–")
    (sentence,) = [figure.sentence for figure in page.figures if figure.name == "spn-3-4"]
    assert sentence == "Its own share is 1.00, the largest other 0.000; 90 % lie within 0 pixels."


def test_the_page_of_a_network_without_refiner_and_truth() -> None:
    page = KINDS["affinity"](subject(network(), points=((3, 4),)))
    assert [figure.name for figure in page.figures][2:] == [
        *("probabilities-3-4", "features-3-4", "crf-3-4"),
        *("edges-probabilities", "edges-probabilities-2", "edges-probabilities-3", "edges-features", "edges-crf"),
    ]
    captions = [figure.caption for figure in page.figures if figure.name.startswith("edges-probabilities")]
    assert captions == ["Probabilities, 3×3", "Probabilities, 5×5", "Probabilities, 7×7"]
    assert not page.tables
    assert all(value.endswith(" on average") for _, value in page.facts)
    assert "Shares" not in page.how_to_read


def test_the_sentence_below_a_map_is_what_is_in_it() -> None:
    """Half of a pixel's result is its own, the rest comes from the eight around it: all within √2 < 2 pixels."""
    net = network("cspn", steps=1, norm="8sum_abs")
    for parameter in net.refiner.affinities.parameters():
        nn.init.zeros_(parameter)
    nn.init.ones_(net.refiner.affinities.bias)
    nn.init.zeros_(net.refiner.strength.weight)
    nn.init.constant_(net.refiner.strength.bias, 0.5)
    page = KINDS["affinity"](subject(net, points=((3, 4),)))
    (sentence,) = [figure.sentence for figure in page.figures if figure.name == "cspn-3-4"]
    radius = f"{math.sqrt(2):.0f}"
    assert sentence == f"Its own share is 0.50, the largest other 0.062; 90 % lie within {radius} pixels."


def test_features_of_nothing_have_no_numbers() -> None:
    """A dead position: the cosine is zero with all, and the table says that there is nothing to divide."""
    net = network()
    for parameter in net.backbone.parameters():
        nn.init.zeros_(parameter)
    truth = np.zeros((ROWS, COLUMNS), np.uint8)
    page = KINDS["affinity"](replace(subject(net, points=((3, 4),)), truth=truth))
    assert page.tables[0].rows[0][4:6] == ("–", "–")
    assert len(page.tables[0].rows) == 1  # no borders
