"""Depth beside images: files, layouts, a built-in scene, what a sensor would measure, and what needs no learning."""

from intarsia.data.depth.camera import Camera, assumed_camera
from intarsia.data.depth.dataset import DepthDataset, DepthSample, FileDepthSample
from intarsia.data.depth.files import Depth, read_depth, write_depth
from intarsia.data.depth.filling import bilateral_fill, linear_fill, nearest_fill
from intarsia.data.depth.measuring import Measuring, measure, parse_measuring
from intarsia.data.depth.open import DEPTH_SAMPLES, open_depth

__all__ = [
    "DEPTH_SAMPLES",
    "Camera",
    "Depth",
    "DepthDataset",
    "DepthSample",
    "FileDepthSample",
    "Measuring",
    "assumed_camera",
    "bilateral_fill",
    "linear_fill",
    "measure",
    "nearest_fill",
    "open_depth",
    "parse_measuring",
    "read_depth",
    "write_depth",
]
