"""From a run folder, or from weights that somebody published, to a segmenter."""

from pathlib import Path
from typing import Any

import torch

from intarsia.data.decoding import MAX_PIXELS
from intarsia.errors import ArgumentError, RunError
from intarsia.inference.execution import Execution, Preprocessing, best_device
from intarsia.inference.hub import TORCHVISION, published
from intarsia.inference.segmenter import Segmenter
from intarsia.inference.views import Views
from intarsia.models import SegmentationNetwork, create_model
from intarsia.runs import NetworkRecord, Run
from intarsia.runs.refinement import Refinement
from intarsia.runs.weights import load_into


def load(
    source: str | Path,
    device: str | None = None,
    *,
    views: Views | None = None,
    tile: int | None = None,
    max_pixels: int = MAX_PIXELS,
    refine: bool = True,
) -> Segmenter:
    """A trained run as a :class:`Segmenter`, in the precision and layout that were measured fastest on this device.

    ``source`` may also be ``"torchvision:"`` and the name of one of its segmentation networks, such as
    ``"torchvision:deeplabv3_resnet50"``: weights, classes and normalisation are then torchvision's, downloaded once.

    A run that holds a refinement is refined by it; ``refine=False`` leaves that out.

    Raises:
        RunError: the folder is no finished run, or its weights or its refinement do not fit.
        ArgumentError: torchvision has no such weights, or they cannot be had.
    """
    if max_pixels < 1:
        raise ArgumentError(f"`max_pixels` (={max_pixels}) must be at least 1.")
    if str(source).startswith(TORCHVISION):
        network = published(str(source))
        execution = Execution(device or best_device())
        preprocessing = Preprocessing(network.mean, network.std)
        net = execution.place(network.net)
        return Segmenter(
            net, preprocessing, network.classes, execution, views, tile, max_pixels=max_pixels, terms=network.terms
        )
    run = Run.open(source)
    record = run.network()
    if record.task == "depth":
        raise RunError(f"`{source}` completes depths and gives no masks; `intarsia.load_depth` opens it.")
    if record.task != "segmentation":
        raise RunError(
            f"`{source}` is a trained classifier and gives no masks; train a segmentation on its weights by "
            f"`--backbone {record.backbone} --backbone-weights {run.weights_path}`."
        )
    classes = run.classes()
    if classes.count != (2 if record.classes == 1 else record.classes):
        raise RunError(
            f"`{run.classes_path}` names {classes.count} classes, but the network has {record.classes}; restore it."
        )
    net = build_network(record)
    load_into(net, run.weights_path)
    execution = execution_of(record, device)
    return Segmenter(
        execution.place(net.eval()),
        Preprocessing(record.mean, record.std),
        classes,
        execution,
        views,
        tile,
        record.pixels,
        max_pixels,
        refinement=_refinement(run, classes.count) if refine else None,
    )


def _refinement(run: Run, classes: int) -> Refinement | None:
    if not run.refinement_path.is_file():
        return None
    refinement = Refinement.read(run.refinement_path)
    refinement.check_classes(classes, run.refinement_path)
    return refinement


def execution_of(record: NetworkRecord, device: str | None = None) -> Execution:
    """On which device, by default the best, and there in the precision and layout that were found fastest in training.

    On another kind of device than that of the training nothing is known of speed, and all is plain.
    """
    device = device or best_device()
    measured_here = record.device == torch.device(device).type
    return Execution(device, record.precision, record.memory_format) if measured_here else Execution(device)


def build_network(record: NetworkRecord) -> SegmentationNetwork:
    """The network that a record describes, with untrained weights."""
    options: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in record.options.items()}
    return create_model(
        record.model,
        record.backbone,
        record.classes,
        record.output_stride,
        len(record.mean) + (record.task == "depth"),  # the measured depths
        form=record.form,
        auxiliary=record.auxiliary,
        refiner=record.refiner,
        refiner_options=record.refiner_options,
        **options,
    )
