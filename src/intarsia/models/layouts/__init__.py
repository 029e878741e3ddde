"""Weights of other repositories: one file a repository, which recognises its names and turns them into ours."""

from intarsia.models.layouts import (
    coincheung,
    fyu,
    junfu1115,
    kazuto,
    semseg,
    smp,
    torchseg,
    torchvision,
    wkentaro,
    xinjcheng,
)
from intarsia.models.layouts.layout import Layout, Reading

LAYOUTS: tuple[Layout, ...] = (
    torchvision.LAYOUT,
    smp.LAYOUT,
    semseg.LAYOUT,
    junfu1115.LAYOUT,
    coincheung.LAYOUT,
    torchseg.LAYOUT,
    wkentaro.LAYOUT,
    fyu.LAYOUT,
    kazuto.LAYOUT,
    xinjcheng.LAYOUT,
)

__all__ = ["LAYOUTS", "Layout", "Reading"]
