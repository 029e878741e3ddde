"""Every system, trained once from the command line on the same small backbone: held-out mean IoU and cost.

    python benchmarks/systems.py --out docs/systems.md

Each row is one `intarsia train` and one `intarsia evaluate`, in processes of their own. Finished runs are kept under
`runs/systems` and not repeated. The numbers say that every system learns; at this size they rank nothing.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import torch

from intarsia.diagnostics.complexity import complexity
from intarsia.models import CATALOG, create_model
from intarsia.runs import Run

RUNS = Path("runs/systems")
PAGES = Path("docs/models")
BACKBONE = "tf_efficientnet_lite0"
OWN_BACKBONES = {"unet_paper": "unet_contracting_16"}  # nothing but the contracting path fits it; 16 of 64 channels
PAGE_OF = {"fcn32s": "fcn8s", "fcn16s": "fcn8s"}
SETTINGS = ["--crop-size", "128", "--batch-size", "8"]
EPOCHS = dict.fromkeys(("deeplabv2", "pspnet", "drn", "duc", "danet"), 3)  # the others 6: a step of these takes longer


def command(name: str) -> list[str]:
    """The training of one system as it is typed."""
    own = name in OWN_BACKBONES
    backbone = OWN_BACKBONES.get(name, BACKBONE)
    weights = ["--no-pretrained"] if own else ["--pretrained", "offline"]
    heads = ["--auxiliary"] * CATALOG[name].auxiliary
    epochs = ["--epochs", str(EPOCHS.get(name, 6))]
    return [
        "intarsia",
        "train",
        "sample:materials",
        "--model",
        name,
        "--backbone",
        backbone,
        *weights,
        *SETTINGS,
        *epochs,
        *heads,
    ]


def trained(name: str) -> dict[str, object]:
    """Train if that has not been done, and read what came out."""
    out = RUNS / name
    finished = RUNS / f"{name}.json"
    if finished.is_file():
        return json.loads(finished.read_text())
    executable = [str(Path(sys.executable).parent / "intarsia"), *command(name)[1:], "--out", str(out)]
    subprocess.run([*executable, *(["--resume"] if out.exists() else [])], check=True)
    run = Run.open(out)
    best = max(run.history(), key=lambda epoch: epoch["mean_iou"])
    record = run.network()
    with torch.device("meta"):
        cost = complexity(create_model(name, record.backbone, record.classes, record.output_stride))
    row = {
        "name": name,
        "mean_iou": best["mean_iou"],
        "pixel_accuracy": best["pixel_accuracy"],
        "parameters": cost.parameters,
        "gmac": cost.gmac,
    }
    finished.write_text(json.dumps(row))
    return row


def table(rows: list[dict[str, object]]) -> str:
    lines = [
        "| system | backbone | parameters | GMAC at 512 × 512 | epochs | mean IoU | pixel accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name, size = str(row["name"]), f"{float(str(row['parameters'])) / 1e6:.1f} M | {row['gmac']:.1f}"
        page, backbone = PAGE_OF.get(name, name), OWN_BACKBONES.get(name, BACKBONE)
        scores = f"{row['mean_iou']:.3f} | {row['pixel_accuracy']:.3f}"
        lines.append(f"| [{name}](models/{page}.md) | {backbone} | {size} | {EPOCHS.get(name, 6)} | {scores} |")
    return "\n".join(lines)


def write_page(row: dict[str, object]) -> None:
    """Put the measured numbers into the system's page, under a heading of their own."""
    path = PAGES / f"{row['name']}.md"
    section = (
        "## Measured here\n\n"
        f"Held-out mean IoU **{row['mean_iou']:.3f}**, pixel accuracy {row['pixel_accuracy']:.3f}, after "
        f"{EPOCHS.get(str(row['name']), 6)} epochs of 320 crops of 128 × 128 pixels ([all systems](../systems.md)):\n\n"
        f"```\n{' '.join(command(str(row['name'])))}\n```\n"
    )
    text = re.sub(r"\n*## Measured here\n.*?(?=\n## |\Z)", "", path.read_text(), flags=re.DOTALL).rstrip()
    path.write_text(f"{text}\n\n{section}")


def page(rows: list[dict[str, object]]) -> str:
    left = [name for name in CATALOG if name not in {row["name"] for row in rows}]
    without = f"Not trained here yet: {', '.join(left)}.\n\n" if left else ""
    return f"""# Every system, trained once

{without}Each system of the catalog, trained by one command on `sample:materials` (mosaics of eight grey photographed
materials; held-out mosaics come from other parts of the photographs): three or six epochs of 320 crops of
128 × 128 pixels, batches of 8. Where the backbone is EfficientNet-Lite0 it starts from ImageNet weights,
elsewhere from nothing; that costs more than any difference between systems. One seed, a small task, few steps:
the numbers say that every system learns, and rank nothing.

{table(rows)}

Made by `python benchmarks/systems.py --out docs/systems.md` (torch {torch.__version__}, {platform.machine()}).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="*", default=list(CATALOG))
    arguments = parser.parse_args()
    RUNS.mkdir(parents=True, exist_ok=True)
    rows = [trained(name) for name in arguments.only]
    text = page(rows)
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
        for row in rows:
            if row["name"] not in PAGE_OF:
                write_page(row)


if __name__ == "__main__":
    main()
