"""Weights of other repositories: one file a repository, which recognises its names and turns them into ours."""

from intarsia.models.layouts import coincheung, junfu1115, semseg, smp, torchseg, torchvision, wkentaro
from intarsia.models.layouts.layout import Layout, Reading

LAYOUTS: tuple[Layout, ...] = (
    torchvision.LAYOUT,
    smp.LAYOUT,
    semseg.LAYOUT,
    junfu1115.LAYOUT,
    coincheung.LAYOUT,
    torchseg.LAYOUT,
    wkentaro.LAYOUT,
)

__all__ = ["LAYOUTS", "Layout", "Reading"]
