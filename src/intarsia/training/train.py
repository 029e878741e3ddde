"""From a recipe to a run."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin, broadcast_object_list, set_seed

from intarsia.data import Dataset, open_dataset
from intarsia.errors import ArgumentError
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.inference.segmenter import build_network
from intarsia.models import SegmentationNetwork
from intarsia.runs import NetworkRecord, Recipe, Run, make_recipe
from intarsia.training.allocator import keep_freed_memory
from intarsia.training.building import create_network, create_optimiser, fingerprint, network_record, worker_count
from intarsia.training.folder import admit, held
from intarsia.training.loading import batch_loader, collate
from intarsia.training.loop import Loop
from intarsia.training.precision import executions, fastest
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
    own recipe. The random states of Python, NumPy and torch are seeded by the recipe. In a script, loading processes
    (``workers``, the default on a GPU) need the usual ``if __name__ == "__main__":`` around the call.

    Raises ``IntarsiaError``s with one sentence: data that cannot be used, names that do not exist, a folder that
    already holds a run, a loss that is not a number; ``Interrupted`` after Ctrl-C, with everything saved.
    """
    if recipe is not None and values:
        raise ArgumentError("Give `train` either a recipe or its fields as keywords, not both.")
    recipe = make_recipe(**values) if recipe is None else recipe
    run = Run(Path(out).expanduser())
    if quiet:
        return _train(recipe, run, resume, Silent())
    with Live() as reporter:
        return _train(recipe, run, resume, reporter)


def _train(recipe: Recipe, run: Run, resume: bool, reporter: Reporter) -> Run:
    recipe = admit(recipe, run, resume)
    keep_freed_memory()
    accelerator = _accelerator()
    reporter = reporter if accelerator.is_main_process else Silent()
    set_seed(recipe.seed)
    record = run.network() if resume and run.checkpoint_path.exists() else None
    dataset = open_dataset(recipe.data, classes=run.classes() if record else None)
    check_trainable(dataset, accelerator.num_processes)
    reporter.say(describe(dataset))
    net = build_network(record) if record else create_network(recipe, dataset)
    _check_batch(recipe, dataset, net)

    with held(run) if accelerator.is_main_process else nullcontext():
        admit(recipe, run, resume)  # another training may have ended here meanwhile
        if record is None:
            record = _begin(recipe, run, dataset, net, accelerator, reporter)
        reporter.say(_describe_training(record, net))
        _fit(recipe, run, record, dataset, net, accelerator, reporter)
    return run


def _accelerator() -> Accelerator:
    """The engine, its settings said outright: neither the environment nor a guess may change a recipe."""
    return Accelerator(
        cpu=not torch.cuda.is_available(),  # otherwise processes on CPUs stay strangers to each other
        mixed_precision="no",  # autocast is ours
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # the number alone yields to a variable
    )


def _begin(
    recipe: Recipe, run: Run, dataset: Dataset, net: SegmentationNetwork, accelerator: Accelerator, reporter: Reporter
) -> NetworkRecord:
    """Choose how to execute, and write all that is known before training."""
    preprocessing = Preprocessing(net.backbone.spec.mean, net.backbone.spec.std)
    task = SegmentationTask(recipe, dataset, preprocessing)
    execution = _agreed(_execution(recipe, task, net, str(accelerator.device), reporter))
    record = network_record(recipe, net, dataset.classes.count, execution)
    if accelerator.is_main_process:
        run.begin(recipe, dataset.classes)
        run.write_network(record)
    return record


def _fit(
    recipe: Recipe,
    run: Run,
    record: NetworkRecord,
    dataset: Dataset,
    net: SegmentationNetwork,
    accelerator: Accelerator,
    reporter: Reporter,
) -> None:
    execution = Execution(str(accelerator.device), record.precision, record.memory_format)
    task = SegmentationTask(recipe, dataset, Preprocessing(record.mean, record.std))
    execution.place(net)
    state = TrainingState(net, create_optimiser(recipe, net), fingerprint(dataset))
    if run.checkpoint_path.exists():
        state.restore(run.checkpoint_path)
    images = len(dataset.split("train"))
    batches = StepBatches(
        images,
        min(recipe.batch_size, images // accelerator.num_processes),
        recipe.epochs,
        recipe.seed,
        state.step,
        accelerator.process_index,
        accelerator.num_processes,
    )
    prepared, _ = accelerator.prepare(net, state.optimiser)
    loader = batch_loader(task.training_samples(), batches, worker_count(recipe))
    Loop(recipe, run, task, execution, accelerator, batches, reporter).fit(state, prepared, loader)
    reporter.say(f"Best mean IoU {state.best_mean_iou:.4f}; the run is in `{run.folder}`.")


def describe(dataset: Dataset) -> str:
    """What was recognised, in one sentence.

    >>> describe(open_dataset("sample:materials"))
    'materials: mosaics of 8 photographs, ...; images: 320 train, 64 val; 8 classes (brick, grass, ...).'
    """
    sizes = ", ".join(f"{len(samples)} {split}" for split, samples in dataset.splits.items())
    names = ", ".join(dataset.classes.names[:12]) + (", …" if dataset.classes.count > 12 else "")
    return f"{dataset.name}: {dataset.layout}; images: {sizes}; {dataset.classes.count} classes ({names})."


def _execution(
    recipe: Recipe, task: SegmentationTask, net: SegmentationNetwork, device: str, reporter: Reporter
) -> Execution:
    options = executions(device, recipe.precision, recipe.memory_format)
    if len(options) == 1:
        return options[0]
    reporter.say("Measuring which precision and memory layout train fastest here …")
    samples = task.training_samples()
    batch = collate([samples[0, i] for i in range(min(recipe.batch_size, len(samples.samples)))])
    if isinstance(batch, Exception):
        raise batch
    pictures, masks = (part.to(device) for part in batch)
    return fastest(options, net, task.preprocessing(pictures), lambda trial, x: task.loss(trial(x), masks))


def _agreed(measured: Execution) -> Execution:
    """What the first process measured, on this process's device: all must compute alike."""
    agreed = [measured]
    broadcast_object_list(agreed)
    return replace(agreed[0], device=measured.device)


def _check_batch(recipe: Recipe, dataset: Dataset, net: SegmentationNetwork) -> None:
    images, stride = min(recipe.batch_size, len(dataset.split("train"))), net.backbone.spec.output_stride
    if images == 1 and recipe.crop_size <= stride:
        raise ArgumentError(
            f"One image a step with `crop_size` (={recipe.crop_size}) at output stride {stride} leaves batch norm a "
            f"single value; take a crop above {stride} or more images a step."
        )


def _describe_training(record: NetworkRecord, net: SegmentationNetwork) -> str:
    parameters = sum(p.numel() for p in net.parameters()) / 1e6
    return (
        f"{record.model} on {record.backbone} at output stride {record.output_stride}, {parameters:.1f} M parameters, "
        f"backbone weights: {record.weights_source}; {record.precision}, {record.memory_format} on {record.device}."
    )
