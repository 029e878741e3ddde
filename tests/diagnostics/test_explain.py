"""`explain`: from a run and a picture to a page; the pictures it is given, and the mistakes it names."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from standins import patch_network
from torch import nn

from intarsia.data import Classes, open_dataset
from intarsia.diagnostics import KINDS, explain, open_subject, subject
from intarsia.diagnostics.attention_page import chosen_points
from intarsia.errors import ArgumentError, DataError, RunError, UnknownNameError
from intarsia.inference import Execution, Preprocessing, Segmenter
from intarsia.layers import ChannelAttention, NonLocal, PositionAttention, SqueezeExcitation

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
PICTURE[:, 32:] //= 4


def segmenter(*blocks: nn.Module, classes: Classes | None = None) -> Segmenter:
    known = classes or Classes.numbered(3)
    net = patch_network(*blocks, classes=known.count)
    for parameter in net.parameters():
        parameter.data *= 4
    return Segmenter(net, Preprocessing((0.5,) * 3, (0.25,) * 3), known, Execution())


EVERYTHING = (PositionAttention(16), NonLocal(16), ChannelAttention(), SqueezeExcitation(16), nn.Dropout(0.2))


@pytest.mark.parametrize("what", ["attention", "features", "uncertainty"])
def test_every_kind_leaves_the_network_as_it_was(what: str, tmp_path: Path) -> None:
    segments = segmenter(*EVERYTHING)
    weights, answer = copy.deepcopy(segments.net.state_dict()), segments.predict(PICTURE).logits
    explanation = explain(segments, PICTURE, what, out=tmp_path / "page")
    names = [figure.name for figure in explanation.figures]
    assert len(names) == len(set(names))
    files = {path.name for path in (tmp_path / "page").iterdir()}
    assert files == {"index.html"} | {
        f"{figure.name}.{'svg' if isinstance(figure.picture, str) else 'png'}" for figure in explanation.figures
    }
    assert np.array_equal(segments.predict(PICTURE).logits, answer)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in segments.net.state_dict().items())
    assert not any(module._forward_hooks or module.training for module in segments.net.modules())


def test_attention_shows_each_kind_of_block() -> None:
    explanation = explain(segmenter(*EVERYTHING), PICTURE, "attention", at=[(3, 5), (60, 40)])
    names = {figure.name for figure in explanation.figures}
    assert {"decoder.1-3-5", "decoder.1-60-40", "decoder.2-3-5", "decoder.3-matrix", "gates"} <= names
    assert any(name.startswith("decoder.4-open") for name in names)
    headings = [table.heading for table in explanation.tables]
    assert headings == ["Who attends to whom: decoder.1", "Who attends to whom: decoder.2", "Gates"]
    facts = dict(explanation.facts)
    assert set(facts) >= {"γ of decoder.1", "γ of decoder.2"}
    assert any("attends to itself" in label for label in facts)


def test_the_lightest_place_is_where_the_attention_is() -> None:
    """Queries and keys that see brightness alone: a pixel of the bright half attends to the bright half."""
    segments = segmenter(PositionAttention(16))
    block = segments.net.decoder[1]
    with torch.no_grad():
        block.key.weight.copy_(block.query.weight)
        block.key.bias.copy_(block.query.bias)
    bright = np.full((48, 64, 3), 20, np.uint8)
    bright[:, 32:] = 235
    truth = np.zeros((48, 64), np.uint8)
    truth[:, 32:] = 1
    given = open_subject(segments, bright, [(50, 20)])
    explanation = KINDS["attention"](replace(given, truth=truth))
    (heat,) = [figure.picture for figure in explanation.figures if figure.name == "decoder.1-50-20"]
    light = heat.astype(float).sum(-1)
    assert light[:, : light.shape[1] // 2].mean() < light[:, light.shape[1] // 2 :].mean() - 100
    (itself,) = [value for label, value in explanation.facts if label == "decoder.1: class 1 attends to itself"]
    inside, outside = (float(part.strip(" ×")) for part in itself.split(", to others"))
    assert inside > 1.2 > 0.8 > outside


def test_features_of_one_stage() -> None:
    explanation = explain(segmenter(), PICTURE, "features", stage=8)
    assert [figure.name for figure in explanation.figures][:2] == ["picture", "stage-0-stride-8"]
    with pytest.raises(ArgumentError, match=r"`patches` has no stage at stride 16; name one of 8\."):
        explain(segmenter(), PICTURE, "features", stage=16)


def test_uncertainty_counts_errors_where_the_truth_is_known(tmp_path: Path) -> None:
    segments = segmenter()
    mask = segments.predict(PICTURE).mask
    wrong = mask.copy()
    wrong[:12] = (wrong[:12] + 1) % 3
    wrong[12:24] = 255
    Image.fromarray(wrong).save(tmp_path / "mask.png")
    facts = dict(explain(segments, PICTURE, "uncertainty", mask=tmp_path / "mask.png").facts)
    assert facts["Wrong pixels"] == "33.3 %"  # 12 of the 36 rows that count
    Image.fromarray(mask).save(tmp_path / "right.png")
    assert dict(explain(segments, PICTURE, "uncertainty", mask=tmp_path / "right.png").facts)["Wrong pixels"] == "none"
    assert "Wrong pixels" not in dict(explain(segments, PICTURE, "uncertainty").facts)


def test_points_lie_deepest_in_the_largest_classes() -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[:, 29:], mask[4:7, 3:6] = 1, 2
    mask[0, 0] = 3  # too small to be asked about
    assert chosen_points(mask, 4) == ((15, 10), (34, 10), (4, 5))
    assert chosen_points(np.full((4, 4), 255, np.uint8), 4) == ()


def test_large_pictures_become_smaller_with_points_and_mask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(subject, "LONGEST_SIDE", 32)
    mask = np.zeros((48, 64), np.uint8)
    mask[:, 32:] = 2
    Image.fromarray(mask).save(tmp_path / "mask.png")
    given = open_subject(segmenter(), PICTURE, [(63, 47), (0, 0), (33, 10), (32, 11)], mask=tmp_path / "mask.png")
    assert given.picture.shape == (24, 32, 3)
    assert given.image.shape == (1, 3, 24, 32)
    assert given.points == ((31, 23), (0, 0), (16, 5))
    assert np.array_equal(given.truth, mask[::2, ::2])
    torch.testing.assert_close(given.image[0, :, 3, 4] * 0.25 + 0.5, torch.tensor(given.picture[3, 4]) / 255)


def test_a_picture_keeps_its_size_and_numbers() -> None:
    given = open_subject(segmenter(), PICTURE)
    assert np.array_equal(given.picture, PICTURE)
    assert np.array_equal(given.mask(), segmenter().predict(PICTURE).mask)
    assert given.truth is None


def test_pictures_of_built_in_sets_bring_their_mask() -> None:
    materials = open_dataset("sample:materials")
    (sample,) = [sample for sample in materials.split("val") if sample.name == "val-0003"]
    given = open_subject(segmenter(classes=materials.classes), "sample:materials/val-0003")
    assert np.array_equal(given.picture, sample.image())
    assert np.array_equal(given.truth, sample.mask())
    assert open_subject(segmenter(), "sample:materials/val-0003").truth is None  # of other classes


MISTAKES = [
    ({"what": "atention"}, UnknownNameError, r"no explanation `atention`; did you mean attention\?"),
    ({"at": [(64, 0)]}, ArgumentError, r"point 64,0 lies outside the picture, which has 64 columns \(x\) and 48 rows"),
    ({"at": [(0, -1)]}, ArgumentError, r"point 0,-1 lies outside"),
    ({"image": "nowhere.png"}, DataError, r"`nowhere.png` cannot be read"),
    ({"image": "sample:materials/val-9999"}, DataError, r"no picture `val-9999`; name one as in sample:materials/tra"),
    ({"image": "sample:marble/val-0000"}, UnknownNameError, r"no built-in sample `marble`"),
    ({"run": "nowhere"}, RunError, r"no run `nowhere`"),
    ({}, ArgumentError, r"network on backbone `patches` has no attention and no gates; danet, bisenet and any"),
]


@pytest.mark.parametrize(
    ("change", "error", "sentence"), MISTAKES, ids=lambda value: value if isinstance(value, str) else None
)
def test_mistakes_get_one_sentence(change: dict[str, object], error: type[Exception], sentence: str) -> None:
    arguments = {"run": segmenter(), "image": PICTURE, "what": "attention", **change}
    with pytest.raises(error, match=sentence):
        explain(**arguments)


def test_a_mask_of_another_size(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((48, 60), np.uint8)).save(tmp_path / "mask.png")
    Image.fromarray(PICTURE).save(tmp_path / "picture.png")
    with pytest.raises(DataError, match=r"48 rows × 64 columns, but its mask `.*mask.png` has 48 × 60"):
        explain(segmenter(), tmp_path / "picture.png", "uncertainty", mask=tmp_path / "mask.png")


def test_a_folder_of_others_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArgumentError, match=r"holds `notes.txt`"):
        explain("nowhere", "nowhere.png", "features", out=tmp_path)
