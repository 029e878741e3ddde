"""Weights of other repositories: one file a repository, which recognises its names and turns them into ours."""

from intarsia.models.layouts import smp, torchvision
from intarsia.models.layouts.layout import Layout, Reading

LAYOUTS: tuple[Layout, ...] = (smp.LAYOUT, torchvision.LAYOUT)

__all__ = ["LAYOUTS", "Layout", "Reading"]
