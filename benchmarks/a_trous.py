"""The à-trous law, measured for every tested backbone beside timm's and segmentation_models_pytorch's own dilation.

    python benchmarks/a_trous.py --out docs/a_trous.md

Each cell is the largest relative difference, over all feature maps, between the dense network sampled on the coarse
grid and the strided network with the same weights: float64, eval, gates held fixed, random weights, one random image.
"""

import argparse
import copy
import platform
import warnings
from pathlib import Path

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from intarsia.backbones import create_backbone, list_backbones
from intarsia.backbones.dilate import dilate
from intarsia.backbones.law import law_deviations
from intarsia.files import write_text

SIZES = ((224, 224), (256, 192))
STRIDES = (8, 16)
SMP_NAMES = {
    "mobilenetv2_100": "mobilenet_v2",
    "efficientnet_b0": "efficientnet-b0",
    "tf_efficientnet_lite0": "timm-tf_efficientnet_lite0",
    "regnety_008": "timm-regnety_008",
}
SMP_OWN = ("resnet18", "resnet34", "resnet50", "resnet101", "resnext50_32x4d", "vgg16", "vgg16_bn", "densenet121")


def deviation(strided: nn.Module, dense: nn.Module) -> str:
    """The worst feature map over both sizes, as text."""
    worst = 0.0
    for height, width in SIZES:
        image = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        found = law_deviations(strided, dense, image)
        worst = max([worst, *(value for name, value in found.items() if name.startswith("output"))])
    return f"{worst:.0e}" if worst else "0"


def ours(name: str, output_stride: int) -> str:
    strided = create_backbone(name).body
    return deviation(strided, dilate(copy.deepcopy(strided), output_stride))


def timms(name: str, output_stride: int) -> str:
    try:
        strided = timm.create_model(name, features_only=True)
        dense = timm.create_model(name, features_only=True, output_stride=output_stride)
    except (AssertionError, TypeError, NotImplementedError, ValueError):
        return "refuses"
    dense.load_state_dict(strided.state_dict())
    return deviation(strided, dense)


class SmpFeatures(nn.Module):
    """An smp encoder without the image that it puts first."""

    def __init__(self, name: str, output_stride: int) -> None:
        super().__init__()
        self.encoder = smp.encoders.get_encoder(name, weights=None, output_stride=output_stride)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return self.encoder(x)[1:]


def smps(name: str, output_stride: int) -> str:
    theirs = SMP_NAMES.get(name, name if name in SMP_OWN else f"tu-{name}")
    try:
        strided, dense = SmpFeatures(theirs, 32), SmpFeatures(theirs, output_stride)
        dense.load_state_dict(strided.state_dict())
        return deviation(strided, dense)
    except Exception as error:  # whatever it refuses with
        return "refuses" if not isinstance(error, RuntimeError) else "fails"


def table() -> str:
    """The page."""
    lines = [
        "# The à-trous law, measured",
        "",
        "With the same weights, the maps of a network at output stride 8 or 16, sampled on the coarse grid, must",
        "*equal* the maps at stride 32. Largest relative difference over all feature maps, at 224×224 and 256×192,",
        "float64, eval, squeeze-and-excitation gates held fixed, random weights. Differences of 1e-2 and more mean:",
        "another function.",
        "",
        "| backbone | intarsia 8 | 16 | timm's own 8 | 16 | smp's 8 | 16 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in list_backbones():
        cells = []
        for measure in (ours, timms, smps):
            for stride in STRIDES:
                torch.manual_seed(0)
                cells.append(measure(name, stride))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    versions = f"torch {torch.__version__}, timm {timm.__version__}, smp {smp.__version__}"
    lines += [
        "",
        "`refuses`: the library offers no such output stride for this backbone; `fails`: it raises while running.",
        "",
        f"Made by `python benchmarks/a_trous.py --out docs/a_trous.md` ({versions}, {platform.machine()}).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    warnings.simplefilter("ignore")
    page = table()
    if out:
        write_text(out, page)
