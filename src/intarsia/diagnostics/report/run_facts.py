"""What every report on a run says of the run itself: how it was trained, on what, and what repeats it."""

import platform
from pathlib import Path
from shlex import join

import torch

import intarsia
from intarsia.runs import Recipe, Run
from intarsia.runs.typed import typed


def network_facts(run: Run) -> list[tuple[str, str]]:
    """Pairs of a label and a value: network, optimiser, machine, versions; of stages the last, whose weights it has."""
    record, recipe = run.network(), Recipe.read(run.recipe_path).all_stages[-1]
    return [
        ("Model", f"{record.model}, form {record.form}"),
        ("Backbone", f"{record.backbone} at output stride {record.output_stride}"),
        ("Backbone weights", record.weights_source),
        ("Optimiser", f"{recipe.optimiser}, learning rate {recipe.base_learning_rate:g}, decay {recipe.decay:g}"),
        ("Batch and crop", f"{recipe.batch_size} × {recipe.crop_size}²"),
        ("Precision", f"{record.precision}, {record.memory_format} on {record.device}"),
        ("Machine", f"{platform.machine()}, {torch.get_num_threads()} threads, {platform.system()}"),
        ("Versions", f"intarsia {intarsia.__version__}, torch {torch.__version__}, Python {platform.python_version()}"),
    ]


def trained_sentence(run: Run, data: str | Path, split: str, images: int, refined: str = "") -> str:
    """How the network was trained, and on what it is scored; `refined` stands behind its name."""
    record, history, recipe = run.network(), run.history(), Recipe.read(run.recipe_path)
    seconds = history[-1]["seconds"] if history else 0.0
    time = f"{seconds:.0f} seconds" if seconds < 60 else f"{seconds / 60:.1f} minutes"
    epochs = "1 epoch" if len(history) == 1 else f"{len(history)} epochs"
    of = "the 1 image" if images == 1 else f"the {images} images"
    unseen = ", on which it was not trained" if str(data) == recipe.data and split not in _learnt(recipe) else ""
    return (
        f"A {record.model} on {record.backbone} (backbone weights: {record.weights_source}){refined} was trained "
        f"for {epochs} on {recipe.data} in {time}, and scored on {of} of the {split} split of "
        f"{data}{unseen}."
    )


def _learnt(recipe: Recipe) -> set[str]:
    """Splits of which a training may have seen images, in any of its stages."""
    learnt = {stage.split for stage in recipe.all_stages}
    return {*learnt, "train", "trainval", *(["val"] if "trainval" in learnt else [])}


def commands_of(run: Run, data: str | Path, *options: str) -> list[str]:
    """What repeats the training and the evaluation with these options, a line each; stages stand in the recipe."""
    recipe = Recipe.read(run.recipe_path)
    default = Recipe(data="", task="depth" if recipe.task == "depth" else "segmentation")
    values = recipe.model_dump(exclude={"data"})
    changed = {name: value for name, value in values.items() if value != getattr(default, name)}
    settings = ["--recipe", str(run.recipe_path)] if recipe.stages else [recipe.data, *typed(changed)]
    return [
        join(["intarsia", "train", *settings, "--out", str(run.folder)]),
        join(["intarsia", "evaluate", str(run.folder), str(data), *options]),
    ]
