"""Layers that let pixels speak to each other: what a pixel is depends on what it lies beside."""

from intarsia.affinity.lattice import Lattice
from intarsia.affinity.mean_field import MeanField

__all__ = ["Lattice", "MeanField"]
