"""Recipes in files: the recipe.json of a run, and TOML files that also say which published result they are for."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intarsia.errors import RunError
from intarsia.validation import Place, all_mistakes, nearest

RECIPE_VERSION = 1  # raised when a field changes its meaning or is given up; new fields alone leave it

PublishedData = Literal[
    "VOC 2012 + SBD", "Cityscapes", "ADE20K", "CamVid", "ImageNet", "PhC-U373", "NYU Depth v2", "KITTI"
]

_TABLES = ("published", "recipe")


class Published(BaseModel):
    """A result of a paper, and how far the recipe beside it goes along with its training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str = Field(min_length=1, description="The network, as the paper calls it.")
    paper: str = Field(min_length=1, description="An arXiv number or the like, with the section or table.")
    data: PublishedData
    split: str = Field(min_length=1, description="The images that the score is of.")
    metric: Literal["mean IoU", "top-1 accuracy", "RMSE in metres"]
    score: float | None = Field(
        default=None, ge=0, le=100, description="In percent, or in metres; none where the paper has none."
    )
    judged: str = Field(default="one scale", min_length=1, description="How: scales, mirror images, CRF.")
    hardware: str = Field(default="not said", min_length=1)
    time: str = Field(default="not said", min_length=1)
    differences: tuple[str, ...] = Field(default=(), description="Where the recipe leaves the paper, and why.")
    remembered: tuple[str, ...] = Field(default=(), description="What no source was read for.")


@dataclass(frozen=True)
class RecipeFile:
    """The fields in a recipe file; `within` is their place in it, for sentences."""

    values: dict[str, Any]
    published: Published | None = None
    within: Place = ()


def read_recipe_file(path: Path) -> RecipeFile:
    """What a recipe file holds; the fields themselves are not looked at yet.

    Raises:
        RunError: there is no such file or it is a folder, it is neither JSON nor TOML, it holds something else than
            fields, its published result breaks a rule, or a newer version of the package wrote it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise RunError(f"There is no recipe `{path}`; give the path of a recipe.json or of a .toml file.") from None
    except OSError as error:
        raise RunError(
            f"`{path}` cannot be read ({error.strerror}); give the path of a recipe.json or of a .toml file."
        ) from None
    except ValueError as error:
        kind = "TOML" if path.suffix.lower() == ".toml" else "JSON; a recipe in TOML has a name that ends in .toml"
        raise RunError(f"`{path}` is not a recipe: it is not {kind} ({error}).") from error
    if not isinstance(content, dict):
        kind = "a list" if isinstance(content, list) else f"`{content}`"
        raise RunError(f'`{path}` is not a recipe: it holds {kind} instead of fields such as {{"data": "photos/"}}.')
    is_toml = path.suffix.lower() == ".toml"
    _check_version(path, content.get("recipe") if is_toml else content)
    return _toml_tables(path, content) if is_toml else RecipeFile(content)


def _check_version(path: Path, fields: object) -> None:
    """Before all else: what a newer version means by tables and fields is not known here."""
    version = fields.get("version", RECIPE_VERSION) if isinstance(fields, dict) else RECIPE_VERSION
    if type(version) is not int:  # true is an int, too
        raise RunError(
            f"`{path}` is not a recipe: `version` (={version!r}) must be a whole number; the nearest is "
            f"{RECIPE_VERSION}."
        )
    if version > RECIPE_VERSION:
        raise RunError(
            f"`{path}` was written by a newer intarsia (recipes of version {version}; this one knows them up to "
            f"{RECIPE_VERSION}): pip install --upgrade intarsia."
        )


def _toml_tables(path: Path, content: dict[str, Any]) -> RecipeFile:
    for name, table in content.items():
        if name not in _TABLES:
            near = nearest(name, _TABLES)
            remedy = f"the nearest is [{near}]" if near else "move it under [recipe]"
            raise RunError(
                f"`{path}` is not a recipe: `{name}` is none of its tables [published] and [recipe]; {remedy}."
            )
        if not isinstance(table, dict):
            raise RunError(f"`{path}` is not a recipe: `{name}` (={table!r}) must be a table, [{name}].")
    if "recipe" not in content:
        raise RunError(f"`{path}` is not a recipe: the table [recipe] with the fields is missing.")
    try:
        published = Published.model_validate(content["published"]) if "published" in content else None
    except ValidationError as error:
        raise RunError(f"`{path}` is not a recipe: {all_mistakes(error, Published, ('published',))}") from error
    return RecipeFile(content["recipe"], published, ("recipe",))
