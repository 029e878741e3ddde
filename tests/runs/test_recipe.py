"""Recipes: defaults, files, and one sentence for each mistake."""

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


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 0}, "`epochs` .=0.: input should be greater than or equal to 1"),
    ({"optimiser": "adam"}, "`optimiser` .='adam'.: input should be 'adamw' or 'sgd'"),
    ({"scale": (2.0, 0.5)}, "`scale` .*: must be two positive numbers, the smaller first"),
    ({"rotation": 200}, "`rotation` .=200.: input should be less than or equal to 180"),
    ({"blur": -1.0}, "`blur` .=-1.0.: input should be greater than or equal to 0"),
    ({"elastic": 17.0}, "`elastic` .=17.0.: must be at most a 16th of `crop_size`"),
    ({"elastic": float("nan")}, "`elastic` .=nan.: input should be greater than or equal to 0"),
    ({"crop": 3}, "`crop` .=3.: extra inputs are not permitted"),
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
