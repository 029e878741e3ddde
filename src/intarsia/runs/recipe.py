"""The recipe of a run: everything that was decided before training, frozen, validated and dumped with the run."""

from pathlib import Path
from typing import Any

from pydantic import Field, StrictInt, ValidationError, model_validator

from intarsia.errors import ArgumentError, RunError
from intarsia.files import write_text
from intarsia.runs.recipe_file import RECIPE_VERSION, read_recipe_file
from intarsia.runs.settings import Settings
from intarsia.runs.settings.task import left_open
from intarsia.validation import all_mistakes


class Recipe(Settings):
    """Settings and the data they are for: everything that is decided before training.

    >>> Recipe(data="photos/", epochs=5, options={"rates": "12,24,36"}).options
    {'rates': (12, 24, 36)}
    >>> Recipe(data="sample:motorcycle").task
    'depth'
    """

    version: StrictInt = Field(
        default=RECIPE_VERSION, ge=1, le=RECIPE_VERSION, description="Of what the fields mean; newer ones are refused."
    )
    data: str = Field(description="Folder of pictures and masks, or a built-in set such as sample:materials.")

    @model_validator(mode="wrap")
    @classmethod
    def _complete(cls, given: Any, validated: Any) -> Any:  # Any: pydantic's types cannot be checked
        """The task is never left open, and brings defaults; what was filled in does not count as given."""
        if not isinstance(given, dict):
            return validated(given)
        filled = left_open(given)
        recipe = validated({**given, **filled})
        recipe.model_fields_set.difference_update(filled)
        return recipe

    @property
    def stage_count(self) -> int:
        """How many stages the training has; one where it names none."""
        return max(1, len(self.stages))

    @property
    def all_stages(self) -> tuple["Recipe", ...]:
        """The recipe of each stage."""
        return tuple(self.at_stage(number) for number in range(self.stage_count))

    def at_stage(self, number: int) -> "Recipe":
        """The recipe of one stage, counted from 0: this one with what the stage replaces.

        >>> recipe = Recipe(data="x", steps=9, stages=[{"output_stride": 16}, {"output_stride": 8, "epochs": 2}])
        >>> [(stage.output_stride, stage.steps) for stage in map(recipe.at_stage, (0, 1))]
        [(16, 9), (8, None)]
        """
        if not self.stages:
            return self
        return self.model_copy(update={**self.stages[number].replaced(), "stages": ()})

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Read back what :meth:`write` wrote, or the table [recipe] of a TOML file.

        Raises:
            RunError: it is no recipe; the sentences name each wrong field, its value, its rule and the nearest choice.
        """
        file = read_recipe_file(path)
        try:
            return cls.model_validate(file.values)
        except ValidationError as error:
            raise RunError(f"`{path}` is not a recipe: {all_mistakes(error, cls, file.within)}") from error


def make_recipe(**values: Any) -> Recipe:
    """A recipe, or one clear sentence about each value that breaks a rule.

    >>> make_recipe(data="photos/", epochs=0)
    Traceback (most recent call last):
    intarsia.errors.ArgumentError: `epochs` (=0): input should be greater than or equal to 1; the nearest is 1.
    """
    try:
        return Recipe(**values)
    except ValidationError as error:
        raise ArgumentError(all_mistakes(error, Recipe)) from error
