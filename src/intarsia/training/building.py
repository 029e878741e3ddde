"""What a recipe asks for, built: network, record, optimiser."""

import os
from collections.abc import Sequence
from hashlib import blake2b

import torch

from intarsia.data import Dataset
from intarsia.inference.execution import Execution
from intarsia.models import SegmentationNetwork, create_model
from intarsia.runs import NetworkRecord, Recipe


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


def network_record(recipe: Recipe, net: SegmentationNetwork, classes: int, execution: Execution) -> NetworkRecord:
    """What it takes to build and feed this network again."""
    spec = net.backbone.spec
    return NetworkRecord(
        model=recipe.model,
        backbone=recipe.backbone,
        output_stride=spec.output_stride,
        form=recipe.form,
        options=recipe.options,
        auxiliary=recipe.auxiliary,
        classes=classes,
        mean=spec.mean,
        std=spec.std,
        weights_source=net.backbone.weights_source,
        precision=execution.precision,
        memory_format=execution.memory_format,
        device=torch.device(execution.device).type,
    )


def create_optimiser(recipe: Recipe, net: SegmentationNetwork) -> torch.optim.Optimizer:
    """AdamW or SGD with momentum 0.9; vectors (biases and norms) are not decayed."""
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.base_learning_rate, momentum=0.9)
    return torch.optim.AdamW(groups, lr=recipe.base_learning_rate, fused=True)


def worker_count(recipe: Recipe) -> int:
    """On a CPU that also computes, loading in the same process is faster than sharing the cores."""
    if recipe.workers is not None:
        return recipe.workers
    return min(8, max(1, (os.cpu_count() or 1) - 1)) if torch.cuda.is_available() else 0


def fingerprint(dataset: Dataset) -> str:
    """Of the names in the training and validation splits, in order: other images make another training."""
    names: Sequence[str] = [f"{split}/{s.name}" for split in ("train", "val") for s in dataset.split(split)]
    return f"{len(names)} images {blake2b(repr(names).encode(), digest_size=8).hexdigest()}"
