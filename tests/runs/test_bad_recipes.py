"""Bad recipes: each wrong field with its path, its value, the rule and the nearest choice; in files and in commands."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from intarsia.cli.main import main
from intarsia.errors import ArgumentError, RunError
from intarsia.runs import Recipe, make_recipe
from intarsia.runs.recipe_file import RECIPE_VERSION

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 0}, "`epochs` (=0): input should be greater than or equal to 1; the nearest is 1."),
    ({"epochs": 2.6}, "`epochs` (=2.6): input should be a valid integer, got a number with a fractional part; the "),
    ({"epochs": 2.6}, "the nearest is 3."),
    ({"flip": 50}, "`flip` (=50): input should be less than or equal to 1; the nearest is 1."),
    ({"momentum": 1.0}, "`momentum` (=1.0): input should be less than 1."),
    ({"optimiser": "adam"}, "`optimiser` (='adam'): input should be 'adamw' or 'sgd'; the nearest is 'adamw'."),
    ({"optimiser": "rprop"}, "`optimiser` (='rprop'): input should be 'adamw' or 'sgd'."),
    ({"precision": "bf16"}, "`precision` (='bf16'): input should be 'auto', 'float32' or 'bfloat16'; the nearest is "),
    ({"pretrained": "of"}, "`pretrained` (='of'): input should be true, false, 'auto' or 'offline'."),
    ({"pretrained": "ofline"}, "input should be true, false, 'auto' or 'offline'; the nearest is 'offline'."),
    ({"stages": [{}, {"output_stride": 12}]}, "`stages[1].output_stride` (=12): input should be 8, 16 or 32; the near"),
    ({"stages": [{"output_stride": 64}]}, "the nearest is 32."),
    ({"stages": [{"lr": 0.1}]}, "`stages[0].lr` (=0.1): there is no such field; the nearest is `learning_rate`."),
    ({"stages": [3]}, "`stages[0]` (=3): must be a table of fields, such as {epochs = 5}."),
    ({"stages": [{"stages": []}]}, "`stages[0]` (={'stages': []}): a stage holds no stages of its own; write them "),
    ({"stages": 3}, "`stages` (=3): must be a list of tables, such as [{epochs = 5}, {output_stride = 8}]."),
    ({"stages": {"epochs": 1}}, "`stages` (={'epochs': 1}): must be several tables; head each [[recipe.stages]], in "),
    ({"scale": [1]}, "`scale` (=[1]): must be two positive numbers, the smaller first."),
    ({"hard_classes": "Auto"}, "`hard_classes` (='Auto'): must be auto in small letters, or names of classes such as"),
    ({"class_weights": "car=2,car=3"}, "`class_weights` (='car=2,car=3'): must name each class once, as in person=2"),
    ({"class_weights": "=3"}, "`class_weights` (='=3'): must name each class once"),
    ({"drops": "0.4,x"}, "`drops[1]` (='x'): input should be a valid number"),
    ({"scale": ["a", 2]}, "`scale[0]` (='a'): input should be a valid number"),
    ({"lr": 0.1}, "`lr` (=0.1): there is no such field; the nearest is `learning_rate`."),
    ({"batch": 4}, "`batch` (=4): there is no such field; the nearest is `batch_size`."),
    ({"crop": 4}, "`crop` (=4): there is no such field; the nearest is `crop_size`."),
    ({"max_epochs": 4}, "`max_epochs` (=4): there is no such field; the nearest is `epochs`."),
    ({"optimizer": "sgd"}, "`optimizer` (='sgd'): there is no such field; the nearest is `optimiser`."),
    ({"hard_classes": 3}, "`hard_classes` (=3): input should be 'auto' or a valid tuple."),
    ({"class_weights": "inverted"}, "`class_weights` (='inverted'): must be inverse, median_frequency, effective_numb"),
    ({"zebra": 4}, "`zebra` (=4): there is no such field."),
    ({"loss": "focall"}, "`loss` (='focall'): "),
    ({"version": 0}, "`version` (=0): input should be greater than or equal to 1; the nearest is 1."),
]


@pytest.mark.parametrize("field", ["learning_rate", "weight_decay", "power", "clip"])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_rates_are_finite(field: str, value: float) -> None:
    with pytest.raises(ArgumentError, match=rf"`{field}` .={value}.: input should be a finite number"):
        make_recipe(data="photos", **{field: value})
    with pytest.raises(ArgumentError, match=r"`stages\[0\].learning_rate` .*finite"):
        make_recipe(data="photos", stages=[{"learning_rate": value}])


@pytest.mark.parametrize("suffix", [".json", ".toml", ""])
@pytest.mark.parametrize(("values", "sentence"), MISTAKES)
def test_a_wrong_field_is_named(tmp_path: Path, values: dict[str, Any], sentence: str, suffix: str) -> None:
    if not suffix:
        with pytest.raises(ArgumentError, match=re.escape(sentence)):
            make_recipe(data="photos", **values)
        return
    path = _written(tmp_path / f"recipe{suffix}", {"data": "photos", **values})
    if suffix == ".toml":  # there the path begins with the table
        sentence = re.sub(r"^`", "`recipe.", sentence)
    with pytest.raises(RunError, match=rf"recipe{suffix}` is not a recipe: .*{re.escape(sentence)}"):
        Recipe.read(path)


def _written(path: Path, values: dict[str, Any]) -> Path:
    """TOML writes all that these recipes hold as JSON does, but for the names within braces."""
    if path.suffix == ".json":
        path.write_text(json.dumps(values))
    else:
        texts = {name: re.sub(r'"(\w+)":', r"\1 =", json.dumps(value)) for name, value in values.items()}
        path.write_text("\n".join(("[recipe]", *(f"{name} = {text}" for name, text in texts.items()))))
    return path


def test_all_wrong_fields_are_named_at_once(tmp_path: Path) -> None:
    path = _written(tmp_path / "recipe.json", {"epochs": 0, "optimiser": "adam", "crop": 65})
    with pytest.raises(RunError, match=r"`epochs` .*`optimiser` .*`data` is missing; it has no default. `crop` "):
        Recipe.read(path)


FILES: list[tuple[str, str, str]] = [
    (
        "recipe.json",
        "{",
        "is not a recipe: it is not JSON; a recipe in TOML has a name that ends in .toml (Expecting property name",
    ),
    ("recipe.json", "[1]", 'is not a recipe: it holds a list instead of fields such as {"data": "photos/"}.'),
    ("recipe.json", "7", "is not a recipe: it holds `7` instead of fields"),
    ("recipe.toml", "epochs 3", "is not a recipe: it is not TOML (Expected '=' after a key"),
    ("recipe.toml", "", "is not a recipe: the table [recipe] with the fields is missing."),
    ("recipe.toml", "[recip]", "`recip` is none of its tables [published] and [recipe]; the nearest is [recipe]."),
    ("recipe.toml", "epochs = 3", "`epochs` is none of its tables [published] and [recipe]; move it under [recipe]."),
    ("recipe.toml", "recipe = 3", "`recipe` (=3) must be a table, [recipe]."),
    ("recipe.toml", '[published]\nmetric = "mIoU"\n[recipe]', "`published.metric` (='mIoU'): input should be 'mean"),
    (
        "recipe.toml",
        "[published]\nscore = 101\n[recipe]",
        "`published.score` (=101): input should be less than or equal",
    ),
    (
        "recipe.json",
        '{"version": 99, "sparkle": 1}',
        "was written by a newer intarsia (recipes of version 99; this one ",
    ),
    ("recipe.json", '{"version": "2"}', "is not a recipe: `version` (='2') must be a whole number; the nearest is 1."),
    ("recipe.toml", "[recipe]\nversion = 2.0", "`version` (=2.0) must be a whole number"),
    ("recipe.toml", "[recipe]\nversion = true", "`version` (=True) must be a whole number"),
    ("recipe.toml", "[evaluation]\na = 1\n[recipe]\nversion = 2", "was written by a newer intarsia"),
    ("recipe.toml", '[published]\ndata = "COCO"\n[recipe]\nversion = 2', "was written by a newer intarsia"),
    ("recipe.toml", "[recipe]\nversion = 2", "knows them up to 1): pip install --upgrade intarsia."),
]


@pytest.mark.parametrize(("name", "text", "sentence"), FILES)
def test_files_that_are_no_recipe(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RunError, match=re.escape(sentence)):
        Recipe.read(tmp_path / name)


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"cannot be read .Is a directory.; give the path of a recipe.json or of a .toml"
    ):
        Recipe.read(tmp_path)


def test_a_version_in_python_is_a_whole_number_too() -> None:
    with pytest.raises(ArgumentError, match=r"`version` .='1'.: input should be a valid integer"):
        make_recipe(data="photos", version="1")


def test_a_recipe_says_its_version_and_one_without_is_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    make_recipe(data="photos").write(path)
    assert json.loads(path.read_text())["version"] == RECIPE_VERSION
    path.write_text('{"data": "photos"}')
    assert Recipe.read(path).version == 1


COMMANDS: list[tuple[str, int, str]] = [
    ("--epochs 0", 2, "`--epochs` (='0'): input should be greater than or equal to 1; the nearest is 1."),
    ("--optimiser adam", 2, "`--optimiser` (='adam'): input should be 'adamw' or 'sgd'; the nearest is 'adamw'."),
    ("--pretrained of", 2, "`--pretrained` (='of'): input should be true, false, 'auto' or 'offline'."),
    ("--on-oom half", 2, "`--on-oom` (='half'): input should be 'stop' or 'halve'; the nearest is 'halve'."),
    ("--crop 65", 2, "There is no option `--crop`; the nearest is --crop-size. See `intarsia --help`."),
    ("--lr=1", 2, "There is no option `--lr`; the nearest is --learning-rate."),
    ("--stages x", 2, "Stages stand in a recipe file, each headed [[recipe.stages]]: give it by --recipe."),
    ("more words", 2, "`more words` belongs to no option and is no argument; join several values by commas."),
    ("--drops 0.8,0.4", 2, "must be shares between 0 and 1 that rise, such as 0.4,0.8."),
    ("-z", 2, "There is no option `-z`. See `intarsia --help`."),
    ("--recipe FILE", 1, "recipe.toml` is not a recipe: `recipe.crop` (=65): there is no such field; the nearest is"),
]


@pytest.mark.parametrize(("arguments", "status", "sentence"), COMMANDS)
def test_the_command_line_says_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, status: int, sentence: str
) -> None:
    path = _written(tmp_path / "recipe.toml", {"data": "photos", "crop": 65})
    assert main(["train", "photos", *arguments.replace("FILE", str(path)).split()]) == status
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("arguments", ["--drops 0.3 0.6", "--drops 0.3,0.6", "--drops 0.3 --drops 0.6"])
@pytest.mark.parametrize("parts", ["--freeze head decoder", "--freeze head,decoder"])
def test_several_values_are_joined_by_commas_or_blanks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, parts: str
) -> None:
    made: list[Recipe] = []
    monkeypatch.setattr("intarsia.training.train", lambda recipe, **_: made.append(recipe))
    assert main(["train", str(tmp_path), *arguments.split(), *parts.split()]) == 0
    assert (made[0].drops, made[0].freeze) == ((0.3, 0.6), ("head", "decoder"))
