"""The pages of receptive fields, gridding and checkerboards, on networks that have them and on those that have not."""

from typing import Any

import numpy as np
import pytest
import torch
from standins import pointwise

from intarsia.data import Classes
from intarsia.diagnostics.fields.gridding import Stack
from intarsia.diagnostics.pages.checkerboard import explain_checkerboard
from intarsia.diagnostics.pages.explanation import Explanation
from intarsia.diagnostics.pages.gridding import bars, explain_gridding, over_picture
from intarsia.diagnostics.pages.receptive_field import explain_receptive_field
from intarsia.diagnostics.subject import Subject
from intarsia.errors import ArgumentError
from intarsia.models import CATALOG, create_model


def subject(name: str, rows: int = 64, columns: int = 80, **options: Any) -> Subject:
    torch.manual_seed(0)
    points = options.pop("points", ())
    stage = options.pop("stage", None)
    net = create_model(name, classes=3, **{**CATALOG[name].tiny, **options}).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (rows, columns, 3)).astype(np.uint8)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 128 - 1
    return Subject(net, image, pixels, Classes.numbered(3), points, stage)


def values(explanation: Explanation) -> dict[str, str]:
    return dict(explanation.facts)


def test_receptive_fields_of_every_stage_around_every_point() -> None:
    asked = subject("unet", points=((10, 20), (70, 60)))
    page = explain_receptive_field(asked)
    maps = [f"stage {2**n}" for n in range(1, 6)] + ["logits"]
    assert [row[0] for row in page.tables[0].rows] == maps
    assert [table.heading for table in page.tables] == ["Around the pixel 10,20", "Around the pixel 70,60"]
    assert len({figure.name for figure in page.figures}) == 2 * len(maps)
    assert values(page)["field of stage 8"] == "55 × 55 px"
    assert all(isinstance(figure.picture, np.ndarray) and figure.picture.dtype == np.uint8 for figure in page.figures)


def test_one_stage_and_a_stage_that_is_not_there() -> None:
    (table,) = explain_receptive_field(subject("unet", stage=8)).tables
    assert [row[0] for row in table.rows] == ["stage 8"]
    with pytest.raises(ArgumentError, match="no stage at stride 64; name one of 2, 4, 8, 16, 32"):
        explain_receptive_field(subject("unet", stage=64))


def test_what_brings_in_the_whole_image_is_said_and_so_is_a_dead_map() -> None:
    page = explain_receptive_field(subject("pspnet"))
    assert values(page)["the whole image besides, from"] == "logits on, by decoder.pooling"
    dead = explain_receptive_field(subject("fcn32s"))  # its scores start at zero
    assert dead.tables[0].rows[-1][-1] == "–"
    assert "no pixel moves it" in dead.figures[-1].sentence


def test_gridding_before_and_after() -> None:
    asked = subject("fcn", output_stride=8, dilation="uniform")
    page = explain_gridding(asked)
    facts = values(page)
    assert facts["as it is: positions read along an axis"] == "5 of 17"  # one unit of two convolutions of rate 4
    assert "hybrid: positions read along an axis" not in facts  # one unit has nothing to share out
    asked.network.blueprint = None  # a network that cannot be built again: its layers share their rates out
    page = explain_gridding(asked)
    assert values(page)["hybrid: positions read along an axis"] == "9 of 9"
    assert [figure.heading for figure in page.figures[::3]] == ["As it is: rates 4, 4", "Hybrid: rates 1, 3"]
    with pytest.raises(ArgumentError, match="No stage of backbone `test_resnet` is dilated at output stride 32"):
        explain_gridding(subject("unet"))


def test_a_hole_stays_unlit_over_the_picture() -> None:
    asked = subject("unet", 40, 40, points=((20, 20),))
    stack = Stack(32, 4, ("a",), (2,), (3,))
    black = Subject(asked.network, asked.image, np.zeros((40, 40, 3), np.uint8), asked.classes, ((20, 20),))
    lit = over_picture(black, stack)
    factor = lit.shape[0] // 40
    brightness = lit.astype(int).sum(2)[factor // 2 :: factor, factor // 2 :: factor]
    assert brightness[20, 20] > brightness[20, 16] > 0 == brightness[20, 32]  # outside of the stack the picture stays
    assert brightness[20, 12] == brightness[20, 20]


def test_bars_have_a_gap_for_every_hole() -> None:
    svg = bars(Stack(32, 8, ("a", "b", "c"), (2, 2, 2), (3, 3, 3)))
    assert svg.count("<rect") == 13
    assert svg.count('height="0.0"') == 6
    assert "0: 7 paths" in svg.replace("+0", "0")


def test_checkerboard_of_deconvolutions() -> None:
    page = explain_checkerboard(subject("unet", 96, 96, upsampling="deconvolution"))
    forward, backward = page.tables
    assert [row[2] for row in forward.rows[:5]] == ["2"] * 5
    assert [row[3] for row in forward.rows[:5]] == ["0.00"] * 5  # 2×2 at stride 2
    assert all(row[4] != "–" and row[5] != "–" for row in forward.rows[:5])
    assert forward.rows[-1][0] == "logits"
    assert float(forward.rows[-1][-1]) > 0
    assert backward.rows[0][1] == "convolution 3×3"
    assert backward.rows[0][3] == "0.44"
    assert {"gradient", "gradient-spectrum", "logits-spectrum"} <= {figure.name for figure in page.figures}


def test_checkerboard_compares_with_the_first_weights() -> None:
    """The same weights give the same numbers; others' networks have no untrained form."""
    asked = subject("duc", 96, 96)
    (row, *_), _ = (table.rows for table in explain_checkerboard(asked).tables)
    assert row[4] == row[5]
    assert row[6] == row[7]
    with torch.no_grad():
        for branch in asked.network.head.branches:  # pyright: ignore
            branch.weight.fill_(0.01)
    (row, *_), _ = (table.rows for table in explain_checkerboard(asked).tables)
    assert row[5] == "0.00" != row[4]
    assert row[6] != row[7]
    asked.network.blueprint = None
    (row, *_), _ = (table.rows for table in explain_checkerboard(asked).tables)
    assert row[4] == row[6] == "–"


def test_a_network_of_one_resolution_has_no_checkerboard() -> None:
    segmenter = pointwise()
    pixels = np.zeros((32, 32, 3), np.uint8)
    asked = Subject(segmenter.net, torch.zeros(1, 3, 32, 32), pixels, segmenter.classes)
    with pytest.raises(ArgumentError, match="neither upsamples nor has a strided layer"):
        explain_checkerboard(asked)
