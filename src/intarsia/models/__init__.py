"""One file a system, read from top to bottom; ``catalog`` has them all."""

from intarsia.models.blueprint import Blueprint
from intarsia.models.catalog import CATALOG, DEPTH_CATALOG, list_models
from intarsia.models.create import create_model
from intarsia.models.depth_completion import DepthNetwork
from intarsia.models.entry import Entry
from intarsia.models.loading import load_weights
from intarsia.models.segmentation_network import Outputs, SegmentationNetwork
from intarsia.models.warm_start import warm_start

__all__ = [
    "CATALOG",
    "DEPTH_CATALOG",
    "Blueprint",
    "DepthNetwork",
    "Entry",
    "Outputs",
    "SegmentationNetwork",
    "create_model",
    "list_models",
    "load_weights",
    "warm_start",
]
