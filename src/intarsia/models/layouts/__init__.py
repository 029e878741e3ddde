"""Weights of other repositories: one file a repository, which recognises its names and turns them into ours."""

from intarsia.models.layouts import coincheung, junfu1115, smp, torchseg, torchvision, wkentaro
from intarsia.models.layouts.layout import Layout, Reading

LAYOUTS: tuple[Layout, ...] = (
    smp.LAYOUT,
    torchvision.LAYOUT,
    junfu1115.LAYOUT,
    coincheung.LAYOUT,
    torchseg.LAYOUT,
    wkentaro.LAYOUT,
)

__all__ = ["LAYOUTS", "Layout", "Reading"]
