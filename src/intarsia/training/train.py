"""From a recipe to a run."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed

from intarsia.data import Dataset, open_dataset
from intarsia.errors import ArgumentError, RunError
from intarsia.files import clear_partial_files
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.models import SegmentationNetwork, create_model
from intarsia.runs import NetworkRecord, Recipe, Run, make_recipe
from intarsia.training.allocator import keep_freed_memory
from intarsia.training.loading import batch_loader, collate
from intarsia.training.loop import Loop
from intarsia.training.precision import candidates, fastest
from intarsia.training.progress import Live, Reporter, Silent
from intarsia.training.samplers import StepBatches
from intarsia.training.state import TrainingState
from intarsia.training.tasks import SegmentationTask, check_trainable


def train(
    recipe: Recipe | None = None, *, out: str | Path, resume: bool = False, quiet: bool = False, **values: Any
) -> Run:
    """Train a network on a folder of pictures and masks and leave everything in the run folder ``out``.

    Give a :class:`Recipe`, or its fields as keywords: ``train(data="photos/", out="runs/photos", epochs=5)``. With
    ``resume=True`` an interrupted run goes on from its last checkpoint, or from its start if it had none yet, under its
    own recipe.

    Raises ``IntarsiaError``s with one sentence: data that cannot be used, names that do not exist, a folder that
    already holds a run, a loss that is not a number; ``Interrupted`` after Ctrl-C, with everything saved.
    """
    recipe = make_recipe(**values) if recipe is None else recipe
    if values and recipe != make_recipe(**{"data": recipe.data, **values}):
        raise ArgumentError("Give `train` either a recipe or its fields as keywords, not both.")
    run = Run(Path(out))
    if quiet:
        return _train(recipe, run, resume, Silent())
    with Live() as reporter:
        return _train(recipe, run, resume, reporter)


def _train(recipe: Recipe, run: Run, resume: bool, reporter: Reporter) -> Run:
    recipe = _resumed(recipe, run) if resume else _fresh(recipe, run)
    keep_freed_memory()
    accelerator = Accelerator(cpu=not torch.cuda.is_available())  # said outright, or processes on CPUs stay strangers
    accelerator.wait_for_everyone()  # no process may find the folder that the first one is about to fill
    reporter = reporter if accelerator.is_main_process else Silent()
    set_seed(recipe.seed)
    dataset = open_dataset(recipe.data, classes=run.classes() if run.classes_path.exists() else None)
    check_trainable(dataset)
    reporter.say(describe(dataset))
    net = create_network(recipe, dataset)
    task = SegmentationTask(recipe, dataset, Preprocessing(net.backbone.spec.mean, net.backbone.spec.std))
    execution = _agreed(_execution(recipe, run, task, net, str(accelerator.device), reporter))
    record = _record(recipe, net, dataset, execution)
    reporter.say(_describe_training(record, net))
    if accelerator.is_main_process and not run.checkpoint_path.exists():
        _ = resume or _fresh(recipe, run)  # another process may have begun meanwhile
        run.begin(recipe, dataset.classes)
        run.write_network(record)

    execution.place(net)
    state = TrainingState(net, _optimiser(recipe, net))
    if run.checkpoint_path.exists():
        state.restore(run.checkpoint_path)
    batches = StepBatches(
        len(dataset.split("train")),
        min(recipe.batch_size, len(dataset.split("train"))),
        recipe.epochs,
        recipe.seed,
        state.step,
        accelerator.process_index,
        accelerator.num_processes,
    )
    prepared, _ = accelerator.prepare(net, state.optimiser)
    loader = batch_loader(task.training_samples(), batches, _workers(recipe))
    Loop(recipe, run, task, execution, accelerator, batches, reporter).fit(state, prepared, loader)
    reporter.say(f"Best mean IoU {state.best_mean_iou:.4f}; the run is in `{run.folder}`.")
    return run


def describe(dataset: Dataset) -> str:
    """What was recognised, in one sentence.

    >>> describe(open_dataset("sample:materials"))
    'materials: mosaics of 8 photographs, ...; images: 320 train, 64 val; 8 classes (brick, grass, ...).'
    """
    sizes = ", ".join(f"{len(samples)} {split}" for split, samples in dataset.splits.items())
    names = ", ".join(dataset.classes.names[:12]) + (", …" if dataset.classes.count > 12 else "")
    return f"{dataset.name}: {dataset.layout}; images: {sizes}; {dataset.classes.count} classes ({names})."


def create_network(recipe: Recipe, dataset: Dataset) -> SegmentationNetwork:
    """The network that a recipe asks for, with its first weights."""
    return create_model(
        recipe.model,
        recipe.backbone,
        dataset.classes.count,
        recipe.output_stride,
        pretrained=recipe.pretrained,
        backbone_weights=recipe.backbone_weights,
        form=recipe.form,
        auxiliary=recipe.auxiliary,
        **recipe.options,
    )


def _fresh(recipe: Recipe, run: Run) -> Recipe:
    if run.recipe_path.exists():
        raise RunError(f"`{run.folder}` already holds a run; choose another --out, or go on with --resume.")
    if run.folder.is_dir() and any(run.folder.iterdir()):
        raise RunError(f"`{run.folder}` is not empty and not a run; choose another --out, nothing is overwritten.")
    return recipe


def _resumed(recipe: Recipe, run: Run) -> Recipe:
    if not run.recipe_path.exists():
        raise RunError(f"`{run.folder}` holds nothing to resume: no run was begun there. Train without --resume.")
    clear_partial_files(run.folder)
    saved = Recipe.read(run.recipe_path)
    for name in sorted(recipe.model_fields_set):
        if getattr(recipe, name) != getattr(saved, name):
            raise RunError(
                f"The run in `{run.folder}` was begun with {name}={getattr(saved, name)!r}, not "
                f"{getattr(recipe, name)!r}; a run resumes under its own recipe, so leave that out or start anew."
            )
    return saved


def _execution(
    recipe: Recipe,
    run: Run,
    task: SegmentationTask,
    net: SegmentationNetwork,
    device: str,
    reporter: Reporter,
) -> Execution:
    if run.network_path.exists():
        record = run.network()
        return Execution(device, record.precision, record.memory_format)
    options = candidates(device, recipe.precision, recipe.memory_format)
    if len(options) == 1:
        return options[0]
    reporter.say("Measuring which precision and memory layout train fastest here …")
    samples = task.training_samples()
    batch = collate([samples[0, i % len(samples.samples)] for i in range(recipe.batch_size)])
    if isinstance(batch, Exception):
        raise batch
    pictures, masks = (part.to(device) for part in batch)
    return fastest(options, net, task.preprocessing(pictures), lambda trial, x: task.loss(trial(x), masks))


def _agreed(measured: Execution) -> Execution:
    """What the first process measured, on this process's device: all must compute alike."""
    agreed = [measured]
    broadcast_object_list(agreed)
    return replace(agreed[0], device=measured.device)


def _record(recipe: Recipe, net: SegmentationNetwork, dataset: Dataset, execution: Execution) -> NetworkRecord:
    spec = net.backbone.spec
    return NetworkRecord(
        model=recipe.model,
        backbone=recipe.backbone,
        output_stride=spec.output_stride,
        form=recipe.form,
        options=recipe.options,
        auxiliary=recipe.auxiliary,
        classes=dataset.classes.count,
        mean=spec.mean,
        std=spec.std,
        weights_source=net.backbone.weights_source,
        precision=execution.precision,
        memory_format=execution.memory_format,
        device=torch.device(execution.device).type,
    )


def _describe_training(record: NetworkRecord, net: SegmentationNetwork) -> str:
    parameters = sum(p.numel() for p in net.parameters()) / 1e6
    return (
        f"{record.model} on {record.backbone} at output stride {record.output_stride}, {parameters:.1f} M parameters, "
        f"backbone weights: {record.weights_source}; {record.precision}, {record.memory_format} on {record.device}."
    )


def _optimiser(recipe: Recipe, net: SegmentationNetwork) -> torch.optim.Optimizer:
    """AdamW or SGD; vectors (biases and norms) are not decayed."""
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.base_learning_rate, momentum=0.9)
    return torch.optim.AdamW(groups, lr=recipe.base_learning_rate, fused=True)


def _workers(recipe: Recipe) -> int:
    """On a CPU that also computes, loading in the same process is faster than sharing the cores."""
    if recipe.workers is not None:
        return recipe.workers
    return min(8, max(1, (os.cpu_count() or 1) - 1)) if torch.cuda.is_available() else 0
