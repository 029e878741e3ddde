"""What a recipe asks for, built: network, record, optimiser."""

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from torch import nn

from intarsia.backbones import BackboneSpec
from intarsia.backbones.classifier import Classifier, create_classifier
from intarsia.data import Dataset, FileSample, LabelledSample, Sample
from intarsia.data.checking.facts import digest
from intarsia.errors import ArgumentError
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.inference.loading import build_network
from intarsia.layers.positions import NeedsPositions
from intarsia.models import SegmentationNetwork, create_model, warm_start
from intarsia.runs import NetworkRecord, Recipe, Run
from intarsia.training.classification import ClassificationTask
from intarsia.training.samplers import StepBatches
from intarsia.training.tasks import SegmentationTask

Network = SegmentationNetwork | Classifier
Task = SegmentationTask | ClassificationTask

NAMED = 6  # tensors that a warm start leaves new


def create_accelerator() -> Accelerator:
    """The engine, its settings said outright: neither the environment nor a guess may change a recipe."""
    return Accelerator(
        cpu=not torch.cuda.is_available(),  # otherwise processes on CPUs stay strangers to each other
        mixed_precision="no",  # autocast is ours
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # the number alone yields to a variable
    )


def create_task(recipe: Recipe, dataset: Dataset, preprocessing: Preprocessing) -> Task:
    """What a recipe says is learned."""
    kind = ClassificationTask if recipe.task == "classification" else SegmentationTask
    return kind(recipe, dataset, preprocessing)


def create_network(recipe: Recipe, dataset: Dataset) -> Network:
    """The network that a recipe asks for, with its first weights."""
    if recipe.task == "classification":
        _refuse_for_classification(recipe)
        return create_classifier(recipe.backbone, dataset.classes.count, dataset.pixels.channels)
    return create_model(
        recipe.model,
        recipe.backbone,
        dataset.classes.count,
        recipe.output_stride,
        dataset.pixels.channels,
        pretrained=recipe.pretrained,
        backbone_weights=recipe.backbone_weights,
        form=recipe.form,
        auxiliary=recipe.auxiliary,
        **recipe.options,
    )


def rebuild_network(record: NetworkRecord) -> Network:
    """The network that a record describes, with untrained weights."""
    if record.task == "classification":
        return create_classifier(record.backbone, record.classes, len(record.mean))
    return build_network(record)


def spec_of(net: Network) -> BackboneSpec:
    """What its backbone says of itself."""
    return net.spec if isinstance(net, Classifier) else net.backbone.spec


def _refuse_for_classification(recipe: Recipe) -> None:
    """Settings of segmentation, which would be without effect."""
    for name in ("model", "output_stride", "form", "options", "auxiliary", "backbone_weights", "weights", "loss"):
        value = getattr(recipe, name)
        if value != Recipe.model_fields[name].get_default(call_default_factory=True):
            raise ArgumentError(f"`{name}` (={value!r}) belongs to segmentation; leave it out to train a classifier.")
    if recipe.pretrained not in (False, "auto"):
        raise ArgumentError(
            f"`pretrained` (={recipe.pretrained!r}) must be left out or False: a classifier is trained from scratch."
        )


def start_from(weights: str, net: nn.Module) -> str:
    """Fill ``net`` with what fits of a run or a file of weights; one sentence says what was left new."""
    path = Path(weights).expanduser()
    new = warm_start(net, Run.open(path).weights_path if path.is_dir() else path)
    names = ", ".join(new[:NAMED]) + (", …" if len(new) > NAMED else "")
    left = f"{len(new)} are left new: {names}" if new else "none is left new"
    return f"Starts from `{weights}`: {len(net.state_dict()) - len(new)} tensors fit, {left}."


def network_record(recipe: Recipe, net: Network, dataset: Dataset, execution: Execution) -> NetworkRecord:
    """What it takes to build and feed this network again."""
    spec = spec_of(net)
    return NetworkRecord(
        task=recipe.task,
        model="classifier" if isinstance(net, Classifier) else recipe.model,
        backbone=recipe.backbone,
        output_stride=spec.output_stride,
        form=recipe.form,
        options=recipe.options,
        auxiliary=recipe.auxiliary,
        classes=dataset.classes.count,
        mean=spec.mean,
        std=spec.std,
        weights_source=recipe.weights or ("scratch" if isinstance(net, Classifier) else net.backbone.weights_source),
        precision=execution.precision,
        memory_format=execution.memory_format,
        device=torch.device(execution.device).type,
        pixels=dataset.pixels,
    )


def create_optimiser(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    """AdamW or SGD with momentum 0.9; vectors (biases and norms) are not decayed."""
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.base_learning_rate, momentum=0.9)
    return torch.optim.AdamW(groups, lr=recipe.base_learning_rate, fused=True)


def fewest_images(recipe: Recipe, net: Network) -> int:
    """How many images a forward pass needs in training: a last map of one position leaves batch norm no variance."""
    return 1 if recipe.crop_size > spec_of(net).output_stride else 2


def check_batch(recipe: Recipe, dataset: Dataset, net: Network) -> None:
    """Refuse a batch that batch norm cannot train on."""
    if min(recipe.batch_size, len(dataset.split("train"))) < fewest_images(recipe, net):
        stride = spec_of(net).output_stride
        raise ArgumentError(
            f"One image a step with `crop_size` (={recipe.crop_size}) at output stride {stride} leaves batch norm a "
            f"single value; take a crop above {stride} or more images a step."
        )


def check_crop(recipe: Recipe, net: Network) -> None:
    """Refuse a crop on whose last map a block would only seem to look around: bins that repeat, rates without reach."""
    stride = spec_of(net).output_stride
    side = -(-recipe.crop_size // stride)
    for module in net.modules():
        if isinstance(module, NeedsPositions) and module.fewest_positions > side:
            needed = module.fewest_positions
            raise ArgumentError(
                f"`crop_size` (={recipe.crop_size}) at output stride {stride} gives a {side} × {side} map, and "
                f"{type(module).__name__} needs {needed} × {needed}; take a crop of at least {needed * stride}, or "
                "smaller bins or rates by --options."
            )


def step_batches(recipe: Recipe, dataset: Dataset, accelerator: Accelerator, start: int = 0) -> StepBatches:
    """This process's share of all steps from ``start``."""
    images, processes = len(dataset.split("train")), accelerator.num_processes
    batch_size = min(recipe.batch_size, images // processes)
    return StepBatches(images, batch_size, recipe.epochs, recipe.seed, start, accelerator.process_index, processes)


def worker_count(recipe: Recipe) -> int:
    """On a CPU that also computes, loading in the same process is faster than sharing the cores."""
    if recipe.workers is not None:
        return recipe.workers
    return min(8, max(1, (os.cpu_count() or 1) - 1)) if torch.cuda.is_available() else 0


def fingerprint(dataset: Dataset) -> str:
    """Of the training and validation splits, in order, names and files' bytes: other data make another training."""
    parts: Sequence[str] = [
        part for split in ("train", "val") for sample in dataset.split(split) for part in (split, *_identity(sample))
    ]
    content = blake2b(repr((parts, dataset.pixels)).encode(errors="surrogateescape"), digest_size=8)
    return f"{sum(len(dataset.split(split)) for split in ('train', 'val'))} images {content.hexdigest()}"


def _identity(sample: Sample) -> tuple[str, ...]:
    if isinstance(sample, LabelledSample):
        return sample.name, digest(sample.image_path)  # the name begins with the class
    if isinstance(sample, FileSample):
        return sample.name, digest(sample.image_path), digest(sample.mask_path)
    return (sample.name,)  # built-in samples are what their names say


def describe(dataset: Dataset) -> str:
    """What was recognised, in one sentence.

    >>> from intarsia.data import open_dataset
    >>> describe(open_dataset("sample:materials"))
    'materials: mosaics of 8 photographs, ...; images: 320 train, 64 val; 8 classes (brick, grass, ...).'
    """
    sizes = ", ".join(f"{len(samples)} {split}" for split, samples in dataset.splits.items())
    names = ", ".join(dataset.classes.names[:12]) + (", …" if dataset.classes.count > 12 else "")
    return f"{dataset.name}: {dataset.layout}; images: {sizes}; {dataset.classes.count} classes ({names})."


def describe_training(record: NetworkRecord, net: Network) -> str:
    """What is trained, and how it is computed, in one sentence."""
    parameters = sum(p.numel() for p in net.parameters()) / 1e6
    return (
        f"{record.model} on {record.backbone} at output stride {record.output_stride}, {parameters:.1f} M parameters, "
        f"backbone weights: {record.weights_source}; {record.precision}, {record.memory_format} on {record.device}."
    )
