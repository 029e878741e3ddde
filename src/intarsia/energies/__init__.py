"""Labelings that minimise an energy: arrays in, arrays out, no network."""

from intarsia.energies.max_flow import GridCut

__all__ = ["GridCut"]
