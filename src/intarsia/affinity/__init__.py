"""Layers that let pixels speak to each other: what a pixel is depends on what it lies beside."""

from intarsia.affinity.affinity_field import affinity_field_loss
from intarsia.affinity.convolutional_propagation import convolutional_propagation
from intarsia.affinity.lattice import Lattice
from intarsia.affinity.mean_field import MeanField
from intarsia.affinity.spatial_propagation import SpatialPropagation, spatial_propagation

__all__ = [
    "Lattice",
    "MeanField",
    "SpatialPropagation",
    "affinity_field_loss",
    "convolutional_propagation",
    "spatial_propagation",
]
