"""What a recipe asks for beside its network: engine, task, batches."""

import os
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, GradientAccumulationPlugin, InitProcessGroupKwargs

from intarsia.data.depth import DepthDataset, parse_measuring
from intarsia.data.depth.measured import how_many
from intarsia.errors import ArgumentError
from intarsia.inference.execution import Preprocessing
from intarsia.losses import AdaptiveAffinityField, Objective
from intarsia.models import SegmentationNetwork
from intarsia.runs import Balance, NetworkRecord, Recipe
from intarsia.runs.loss_names import loss_terms
from intarsia.runs.settings import REFINERS
from intarsia.training.admission import Data
from intarsia.training.classification import ClassificationTask
from intarsia.training.depth import DepthTask
from intarsia.training.networks import Network, measuring_of
from intarsia.training.samplers import StepBatches
from intarsia.training.tasks import SegmentationTask

Task = SegmentationTask | ClassificationTask | DepthTask


PATIENCE = timedelta(hours=6)  # of processes while the first looks at all images, or one has the slowest to validate


def create_accelerator() -> Accelerator:
    """The engine, its settings said outright: neither the environment nor a guess may change a recipe.

    From three processes on, a sum of gradients depends on its order, which follows from where in a message a gradient
    lies. The engine lays messages out anew behind its first step, and so behind the first of a resumed run, unless it
    has to look for weights without a gradient.
    """
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),  # otherwise processes on CPUs stay strangers to each other
        mixed_precision="no",  # autocast is ours
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # the number alone yields to a variable
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )
    if accelerator.num_processes > 2:
        same_order = DistributedDataParallelKwargs(find_unused_parameters=True)
        accelerator.ddp_handler = same_order  # pyright: ignore[reportAttributeAccessIssue]  (declared as None)
    return accelerator


def create_objective(recipe: Recipe, dataset: Data, balance: Balance = Balance()) -> Objective:  # noqa: B008  (frozen)
    """The sum of losses that a recipe names; a depth loss learns nothing, and its task has it."""
    if isinstance(dataset, DepthDataset):
        return Objective()
    weights = balance.class_weights
    class_weights = None if weights is None else torch.tensor([weights[name] for name in dataset.classes.names])
    terms = loss_terms(recipe.loss)
    objective = Objective(terms, dataset.classes.count, recipe.loss_options, class_weights, recipe.average)
    for pairs in objective.pairs:
        assert isinstance(pairs, AdaptiveAffinityField)
        largest, stride = max(pairs.sizes), pairs.stride
        needed = stride // 2 + (largest - 1) * stride + 1  # rows that count begin in the middle of the first stride
        if recipe.crop_size < needed:
            raise ArgumentError(
                f"`crop_size` (={recipe.crop_size}) holds no pair of neighbours of size {largest} at `stride` "
                f"(={stride}) of the loss; take a crop of at least {needed}, or a smaller stride or sizes by "
                "--loss-options."
            )
    return objective


def create_task(
    recipe: Recipe,
    dataset: Data,
    preprocessing: Preprocessing,
    objective: Objective,
    balance: Balance = Balance(),  # noqa: B008  (frozen)
) -> Task:
    """What a recipe says is learned."""
    if isinstance(dataset, DepthDataset):
        return DepthTask(recipe, dataset, preprocessing, measuring_of(recipe, dataset))
    if recipe.task == "classification":
        return ClassificationTask(recipe, dataset, preprocessing)
    return SegmentationTask(recipe, dataset, preprocessing, objective, balance)


def step_batches(
    recipe: Recipe, dataset: Data, accelerator: Accelerator, start: int = 0, first_epoch: int = 0
) -> StepBatches:
    """This process's share of all steps of a stage from ``start``, behind so many epochs of other stages."""
    images, batch_size = len(dataset.split(recipe.split)), recipe.batch_size * recipe.accumulate
    rank, processes = accelerator.process_index, accelerator.num_processes
    return StepBatches(
        images, batch_size, recipe.epochs, recipe.seed, start, rank, processes, recipe.steps, first_epoch
    )


def worker_count(recipe: Recipe) -> int:
    """On a CPU that also computes, loading in the same process is faster than sharing the cores."""
    if recipe.workers is not None:
        return recipe.workers
    return min(8, max(1, (os.cpu_count() or 1) - 1)) if torch.cuda.is_available() else 0


def describe(dataset: Data) -> str:
    """What was recognised, in one sentence.

    >>> from intarsia.data import open_dataset
    >>> describe(open_dataset("sample:materials"))
    'materials: mosaics of 8 photographs, ...; images: 320 train, 64 val; 8 classes (brick, grass, ...).'
    """
    sizes = ", ".join(f"{len(samples)} {split}" for split, samples in dataset.splits.items())
    found = f"{dataset.name}: {dataset.layout}; images: {sizes}"
    if isinstance(dataset, DepthDataset):
        return f"{found}, with depths."
    names = ", ".join(dataset.classes.names[:12]) + (", …" if dataset.classes.count > 12 else "")
    return f"{found}; {dataset.classes.count} classes ({names})."


def describe_training(record: NetworkRecord, net: Network) -> str:
    """What is trained, and how it is computed, in one sentence."""
    parameters = sum(p.numel() for p in net.parameters()) / 1e6
    refined = f", refined by {REFINERS[record.refiner]} that learns" if record.refiner else ""
    frozen = ", frozen but for that," if isinstance(net, SegmentationNetwork) and net.frozen else ","
    told = f" {_measured(record.measuring)}" if record.task == "depth" else ""
    return (
        f"{record.model} on {record.backbone} at output stride {record.output_stride}"
        f"{refined}{frozen} {parameters:.1f} M parameters, "
        f"backbone weights: {record.weights_source}; {record.precision}, {record.memory_format} on {record.device}."
        f"{told}"
    )


def _measured(measuring: str | None) -> str:
    if measuring is None:
        return "Measured by the data's own sensor."
    return f"Measured of each image: {how_many(parse_measuring(measuring))}, drawn anew in each epoch."
