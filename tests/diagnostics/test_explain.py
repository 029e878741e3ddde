"""`explain`: from a run and a picture to a page; the pictures it is given, and the mistakes it names."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from standins import patch_network
from torch import nn

from intarsia.data import Classes, open_dataset
from intarsia.diagnostics import KINDS, Subject, explain, open_subject, subject
from intarsia.diagnostics.explain import USERS
from intarsia.diagnostics.pages.attention import chosen_points
from intarsia.errors import ArgumentError, DataError, RunError, UnknownNameError
from intarsia.inference import Execution, Preprocessing, Segmenter
from intarsia.layers import ChannelAttention, NonLocal, PositionAttention, SqueezeExcitation
from intarsia.models import CATALOG, create_model

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
PICTURE[:, 32:] //= 4


def segmenter(*blocks: nn.Module, classes: Classes | None = None) -> Segmenter:
    known = classes or Classes.numbered(3)
    net = patch_network(*blocks, classes=known.count)
    for parameter in net.parameters():
        parameter.data *= 4
    return Segmenter(net, Preprocessing((0.5,) * 3, (0.25,) * 3), known, Execution())


EVERYTHING = (PositionAttention(16), NonLocal(16), ChannelAttention(), SqueezeExcitation(16), nn.Dropout(0.2))


def segmenter_for(what: str) -> Segmenter:
    """A network that has something of the kind."""
    if what != "gridding":
        return segmenter(*EVERYTHING)
    torch.manual_seed(0)
    net = create_model("fcn", classes=3, **{**CATALOG["fcn"].tiny, "output_stride": 8, "dilation": "uniform"}).eval()
    return Segmenter(net, Preprocessing((0.5,) * 3, (0.25,) * 3), Classes.numbered(3), Execution())


@pytest.mark.parametrize("what", KINDS)
def test_every_kind_leaves_the_network_as_it_was(what: str, tmp_path: Path) -> None:
    segments = segmenter_for(what)
    weights, answer = copy.deepcopy(segments.net.state_dict()), segments.predict(PICTURE).logits
    explanation = explain(segments, PICTURE, what, out=tmp_path / "page")
    names = [figure.name for figure in explanation.figures]
    assert len(names) == len(set(names))
    files = {path.name for path in (tmp_path / "page").iterdir()}
    assert files == {"index.html"} | {
        f"{figure.name}.{'svg' if isinstance(figure.picture, str) else 'png'}" for figure in explanation.figures
    }
    assert files > {"index.html"}
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


def test_a_mask_takes_the_place_of_a_built_in_pictures_own(tmp_path: Path) -> None:
    materials = open_dataset("sample:materials")
    rows, columns = materials.split("val")[3].image().shape[:2]
    mask = np.tile(np.arange(columns, dtype=np.uint8) % materials.classes.count, (rows, 1))
    Image.fromarray(mask).save(tmp_path / "mask.png")
    for segments in (segmenter(classes=materials.classes), segmenter(classes=Classes.numbered(8))):
        given = open_subject(segments, "sample:materials/val-0003", mask=tmp_path / "mask.png")
        assert np.array_equal(given.truth, mask)
    Image.fromarray(mask[1:]).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match="but its mask"):
        open_subject(segmenter(classes=materials.classes), "sample:materials/val-0003", mask=tmp_path / "mask.png")


MISTAKES = [
    ({"what": "atention"}, UnknownNameError, r"no explanation `atention`; did you mean attention\?"),
    ({"at": [(64, 0)]}, ArgumentError, r"point 64,0 lies outside the picture, which has 64 columns \(x\) and 48 rows"),
    ({"at": [(0, -1)]}, ArgumentError, r"point 0,-1 lies outside"),
    ({"image": "nowhere.png"}, DataError, r"`nowhere.png` cannot be read"),
    ({"image": "sample:materials/val-9999"}, DataError, r"no picture `val-9999`; name one as in sample:materials/tra"),
    (
        {"image": "sample:materials"},
        DataError,
        r"`sample:materials` is a whole set, and one picture is wanted; name one",
    ),
    (
        {"image": "sample:materials/"},
        DataError,
        r"`sample:materials` is a whole set, and one picture is wanted; name one",
    ),
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


ARGUMENTS: dict[str, object] = {"at": [(1, 1)], "stage": 8, "mask": "mask.png"}


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_an_argument_is_used_or_refused(argument: str, what: str) -> None:
    """A kind that reads it gets as far as the run; another says which kinds do."""
    asked: dict[str, Any] = {argument: ARGUMENTS[argument]}
    if what in USERS[argument]:
        with pytest.raises(RunError, match="no run `nowhere`"):
            explain("nowhere", PICTURE, what, **asked)
    else:
        with pytest.raises(
            ArgumentError, match=rf"`--{argument}` has no use in the explanation `{what}`; leave it out"
        ) as e:
            explain("nowhere", PICTURE, what, **asked)
        assert all(user in str(e.value) for user in USERS[argument])


@pytest.mark.parametrize("what", KINDS)
def test_the_table_of_users_is_what_the_pages_read(what: str) -> None:
    """Each page is made of a subject that notes which of its fields are read."""
    read: set[str] = set()

    class Noting(Subject):
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    given = open_subject(segmenter_for(what), PICTURE)
    KINDS[what](Noting(given.network, given.image, given.picture, given.classes))
    for field, argument in (("points", "at"), ("stage", "stage"), ("truth", "mask")):
        assert (field in read) == (what in USERS[argument])


def test_places_that_no_folder_can_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before anything is computed: the run does not exist either."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "held" / "index.html").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    refused = [
        ("../file", r"`../file` is a file"),
        ("../file/x", r"`.*/file` is a file; choose another --out"),
        ("../file/x/y", r"`.*/file` is a file; choose another --out"),
        ("../held", r"`../held` holds `index.html`, which is no part of an explanation"),
        (".", r"--out `\.` is the folder that you are in; name one inside it"),
        (tmp_path / "here", r"is the folder that you are in"),
    ]
    for out, sentence in refused:
        with pytest.raises(ArgumentError, match=sentence):
            explain("nowhere", "nowhere.png", "features", out=out)
