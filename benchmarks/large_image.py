"""Large images: memory and time of 12,000 × 9,000 pixels, and tiles against one pass on an image that allows both.

    python benchmarks/large_image.py --out docs/large_images.md

Two networks are trained for three epochs on `sample:materials` first (or taken from --runs, where they are kept): a
U-Net, which pools nowhere over the whole image, and DeepLab v3+, whose image pooling is global. The large image is made
of mosaics of real photographs, stored as a PNG, and segmented by a process of its own.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from intarsia.data import colourise, contact_sheet
from intarsia.data.samples.materials import materials
from intarsia.files import atomic, write_text
from intarsia.inference import Segmenter, find_images, load, predict_files
from intarsia.inference.result import labels_of
from intarsia.inference.tiling import Grid, stitch
from intarsia.training import train

MODELS = {"unet": "U-Net", "deeplabv3plus": "DeepLab v3+"}
BACKBONE = "tf_efficientnet_lite0"
SMALL, ROWS, COLUMNS = 1536, 9000, 12000
ZOOM, SEAM = 8, 72  # pixels around a seam


@dataclass(frozen=True)
class Cut(Grid):
    """No ramp: at the middle of the overlap one tile ends and the next begins."""

    @property
    def ramp(self) -> int:
        return 0


@dataclass(frozen=True)
class Ramp(Grid):
    """Nothing discarded: the ramp is as wide as the overlap."""

    @property
    def ramp(self) -> int:
        return self.overlap


KINDS = {"a quarter ramp (the default)": Grid, "hard cut": Cut, "all ramp": Ramp}


def trained(folder: Path, model: str) -> Segmenter:
    if not (folder / model / "weights.safetensors").exists():
        train(
            data="sample:materials",
            model=model,
            backbone=BACKBONE,
            pretrained="offline",
            epochs=3,
            precision="float32",
            memory_format="channels_last",
            learning_rate=2e-3,
            scale=(0.75, 1.5),
            out=folder / model,
        )
    return load(folder / model)


def assembled(segmenter: Segmenter, image: np.ndarray, grid: Grid | None) -> torch.Tensor:
    """All logits, in tiles or in one pass."""
    whole = torch.from_numpy(image)
    if grid is None:
        return segmenter._one_pass(whole)
    logits = torch.empty(segmenter.classes.count, *image.shape[:2])
    for (rows, columns), part in stitch(lambda window: segmenter._one_pass(whole[window]), image.shape[:2], grid):
        logits[:, rows, columns] = part
    return logits


def step(tiled: torch.Tensor, whole: torch.Tensor) -> float:
    """The sharpest seam: how much more than in one pass neighbouring columns differ, mean over a column and classes."""
    return float((tiled.diff(dim=2) - whole.diff(dim=2)).abs().mean((0, 1)).max())


def comparison(segmenter: Segmenter, name: str, image: np.ndarray, truth: np.ndarray) -> list[str]:
    whole = assembled(segmenter, image, None)
    labels = labels_of(whole, segmenter.classes)
    print(name, "accuracy in one pass", float((labels == truth).mean()), "mean |logit|", float(whole.abs().mean()))
    rows = []
    for tile, overlap in ((1024, 256), (512, 128), (512, 64)):
        for kind, make in KINDS.items():
            grid = make(tile, overlap, segmenter.limits.step, segmenter.limits.extra)
            tiled = assembled(segmenter, image, grid)
            difference = (tiled - whole).abs()
            found = labels_of(tiled, segmenter.classes)
            rows.append(
                f"| {name} | {tile} | {overlap} | {kind} | {difference.max():.1e} | {difference.mean():.1e} | "
                f"{(found != labels).mean():.3%} | {(found == truth).mean():.2%} | {step(tiled, whole):.1e} |"
            )
            print(rows[-1], flush=True)
    rows.append(f"| {name} | one pass | | | 0 | 0 | 0 | {(labels == truth).mean():.2%} | 0 |")
    return rows


def seam_picture(segmenter: Segmenter, image: np.ndarray, path: Path) -> None:
    """The place where a hard cut is seen most, enlarged: image, one pass, hard cut, ramp."""
    grids = [make(512, 64, segmenter.limits.step, segmenter.limits.extra) for make in (Cut, Grid)]
    masks = [labels_of(assembled(segmenter, image, grid), segmenter.classes) for grid in (None, *grids)]
    _, cut, ramp = masks
    half, best = SEAM // 2, (-1, (0, 0))
    for span in grids[0].spans(SMALL)[1:]:
        column = span.first
        seen = (cut[:, column - 1] != cut[:, column]) & (ramp[:, column - 1] == ramp[:, column])
        for row in range(half, SMALL - half, half // 2):
            best = max(best, (int(seen[row - half : row + half].sum()), (row, column)))
    row, column = best[1]
    window = np.s_[row - half : row + half, column - half : column + half]
    pictures = [image[window], *(colourise(mask[window], segmenter.classes) for mask in masks)]
    titles = ["image", "one pass", "tiles, hard cut in the middle", "tiles, ramp (the default)"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        Image.fromarray(contact_sheet([pictures], titles, cell=SEAM * ZOOM)).save(temporary, optimize=True)


def write_large(path: Path) -> None:
    """12,000 × 9,000 pixels of mosaics, every other one mirrored."""
    side = 1500
    mosaics = [sample.image() for sample in materials(train=1, val=4, size=side).split("val")]
    image = np.empty((ROWS, COLUMNS, 3), np.uint8)
    for i in range(ROWS // side):
        for j in range(COLUMNS // side):
            mosaic = mosaics[(i + j) % len(mosaics)]
            image[i * side :, j * side :][:side, :side] = mosaic[:, ::-1] if (i * j) % 2 else mosaic
    Image.fromarray(image).save(path, compress_level=1)


def peak_gigabytes() -> float:
    (line,) = [s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e9


def large(run: Path, picture: Path, out: Path) -> dict[str, float]:
    """Read, segment and write the large image; called in a fresh process."""
    segmenter = load(run)
    segmenter.predict(np.zeros((64, 64, 3), np.uint8))
    before, start = peak_gigabytes(), time.perf_counter()
    (outcome,) = predict_files(segmenter, find_images(picture), out)
    assert outcome.complaint is None, outcome.complaint
    return {"seconds": time.perf_counter() - start, "peak": peak_gigabytes() - before, "before": before}


def measured(run: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "large.png"
        write_large(picture)
        command = [sys.executable, __file__, "--large", str(run), str(picture), f"{folder}/masks"]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed)


def page(runs: Path, picture: Path) -> str:
    (sample,) = materials(train=1, val=1, size=SMALL).split("val")
    image, truth = sample.image(), sample.mask()
    rows = []
    for model, name in MODELS.items():
        rows += comparison(trained(runs, model), name, image, truth)
    seam_picture(trained(runs, "deeplabv3plus"), image, picture)
    found = measured(runs / "unet")
    print(found)
    megapixels, float_map = ROWS * COLUMNS / 1e6, ROWS * COLUMNS * 32 / 1e9
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "timm", "numpy", "pillow"))
    lines = [
        "# Large images",
        "",
        f"Networks on {BACKBONE}, trained for three epochs on `sample:materials`, 8 classes, float32, channels-last,",
        f"{torch.get_num_threads()} thread(s), no GPU.",
        "",
        f"## {COLUMNS:,} × {ROWS:,} pixels",
        "",
        f"A PNG of {megapixels:.0f} megapixels → a mask as PNG, by `predict_files` with a U-Net, tiles of 1024 pixels:",
        f"**{found['peak']:.2f} GB** beyond the process with the loaded model ({found['before']:.2f} GB), with the",
        f"image itself ({ROWS * COLUMNS * 3 / 1e9:.2f} GB); a float map of 8 classes would take {float_map:.2f} GB.",
        f"{found['seconds']:.0f} s, **{found['seconds'] / megapixels:.2f} s a megapixel**, with reading and writing.",
        "",
        "## Tiles against one pass",
        "",
        f"A mosaic of {SMALL} × {SMALL} pixels. |d| are differences of logits; *changed* is the share of pixels whose",
        "label is another than in one pass; *right* the share whose label is the true one; *step* is the sharpest",
        "seam: how much more than in one pass two neighbouring columns of logits differ.",
        "",
        "| network | tile | overlap | border | max \\|d\\| | mean \\|d\\| | changed | right | step |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        "The U-Net's tiles equal the whole where what is discarded on each side reaches the radius of its receptive",
        "field (`tests/inference/test_tiling.py`); short of that, what remains are the faint tails of the field.",
        "",
        "DeepLab v3+ and PSPNet pool over what they see, so that a tile is another image to them: no overlap makes",
        "them equal. (Without its image pooling DeepLab v3+ equals the whole, too, where that has n · stride + 1",
        "pixels a side as its tiles have: aligned corners then move no sample.) A tile may be nearer than the whole",
        "image to the crops of training, here 256 pixels, and then more of its labels are right. A hard cut shows as a",
        "step in the map; a ramp takes most of the step away and leaves the receptive field more room than a ramp over",
        "all of the overlap would.",
        "",
        "![A seam of DeepLab v3+ at 8 × zoom](pictures/seam.png)",
        "",
        f"Made by `python benchmarks/large_image.py --out docs/large_images.md` ({versions}, {platform.machine()}).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/large_image"))
    parser.add_argument("--large", nargs=3, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.large:
        print(json.dumps(large(*arguments.large)))
    else:
        out = arguments.out
        text = page(arguments.runs, (out.parent if out else Path()) / "pictures" / "seam.png")
        print(text)
        if out:
            write_text(out, text)
