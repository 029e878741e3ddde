"""The network that a recipe asks for, what is written down of it, and what it cannot be trained on."""

from pathlib import Path

import torch
from torch import nn

from intarsia.backbones import BackboneSpec
from intarsia.backbones.classifier import Classifier, create_classifier
from intarsia.data import Dataset
from intarsia.data.depth import DepthDataset, Measuring, parse_measuring
from intarsia.data.depth.measured import chosen_measuring
from intarsia.errors import ArgumentError
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.inference.loading import build_network
from intarsia.layers.positions import NeedsPositions
from intarsia.models import DepthNetwork, SegmentationNetwork, create_model, warm_start
from intarsia.runs import NetworkRecord, Recipe, Run
from intarsia.training.admission import Data
from intarsia.training.recomputing import stages_of

Network = SegmentationNetwork | Classifier

NAMED = 6  # tensors that a warm start leaves new


def create_network(recipe: Recipe, dataset: Data) -> Network:
    """The network that a recipe asks for, with its first weights; depths are one map, from a channel more."""
    channels = dataset.pixels.channels
    if isinstance(dataset, DepthDataset):
        classes, channels = 1, channels + 1
    else:
        classes = dataset.classes.count
    if recipe.task == "classification":
        net = create_classifier(recipe.backbone, classes, channels)
        if net.spec.own_origins is not None:
            raise ArgumentError(
                f"The maps of backbone `{recipe.backbone}` do not tile the image, as those of a classifier must; use "
                "another one, such as resnet18."
            )
        return net
    return create_model(
        recipe.model,
        recipe.backbone,
        classes,
        recipe.output_stride,
        channels,
        pretrained=recipe.pretrained,
        backbone_weights=recipe.backbone_weights,
        form=recipe.form,
        auxiliary=recipe.auxiliary,
        refiner=recipe.refiner,
        refiner_options=recipe.refiner_options,
        **recipe.options,
    )


def start_from(weights: str, net: SegmentationNetwork, frozen: bool = False) -> str:
    """Fill ``net`` with what fits of a run or a file of weights; one sentence says what was left new.

    Raises ``ArgumentError`` if that is to be ``frozen`` and is more than the refiner.
    """
    path = Path(weights).expanduser()
    new = warm_start(net, Run.open(path).weights_path if path.is_dir() else path)
    names = ", ".join(new[:NAMED]) + (", …" if len(new) > NAMED else "")
    if frozen and (untrained := [name for name in new if not name.startswith("refiner.")]):
        raise ArgumentError(
            f"`weights` (={weights!r}) leave {len(untrained)} tensors new that `train` (='refiner') would never train, "
            f"the first is `{untrained[0]}`; start from a run of this very network, or train 'all'."
        )
    left = f"{len(new)} are left new: {names}" if new else "none is left new"
    return f"Starts from `{weights}`: {len(net.state_dict()) - len(new)} tensors fit, {left}."


def freeze(recipe: Recipe, net: Network) -> None:
    """Let nothing but the refiner learn, whatever it was that the recipe started from."""
    if recipe.refiner is None or recipe.weights is None:
        missing = "refiner" if recipe.refiner is None else "weights"
        raise ArgumentError(
            f"`train` (='refiner') trains a refiner behind a network that has learned, and there is no `{missing}`; "
            "give both --refiner and --weights, or train 'all'."
        )
    assert isinstance(net, SegmentationNetwork)
    net.freeze()


def rebuild_network(record: NetworkRecord) -> Network:
    """The network that a record describes, with untrained weights."""
    if record.task == "classification":
        return create_classifier(record.backbone, record.classes, len(record.mean))
    return build_network(record)


def body_of(net: Network) -> nn.Module:
    """What of it learns to see: the backbone, or all of a classifier."""
    return net if isinstance(net, Classifier) else net.backbone


def spec_of(net: Network) -> BackboneSpec:
    """What its backbone says of itself."""
    return net.spec if isinstance(net, Classifier) else net.backbone.spec


def preprocessing_of(net: Network) -> Preprocessing:
    """What its pictures go through; measured depths, the last channel of a depth network, go in as they are."""
    spec = spec_of(net)
    pictures = slice(-1 if isinstance(net, DepthNetwork) else None)
    return Preprocessing(spec.mean[pictures], spec.std[pictures])


def network_record(recipe: Recipe, net: Network, dataset: Data, execution: Execution) -> NetworkRecord:
    """What it takes to build and feed this network again."""
    assert recipe.task != "auto", "a recipe tells its task from the data"
    spec, preprocessing, measuring = spec_of(net), preprocessing_of(net), measuring_of(recipe, dataset)
    return NetworkRecord(
        task=recipe.task,
        model="classifier" if isinstance(net, Classifier) else recipe.model,
        backbone=recipe.backbone,
        output_stride=spec.output_stride,
        form=recipe.form,
        options=recipe.options,
        auxiliary=recipe.auxiliary,
        refiner=recipe.refiner,
        refiner_options=recipe.refiner_options,
        classes=dataset.classes.count if isinstance(dataset, Dataset) else 1,
        mean=preprocessing.mean,
        std=preprocessing.std,
        weights_source="scratch" if isinstance(net, Classifier) else recipe.weights or net.backbone.weights_source,
        precision=execution.precision,
        memory_format=execution.memory_format,
        device=torch.device(execution.device).type,
        pixels=dataset.pixels,
        measuring=None if measuring is None else str(measuring),
    )


def check_auxiliary(recipe: Recipe, net: Network) -> None:
    """Refuse a weight for auxiliary outputs that there are not."""
    has_some = isinstance(net, SegmentationNetwork) and bool(net.auxiliary_weights)
    if recipe.auxiliary_weight is not None and not has_some:
        raise ArgumentError(
            f"`auxiliary_weight` (={recipe.auxiliary_weight:g}) is that of auxiliary outputs, and `{recipe.model}` has "
            "none here; add --auxiliary, or leave it out."
        )


def measuring_of(recipe: Recipe, dataset: Data) -> Measuring | None:
    """How a recipe's depths are measured; None by the data's own sensor, and where nothing is measured."""
    if isinstance(dataset, Dataset):
        return None
    samples = [sample for split in ("train", "val") for sample in dataset.split(split)]
    return chosen_measuring(samples, None if recipe.measuring is None else parse_measuring(recipe.measuring))


def check_measuring(recipe: Recipe, dataset: Data) -> None:
    """Refuse a grid so wide that it may miss all of a crop, or of a validation image."""
    measuring = measuring_of(recipe, dataset)
    if isinstance(dataset, Dataset) or measuring is None or measuring.kind != "grid":
        return
    learned, judged = (min(min(one.shape()) for one in dataset.split(split)) for split in (recipe.split, "val"))
    seen = min(recipe.crop_size, int(recipe.scale[0] * learned), judged)
    if measuring.amount > seen:
        raise ArgumentError(
            f"`measuring` (={str(measuring)!r}) may miss a crop or a validation image, of which {seen} rows or columns "
            f"are seen; take grid:{max(1, seen)} at most, or larger crops or images."
        )


def fewest_images(recipe: Recipe, net: Network) -> int:
    """How many images a forward pass needs in training: a last map of one position leaves batch norm no variance."""
    return 1 if recipe.crop_size > spec_of(net).output_stride else 2


def check_stage(recipe: Recipe, dataset: Data, net: Network, processes: int = 1) -> None:
    """Refuse batches, crops and ways to compute that the network of a stage cannot be trained on."""
    check_batch(recipe, dataset, net, processes)
    check_crop(recipe, net)
    check_measuring(recipe, dataset)
    check_auxiliary(recipe, net)
    if recipe.checkpointing and not stages_of(body_of(net)):
        raise ArgumentError(
            f"`checkpointing` (=True) finds no stages in backbone `{recipe.backbone}` that it could compute twice; "
            "leave it out, or take another backbone, such as resnet50."
        )


def check_batch(recipe: Recipe, dataset: Data, net: Network, processes: int = 1) -> None:
    """Refuse a batch that batch norm cannot train on."""
    at_least = len(dataset.split(recipe.split)) // (recipe.accumulate * processes)
    if min(recipe.batch_size, at_least) < fewest_images(recipe, net):
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
