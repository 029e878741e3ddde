"""Recipes: defaults, files, and one sentence for each mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from intarsia.errors import ArgumentError, RunError
from intarsia.runs import Recipe, make_recipe


def test_written_and_read_back(tmp_path: Path) -> None:
    recipe = make_recipe(data="photos", options={"rates": (1, 2)}, scale=(0.5, 1.0), learning_rate=0.1)
    recipe.write(tmp_path / "recipe.json")
    assert Recipe.read(tmp_path / "recipe.json") == recipe


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make_recipe(data="photos").epochs = 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6,12", (6, 12)),
        ("6,", (6,)),
        ("", ()),
        ("48", 48),
        ("true", True),
        ("bilinear", "bilinear"),
        ("a,b", "a,b"),
    ],
)
def test_options_are_read_from_text(text: str, value: object) -> None:
    assert make_recipe(data="photos", options={"x": text}).options == {"x": value}


@pytest.mark.parametrize(("optimiser", "rate", "decay"), [("adamw", 1e-3, 1e-2), ("sgd", 1e-2, 1e-4)])
def test_defaults_follow_the_optimiser(optimiser: str, rate: float, decay: float) -> None:
    recipe = make_recipe(data="photos", optimiser=optimiser)
    assert (recipe.base_learning_rate, recipe.decay) == (rate, decay)
    assert make_recipe(data="photos", optimiser=optimiser, weight_decay=0.0).decay == 0


def test_the_task_is_told_from_the_data_and_brings_defaults() -> None:
    recipe = make_recipe(data="sample:motorcycle", crop_size=64)
    told = (recipe.task, recipe.model, recipe.form, recipe.loss, recipe.crop_size, recipe.scale)
    assert told == ("depth", "cspn_depth", "filled", "l1", 64, (1.0, 1.5))
    assert recipe.model_fields_set == {"data", "crop_size"}, "defaults were not asked for: a resumed run has its own"
    for task in ("auto", "segmentation"):
        assert make_recipe(data="sample:materials", task=task).task == "segmentation"
    assert make_recipe(data="photos", task="depth", model="unet").model == "unet"
    assert make_recipe(data="sample:motorcycle", task="segmentation").model == "deeplabv3plus"


def test_what_was_told_is_written(tmp_path: Path) -> None:
    make_recipe(data="sample:motorcycle", measuring=300).write(tmp_path / "recipe.json")
    values = json.loads((tmp_path / "recipe.json").read_text())
    assert (values["task"], values["measuring"], values["loss"]) == ("depth", "count:300", "l1")
    assert Recipe.read(tmp_path / "recipe.json") == make_recipe(data="sample:motorcycle", measuring="count:300")


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 0}, "`epochs` .=0.: input should be greater than or equal to 1"),
    ({"optimiser": "adam"}, "`optimiser` .='adam'.: input should be 'adamw' or 'sgd'"),
    ({"scale": (2.0, 0.5)}, "`scale` .*: must be two positive numbers, the smaller first"),
    ({"rotation": 200}, "`rotation` .=200.: input should be less than or equal to 180"),
    ({"blur": -1.0}, "`blur` .=-1.0.: input should be greater than or equal to 0"),
    ({"elastic": 17.0}, "`elastic` .=17.0.: must be at most a 16th of `crop_size`"),
    ({"elastic": float("nan")}, "`elastic` .=nan.: input should be greater than or equal to 0"),
    ({"crop": 3}, "`crop` .=3.: there is no such field; the nearest is `crop_size`."),
    ({"measuring": "500px"}, "`measuring` .='500px'.: `500px` is no way to measure; write a number of pixels, grid:16"),
    (
        {"measuring": "0"},
        "`measuring` .='0'.: `amount` .=0. must be at least 1: without any depth there is no scale\\.$",
    ),
    ({"measuring": True}, "`measuring` .=True.: input should be a valid string"),
    (
        {"loss": "l1"},
        "`loss` .='l1'.: `l1` is a loss of depths, and there are none in a segmentation; sums are made of",
    ),
    ({"task": "depth", "loss": "l3"}, "there is no loss of depths `l3`, the nearest is l2; it is one of l1, l2, berhu"),
    (
        {"task": "depth", "loss": "l1+l2"},
        "there is no loss of depths `l1.l2`.*; it is one of l1, l2, .*, which make no sums",
    ),
    ({"loss": "cross_entropy+"}, "`loss` .='cross_entropy.'.: a loss is missing before or behind a . or .,"),
    ({"loss": "0.5*"}, "a loss is missing before or behind"),
    ({"schedule": "linear"}, "`schedule` .='linear'.: is 'poly' with `power` 1; take these"),
    ({"task": "depht"}, "`task` .='depht'.: input should be 'auto', 'segmentation', 'classification' or 'depth'"),
    ({"learning_rate": -1}, "`learning_rate` .=-1.: input should be greater than 0"),
]


@pytest.mark.parametrize(("values", "sentence"), MISTAKES)
def test_mistakes_are_sentences(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        make_recipe(data="photos", **values)


@pytest.mark.parametrize("text", ["{", '{"data": "x", "epochs": 0}', "[]"])
def test_files_that_are_no_recipe(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(RunError, match=r"recipe.json` is not a recipe"):
        Recipe.read(tmp_path / "recipe.json")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no recipe"):
        Recipe.read(tmp_path / "recipe.json")
