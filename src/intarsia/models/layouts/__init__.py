"""Weights of other repositories: one file a repository, which recognises its names and turns them into ours."""

from intarsia.models.layouts import fyu, kazuto, smp, wkentaro
from intarsia.models.layouts.layout import Layout, Reading

LAYOUTS: tuple[Layout, ...] = (smp.LAYOUT, wkentaro.LAYOUT, fyu.LAYOUT, kazuto.LAYOUT)

__all__ = ["LAYOUTS", "Layout", "Reading"]
