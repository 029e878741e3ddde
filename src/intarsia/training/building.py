"""What a recipe asks for beside its network: engine, task, optimiser, batches."""

import os
from collections.abc import Sequence

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from torch import nn

from intarsia.data.depth import DepthDataset
from intarsia.errors import ArgumentError
from intarsia.inference.execution import Preprocessing
from intarsia.losses import AdaptiveAffinityField, Objective
from intarsia.models import SegmentationNetwork
from intarsia.runs import NetworkRecord, Recipe
from intarsia.runs.loss_names import loss_terms
from intarsia.runs.settings import REFINERS
from intarsia.training.admission import Data
from intarsia.training.classification import ClassificationTask
from intarsia.training.depth import DepthTask
from intarsia.training.networks import Network, measuring_of
from intarsia.training.samplers import StepBatches
from intarsia.training.tasks import SegmentationTask

Task = SegmentationTask | ClassificationTask | DepthTask

FACTOR = "factor"  # of a group's learning rate
REFINER_RATE = 0.02  # its numbers are from 1 to 10, and a step of Adam is as large as the rate


def create_accelerator() -> Accelerator:
    """The engine, its settings said outright: neither the environment nor a guess may change a recipe."""
    return Accelerator(
        cpu=not torch.cuda.is_available(),  # otherwise processes on CPUs stay strangers to each other
        mixed_precision="no",  # autocast is ours
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # the number alone yields to a variable
    )


def create_objective(recipe: Recipe, dataset: Data) -> Objective:
    """The sum of losses that a recipe names; a depth loss learns nothing, and its task has it."""
    if isinstance(dataset, DepthDataset):
        return Objective()
    objective = Objective(loss_terms(recipe.loss), dataset.classes.count, recipe.loss_options)
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


def create_task(recipe: Recipe, dataset: Data, preprocessing: Preprocessing, objective: Objective) -> Task:
    """What a recipe says is learned."""
    if isinstance(dataset, DepthDataset):
        return DepthTask(recipe, dataset, preprocessing, measuring_of(recipe, dataset))
    if recipe.task == "classification":
        return ClassificationTask(recipe, dataset, preprocessing)
    return SegmentationTask(recipe, dataset, preprocessing, objective)


def create_optimiser(recipe: Recipe, net: nn.Module, beside: Sequence[nn.Parameter] = ()) -> torch.optim.Optimizer:
    """AdamW or SGD with momentum 0.9; vectors (biases and norms) are not decayed.

    The numbers that a refiner calls its own are a group of their own: zero means nothing to them, and they begin with
    ``REFINER_RATE``, however slowly the network learns; it decays like the other. What is learned ``beside`` the
    network, by its loss, has the network's rate and no decay.
    """
    refiner = getattr(net, "refiner", None)
    own = [] if refiner is None else refiner.own_numbers()
    others = [p for p in net.parameters() if not any(p is q for q in own)]
    groups = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if own:
        groups.append({"params": own, "weight_decay": 0.0, FACTOR: REFINER_RATE / recipe.base_learning_rate})
    if beside:
        groups.append({"params": list(beside), "weight_decay": 0.0})
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.base_learning_rate, momentum=0.9)
    return torch.optim.AdamW(groups, lr=recipe.base_learning_rate, fused=True)


def step_batches(recipe: Recipe, dataset: Data, accelerator: Accelerator, start: int = 0) -> StepBatches:
    """This process's share of all steps from ``start``."""
    images, processes = len(dataset.split("train")), accelerator.num_processes
    batch_size = min(recipe.batch_size, images // processes)
    return StepBatches(images, batch_size, recipe.epochs, recipe.seed, start, accelerator.process_index, processes)


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
    told = f" Depths are measured by {record.measuring or 'their own sensor'}." if record.task == "depth" else ""
    return (
        f"{record.model} on {record.backbone} at output stride {record.output_stride}"
        f"{refined}{frozen} {parameters:.1f} M parameters, "
        f"backbone weights: {record.weights_source}; {record.precision}, {record.memory_format} on {record.device}."
        f"{told}"
    )
