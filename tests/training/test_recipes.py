"""The recipes of published results: each is valid, names networks that exist, and trains two steps on a miniature."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
from miniatures import MINIATURES
from tiny import write_discs

from intarsia.backbones.own import OWN
from intarsia.cli.main import main
from intarsia.models import CATALOG
from intarsia.models.catalog import entry
from intarsia.runs import Recipe, make_recipe
from intarsia.runs.recipe_file import Published, read_recipe_file
from intarsia.training import train

FOLDER = Path(__file__).parents[2] / "recipes"
RECIPES = sorted(path for path in FOLDER.glob("*.toml"))
SETS: Mapping[str, Callable[[Path], Path]] = {**MINIATURES, "PhC-U373": partial(write_discs, count=4, size=70)}
SMALL: dict[str, Any] = {
    "crop_size": 65,
    "batch_size": 2,
    "accumulate": 1,
    "epochs": 1,
    "steps": 2,
    "pretrained": False,
    "backbone_weights": None,
    "weights": None,
    "precision": "float32",
    "memory_format": "contiguous",
    "workers": 0,
}


def _published(path: Path) -> Published:
    published = read_recipe_file(path).published
    assert published is not None
    return published


SEGMENTATIONS = [path for path in RECIPES if _published(path).data in SETS]


def small(path: Path) -> Recipe:
    """A recipe in all but size: the catalog's tiny form of its model on small crops, two steps in all."""
    recipe = Recipe.read(path)
    tiny = dict(CATALOG[recipe.model].tiny)
    backbone = tiny.pop("backbone")
    options = {} if recipe.task == "classification" else {**tiny, **recipe.options}
    stages = tuple(stage.model_copy(update={"steps": 1, "epochs": None}) for stage in recipe.stages)
    changed = {**SMALL, "elastic": min(recipe.elastic, 4.0), "backbone": backbone, "options": options, "stages": stages}
    return make_recipe(**recipe.model_dump() | changed)


DIFFERENT = {small(path).model_dump_json(): path for path in reversed(SEGMENTATIONS)}  # others only differ in size


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A miniature of each published set."""
    root = tmp_path_factory.mktemp("sets")
    return {name: write(root / f"set{place}") for place, (name, write) in enumerate(SETS.items())}


@pytest.mark.parametrize("path", sorted(DIFFERENT.values()), ids=lambda path: path.stem)
def test_a_recipe_takes_two_steps_on_the_miniature_of_its_set(
    path: Path, sets: dict[str, Path], tmp_path: Path
) -> None:
    recipe = small(path).model_copy(update={"data": str(sets[_published(path).data])})
    run = train(recipe, out=tmp_path / "run", quiet=True)
    assert run.history()[-1]["step"] == max(2, recipe.stage_count)
    assert all(0 <= epoch["loss"] < 1000 for epoch in run.history())
    assert Recipe.read(run.recipe_path) == recipe


def test_the_command_line_takes_a_recipe_and_replaces_what_is_given_with_it(
    sets: dict[str, Path], tmp_path: Path
) -> None:
    given = "--crop-size 64 --elastic 0 --steps 2 --backbone test_unet_contracting --precision float32"
    arguments = ["--recipe", str(FOLDER / "unet_phc_u373.toml"), "--out", str(tmp_path), *given.split()]
    assert main(["train", str(sets["PhC-U373"]), *arguments, "--memory-format", "contiguous"]) == 0
    recipe = Recipe.read(tmp_path / "recipe.json")
    assert (recipe.crop_size, recipe.loss, recipe.momentum) == (64, "border_weighted", 0.99)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_a_model_and_a_backbone_that_exist(path: Path) -> None:
    whole = Recipe.read(path)
    for recipe in (whole.at_stage(number) for number in range(whole.stage_count)):
        system = entry(recipe.model)
        assert recipe.form in system.forms
        assert recipe.output_stride in (None, *system.output_strides)
        assert recipe.backbone in OWN or timm.is_model(recipe.backbone)
        assert not recipe.auxiliary or system.auxiliary


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_begins_with_its_command(path: Path) -> None:
    command = f"# intarsia train {Recipe.read(path).data} --recipe recipes/{path.name} --out runs/{path.stem}\n"
    assert path.read_text().startswith(command)


def test_the_table_holds_every_recipe() -> None:
    rows = [row(path) for path in RECIPES]
    table = [line for line in (FOLDER / "README.md").read_text().splitlines() if ".toml)" in line]
    assert table == rows, "recipes/README.md should hold\n" + "\n".join(rows)


def row(path: Path) -> str:
    """A recipe's line in the table."""
    published = _published(path)
    score = "—" if published.score is None else f"{published.score:g}"
    mark = " ‡" if published.remembered else ""
    return (
        f"| [{path.stem}]({path.name}) | {published.system} | {published.paper} | {published.data}, {published.split} "
        f"| {published.metric} {score}; {published.judged}{mark} |"
    )
