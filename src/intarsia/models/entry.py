"""What the catalog says of a system."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from intarsia.backbones import Backbone
from intarsia.backbones.output_stride import OUTPUT_STRIDES
from intarsia.models.segmentation_network import SegmentationNetwork

Task = Literal["segmentation", "depth"]


@dataclass(frozen=True)
class Entry:
    """A system: where it comes from, how it is built, and a tiny form of it for tests."""

    title: str
    paper: str
    year: int
    build: Callable[[Backbone, int, Any, bool], SegmentationNetwork]
    forms: Mapping[str, Any]
    output_stride: int
    backbone: str
    tiny: Mapping[str, Any]
    unused: tuple[str, ...] = field(default=())  # parameters that exist only for the names in others' weights
    auxiliary: bool = True  # whether it has heads for training only
    output_strides: tuple[int, ...] = OUTPUT_STRIDES  # those that it can have
    origins: bool = False  # whether it asks where the backbone's maps begin, so that they need not tile the image
    task: Task = "segmentation"
    classes: int = 21  # what a network has unless it is told
    in_channels: int = 3
