"""The report page: well-formed, self-contained, escaped, complete, and written whole or not at all."""

import base64
import dataclasses
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reports import Balance

from intarsia.data import Classes
from intarsia.diagnostics import Example, Report, write_report
from intarsia.diagnostics.report.page import render
from intarsia.errors import ArgumentError
from intarsia.metrics import Scores


def a_report(count=3, epochs=4, baseline=True, absent=(), examples=2, size=(20, 30), **changes):
    generator = np.random.default_rng(0)
    names = tuple(f"class-{index}" for index in range(count))
    classes = Classes(names, tuple(tuple(generator.integers(0, 256, 3).tolist()) for _ in names))
    matrix = np.diag(generator.integers(500, 2000, count)) + generator.integers(0, 90, (count, count))
    matrix[list(absent)] = 0
    matrix[:, list(absent)] = 0
    shown = [
        Example(
            f"photo-{index}",
            generator.integers(0, 256, (*size, 3), dtype=np.uint8),
            generator.choice([0, 1, 255], size=size).astype(np.uint8),
            generator.integers(0, 2, size).astype(np.uint8),
            0.9 - 0.1 * index,
        )
        for index in range(examples)
    ]
    history = [
        {"epoch": epoch, "loss": 2 / epoch, "learning_rate": 0.01, "mean_iou": 1 - 1 / (epoch + 1), "seconds": 3.5}
        for epoch in range(1, epochs + 1)
    ]
    other = Scores(matrix + matrix.sum(axis=1, keepdims=True) // 3, names) if baseline else None
    facts = [("model", "unet"), ("seconds", "12.5")]
    report = Report("Trial", "It was tried.", facts, history, Scores(matrix, names), other, classes, shown, ["do it"])
    return dataclasses.replace(report, **changes)


REPORTS = {
    "usual": {},
    "without baseline": {"baseline": False},
    "one epoch": {"epochs": 1},
    "no epoch": {"epochs": 0},
    "a hundred epochs": {"epochs": 100},
    "two classes": {"count": 2},
    "thirty classes": {"count": 30},
    "many classes": {"count": 150},
    "absent classes": {"count": 5, "absent": [1, 4]},
    "all classes absent": {"count": 2, "absent": [0, 1]},
    "no examples": {"examples": 0},
    "a tall picture": {"examples": 1, "size": (1200, 7)},
    "nothing said": {"facts": (), "commands": ()},
}


@pytest.mark.parametrize("case", REPORTS)
def test_the_page_is_well_formed_and_needs_nothing_but_itself(case):
    page = render(a_report(**REPORTS[case]))
    read = Balance(page)
    assert all(source.startswith("data:") for source in read.sources)
    assert not re.search(r"https?:|url\(|@import", page)
    assert {"script", "iframe", "object"}.isdisjoint(read.tags)
    assert "nan" not in " ".join(read.texts).split()
    assert not re.search(r'="[^"]*\b(nan|inf)\b', page)


@pytest.mark.parametrize("case", REPORTS)
def test_the_numbers_stand_on_the_page(case):
    report = a_report(**REPORTS[case])
    read = Balance(render(report))
    shown = {text.strip() for text in read.texts}
    for scores in filter(None, (report.scores, report.baseline)):
        for value in (scores.mean_iou, *scores.per_class_iou.values()):
            assert ("–" if math.isnan(value) else f"{value:.3f}") in shown
    assert f"{report.scores.pixel_accuracy:.3f}".replace("nan", "–") in shown
    assert {f"{count:,}" for count in report.scores.support.values()} <= shown
    assert {report.title, report.sentence, report.scores.rule} <= shown
    assert {text for pair in report.facts for text in pair} <= shown
    assert all(command in "".join(read.texts) for command in report.commands)
    assert ("linear baseline" in " ".join(shown)) == (report.baseline is not None)


def test_the_heat_map_divides_by_the_true_pixels():
    classes = Classes(("cat", "dog", "elk"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    scores = Scores(np.array([[75, 25, 0], [1, 3, 0], [0, 0, 0]]), classes.names)
    page = render(a_report(scores=scores, baseline=False, classes=classes))
    cells = dict(re.findall(r"<title>(\w+ → \w+): ([^<]+)</title>", page))
    assert cells == {
        "cat → cat": "75.00 %",
        "cat → dog": "25.00 %",
        "cat → elk": "0.00 %",
        "dog → cat": "25.00 %",
        "dog → dog": "75.00 %",
        "dog → elk": "0.00 %",
        "elk → cat": "never true",
        "elk → dog": "never true",
        "elk → elk": "never true",
    }


def test_bars_and_marks_have_the_length_of_the_scores():
    report = a_report()
    page = render(report)
    widths = re.findall(r'class="bar" style="width:([\d.]+)%;background:(#\w{6})"', page)
    colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in report.classes.colours]
    assert widths == [
        (f"{100 * iou:.1f}", colour) for iou, colour in zip(report.scores.per_class_iou.values(), colours, strict=True)
    ]
    marks = re.findall(r'class="mark" style="left:([\d.]+)%"', page)
    assert marks == [f"{100 * iou:.1f}" for iou in report.baseline.per_class_iou.values()]


def test_an_epoch_without_a_finite_value_has_no_dot():
    history = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5, "mean_iou": 0.4}, {"epoch": 3, "loss": math.nan}]
    page = render(a_report(history=history))
    assert page.count('class="dot"') == 3


def test_the_worst_example_comes_first_and_one_without_a_score_last():
    shown = a_report(examples=3).examples
    examples = [dataclasses.replace(shown[0], name="unscored", mean_iou=math.nan), *shown[1:]]
    read = Balance(render(dataclasses.replace(a_report(), examples=examples)))
    names = [text for text in read.texts if text in ("unscored", "photo-1", "photo-2")]
    assert names == ["photo-2", "photo-1", "unscored"]


def pictures_of(report):
    uris = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', render(report))
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri)))).astype(int) for uri in uris]


def test_only_wrong_pixels_are_red_and_ignored_ones_are_not_wrong():
    truth, prediction = np.zeros((2, 24, 24), dtype=np.uint8)
    truth[:8], prediction[:, 12:] = 255, 1
    example = Example("one", np.full((24, 24, 3), 90, dtype=np.uint8), truth, prediction, 0.5)
    image, _, _, errors = pictures_of(dataclasses.replace(a_report(), examples=[example]))
    assert abs(image - 90).max() <= 3
    red = errors[..., 0] - errors[..., 1] > 60
    inner = np.ones((24, 24), dtype=bool)
    inner[6:10] = inner[:, 10:14] = False  # JPEG smears the borders a little
    np.testing.assert_array_equal(red[inner], ((truth != prediction) & (truth != 255))[inner])


def test_a_shrunk_example_gives_the_same_page():
    report = a_report(size=(700, 900))
    small = [example.shrunk() for example in report.examples]
    assert max(small[0].truth.shape) == max(small[0].image.shape) == 448
    assert render(dataclasses.replace(report, examples=small)) == render(report)


def test_large_pictures_are_shrunk_with_their_masks():
    truth = np.zeros((1000, 2000), dtype=np.uint8)
    truth[:, 1000:] = 1
    example = Example("one", np.full((1000, 2000, 3), 128, dtype=np.uint8), truth, truth, 1.0)
    classes = Classes(("left", "right"), ((255, 0, 0), (0, 0, 255)))
    scores = Scores(np.eye(2, dtype=np.int64), classes.names)
    report = a_report(scores=scores, baseline=False, classes=classes)
    shown = pictures_of(dataclasses.replace(report, examples=[example]))
    assert {picture.shape for picture in shown} == {(224, 448, 3)}
    assert (shown[1][:, :220, 0] > 150).all()
    assert (shown[1][:, 228:, 2] > 150).all()


HOSTILE = "<script>alert('1')</script>\" & $body"


def test_whatever_comes_from_outside_is_escaped():
    classes = Classes((HOSTILE, "b"), ((0, 0, 0), (1, 1, 1)))
    scores = Scores(np.array([[5, 1], [1, 5]]), classes.names)
    example = dataclasses.replace(a_report().examples[0], name=HOSTILE)
    report = Report(
        title=HOSTILE,
        sentence=HOSTILE,
        facts=[(HOSTILE, HOSTILE)],
        history=[{"epoch": 1, "loss": 1.0, "mean_iou": 0.5, HOSTILE: 2.0}],
        scores=scores,
        baseline=scores,
        classes=classes,
        examples=[example],
        commands=[HOSTILE],
        baseline_name=HOSTILE,
    )
    read = Balance(render(report))
    assert "script" not in read.tags
    assert read.texts.count(HOSTILE) >= 8


def test_names_that_are_no_text_do_not_cost_the_page(tmp_path):
    example = dataclasses.replace(a_report().examples[0], name="photo\udcff")
    write_report(tmp_path / "report.html", dataclasses.replace(a_report(), examples=[example]))
    assert "photo?" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_new_page_replaces_the_old_one_and_folders_are_made(tmp_path):
    path = tmp_path / "runs" / "one" / "report.html"
    for title in ("first", "second"):
        write_report(path, a_report(title=title))
    assert "<h1>second</h1>" in path.read_text(encoding="utf-8")
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


@pytest.mark.parametrize("moment", ["replace"])
def test_a_writer_that_fails_leaves_the_old_page(tmp_path, monkeypatch, moment):
    path = tmp_path / "report.html"
    path.write_text("the old page", encoding="utf-8")

    def fail(*arguments):
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, moment, fail)
    with pytest.raises(OSError, match="the disk is full"):
        write_report(path, a_report())
    assert path.read_text(encoding="utf-8") == "the old page"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("which", ["scores", "baseline"])
def test_names_must_agree(which):
    with pytest.raises(ArgumentError, match=rf"`{which}` has the classes \('a', 'b', 'c'\), but `classes` has"):
        dataclasses.replace(a_report(), **{which: Scores(np.eye(3, dtype=np.int64), ("a", "b", "c"))})


@pytest.mark.usefixtures("unchecked_shapes")
def test_the_sizes_of_an_example_must_agree():
    example = dataclasses.replace(a_report().examples[0], truth=np.zeros((3, 4), dtype=np.uint8))
    with pytest.raises(ArgumentError, match="masks of example `photo-0` must have one size"):
        dataclasses.replace(a_report(), examples=[example])
