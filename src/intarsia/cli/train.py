"""`intarsia train`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intarsia.errors import ArgumentError
from intarsia.runs.conduct import Conduct
from intarsia.runs.recipe import Recipe, make_recipe
from intarsia.runs.settings import Settings


def train(
    data: str | None = None,
    /,
    *,
    out: Path | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    recipe: Path | None = None,
    conduct: Annotated[Conduct, Parameter(name="*")] = Conduct(),  # noqa: B008  (frozen)
    settings: Annotated[Settings, Parameter(name="*")] = Settings(),  # noqa: B008  (frozen)
) -> None:
    """Train a network on a folder of pictures and masks, or of pictures and depths.

    Args:
        data: Folder with images/ and masks/ (or VOC's layout) or with images/ and depth/ (or KITTI's or NYU's), or a
            built-in set: sample:materials, sample:brain, sample:motorcycle (depths).
        out: The run folder; by default runs/ and the name of the data.
        resume: Go on with the interrupted run in the run folder, from its last checkpoint.
        dry_run: Take ten steps to say how long all would take and how much memory; write nothing.
        recipe: Take the settings from a recipe.json or a .toml file; what is given here overrides it.
        conduct: What the recipe does not hold.
        settings: The rest.
    """
    if dry_run and resume:
        raise ArgumentError("`--dry-run` looks at a training that has not begun; leave `--resume` out.")
    if recipe is None and data is None and resume and out is not None:
        recipe = out / "recipe.json"
    values = Recipe.read(recipe).model_dump() if recipe else {}
    lengths = settings.model_fields_set & {"epochs", "steps"}
    if len(lengths) > 1:
        raise ArgumentError("`--epochs` and `--steps` both say how long the training is; give one of them.")
    if lengths:  # one that is given overrides whichever the recipe has
        values = {name: value for name, value in values.items() if name not in ("epochs", "steps")}
    values |= {name: getattr(settings, name) for name in settings.model_fields_set}
    if data is not None:
        values["data"] = data
    if "data" not in values:
        raise ArgumentError("Say what to train on: `intarsia train DATA`, a folder with images/ and masks/, or depth/.")
    chosen = make_recipe(**values)

    from intarsia.training import rehearse
    from intarsia.training import train as run_training

    if dry_run:
        print(rehearse(chosen, out=out, conduct=conduct).text())
    else:
        run_training(chosen, out=out, resume=resume, **conduct.model_dump())
