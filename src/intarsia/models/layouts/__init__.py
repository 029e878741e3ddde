"""Weights of other repositories: one file a repository, which recognises its names and turns them into ours."""

from intarsia.models.layouts import smp, wkentaro
from intarsia.models.layouts.layout import Layout, Reading

LAYOUTS: tuple[Layout, ...] = (smp.LAYOUT, wkentaro.LAYOUT)

__all__ = ["LAYOUTS", "Layout", "Reading"]
