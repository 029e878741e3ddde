"""Does training with the CRF beat putting it behind? CRF as RNN on a small scale, three seeds.

    python benchmarks/refiner.py --work runs/refiner --out docs/refiner.md

For each seed a network is trained, and then trained on from the same weights, for the same number of steps, images and
augmentation: as it is, and with the refiner. Behind the one without, `dense_crf` is put with its own defaults and with
settings that are chosen on mosaics of their own. All are scored on mosaics that neither trained nor chose anything.
Results are kept in `--work`, so that seeds may run in processes of their own: `--seed 0`, `--seed 1`, …
"""

import argparse
import itertools
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from intarsia.data import Dataset, write_folder
from intarsia.data.samples.materials import materials
from intarsia.energies import CRFSettings, DenseCRF
from intarsia.files import write_text
from intarsia.inference import Result, load
from intarsia.metrics import Scores, confusion_matrix
from intarsia.models import create_model
from intarsia.models.refined import CRF
from intarsia.training import train

SEEDS, EPOCHS, MORE_EPOCHS, CROP, BATCH = (0, 1, 2), 5, 2, 128, 8
RATE = 1e-4  # of the second training: at the default rate a network comes to lean on its refiner, and generalises less
CHOOSE, SCORE = 8, 48  # mosaics
TRAINED_ON = {"train": 320, "val": 16}
SETTINGS: dict[str, Any] = {
    "model": "fcn8s",
    "backbone": "tf_efficientnet_lite0",
    "pretrained": "offline",
    "crop_size": CROP,
    "batch_size": BATCH,
    "precision": "bfloat16",
    "memory_format": "channels_last",
    "workers": 0,
}
CHOICES = [
    CRFSettings(smoothness_weight=smoothness, appearance_weight=weight, appearance_sxy=sxy, appearance_srgb=srgb)
    for smoothness, weight, sxy, srgb in itertools.product((3.0,), (2.0, 5.0), (10.0, 40.0), (13.0, 40.0))
] + [CRFSettings(smoothness_weight=smoothness, appearance_weight=0.0) for smoothness in (3.0, 10.0)]
ROWS = {
    "first": "the network, first training",
    "longer": "trained on",
    "default": "… with `dense_crf` behind it, its defaults",
    "chosen": "… with `dense_crf` behind it, chosen settings",
    "refined": "trained on with the refiner, from the chosen settings",
}


def measure(seed: int, work: Path) -> None:
    """Train, choose and score; a JSON file for the seed."""
    data, folder = str(dataset(work)), work / str(seed)
    found: dict[str, Any] = {}
    first = folder / "first"
    trained(first, data=data, seed=seed, epochs=EPOCHS, **SETTINGS)
    on: dict[str, Any] = {
        **SETTINGS,
        "seed": seed + 100,
        "epochs": MORE_EPOCHS,
        "weights": str(first),
        "learning_rate": RATE,
    }
    found["seconds"] = {"longer": trained(folder / "longer", data=data, **on)}
    found["first"], found["longer"] = (score(folder / run) for run in ("first", "longer"))
    chosen = choose(folder / "longer")
    found["settings"] = {name: value for name, value in vars(chosen).items() if value is not None}
    found["default"], found["chosen"] = (score(folder / "longer", s) for s in (CRFSettings(), chosen))
    begin = {key: value for key, value in vars(chosen).items() if key in {f.name for f in fields(CRF)} - {"iterations"}}
    on |= {"refiner": "crf", "refiner_options": begin}
    found["seconds"]["refined"] = trained(folder / "refined", data=data, **on)
    found["refined"] = score(folder / "refined")
    write_text(work / f"{seed}.json", json.dumps(found, indent=2) + "\n")


def dataset(work: Path) -> Path:
    """Training mosaics on disk, with few for validation: the real scores come from others."""
    folder = work / "data"
    if not folder.exists():
        write_folder(materials(**TRAINED_ON), folder)
    return folder


def trained(out: Path, **recipe: Any) -> float:
    """Train unless it is done; processor seconds a step, validation included."""
    if (out / "seconds.json").exists():
        return json.loads((out / "seconds.json").read_text())
    began = time.process_time()
    run = train(out=out, quiet=True, **recipe)
    seconds = (time.process_time() - began) / run.history()[-1]["step"]
    write_text(out / "seconds.json", json.dumps(seconds))
    return seconds


def choose(run: Path) -> CRFSettings:
    """The settings with the best mean IoU on mosaics that serve for nothing else."""
    answers = [(result, truth) for result, truth in predictions(run, mosaics(1, CHOOSE))]
    fields = [DenseCRF(result.image) for result, _ in answers]

    def reached(settings: CRFSettings) -> float:
        masks = [
            field(result.probabilities, settings).argmax(0) for field, (result, _) in zip(fields, answers, strict=True)
        ]
        return mean_iou([(mask, truth) for mask, (_, truth) in zip(masks, answers, strict=True)])

    return max(CHOICES, key=reached)


def score(run: Path, settings: CRFSettings | None = None) -> float:
    """Mean IoU over all mosaics together, with the CRF behind if there are settings."""
    pairs = []
    for result, truth in predictions(run, mosaics(2, SCORE)):
        refined = result.mask if settings is None else DenseCRF(result.image)(result.probabilities, settings).argmax(0)
        pairs.append((refined, truth))
    return mean_iou(pairs)


def mosaics(seed: int, count: int) -> Dataset:
    """Of the validation's parts of the photographs, and of no mosaic that training saw."""
    return materials(train=1, val=count, seed=seed)


def predictions(run: Path, data: Dataset) -> list[tuple[Result, np.ndarray]]:
    segmenter = load(run, "cpu")
    return [(segmenter.predict(sample.image()), sample.mask()) for sample in data.split("val")]


def mean_iou(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    names = materials(1, 1).classes.names
    matrices = [confusion_matrix(truth, mask.astype(truth.dtype), len(names), 255) for mask, truth in pairs]
    return Scores(np.sum(matrices, axis=0), names).mean_iou


def page(work: Path) -> str:
    seeds = [json.loads((work / f"{seed}.json").read_text()) for seed in SEEDS]
    lines = [
        "# Training with the CRF, and putting it behind",
        "",
        f"FCN-8s on `{SETTINGS['backbone']}` (ImageNet weights), `sample:materials`: {TRAINED_ON['train']} mosaics,",
        f"crops of {CROP}×{CROP}, {BATCH} a step, {EPOCHS} epochs; then {MORE_EPOCHS} epochs more from these weights,",
        f"in each way. Mean IoU on {SCORE} other mosaics of 256×256, in percent. Settings were chosen, out of",
        f"{len(CHOICES)}, on {CHOOSE} others still.",
        "",
        "| | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " | mean ± standard deviation | above *trained on* |",
        "|---|" + "--:|" * (len(SEEDS) + 2),
        *(row(name, words, seeds) for name, words in ROWS.items()),
        "",
        verdict(seeds),
        "",
        "Chosen settings: " + "; ".join(told(found["settings"]) for found in seeds) + ".",
        "",
        steps(),
        "",
        "Made by `python benchmarks/refiner.py --work runs/refiner --out docs/refiner.md` "
        f"(torch {torch.__version__}, {platform.machine()}).",
    ]
    return "\n".join(lines) + "\n"


def row(name: str, words: str, seeds: list[dict[str, Any]]) -> str:
    values = [100 * found[name] for found in seeds]
    gains = [100 * (found[name] - found["longer"]) for found in seeds]
    cells = [f"{value:.2f}" for value in values] + [spread(values)]
    return f"| {words} | " + " | ".join(cells) + f" | {spread(gains, sign='+') if name != 'longer' else ''} |"


def spread(values: list[float], sign: str = "") -> str:
    return f"{statistics.mean(values):{sign}.2f} ± {statistics.stdev(values):.2f}"


def verdict(seeds: list[dict[str, Any]]) -> str:
    """The comparison that was asked for: the same settings, learned with and put behind."""
    gains = [100 * (found["refined"] - found["chosen"]) for found in seeds]
    wins = sum(gain > 0 for gain in gains)
    return (
        f"Training with the refiner is {spread(gains, '+')} points against the same CRF put behind a network that was\n"
        f"trained as long; it is ahead for {wins} of {len(seeds)} seeds."
    )


def told(settings: dict[str, Any]) -> str:
    numbers = [f"{settings[f'smoothness_{name}']:g}" for name in ("weight", "sxy")]
    numbers += [f"{settings[f'appearance_{name}']:g}" for name in ("weight", "sxy", "srgb")]
    return f"smoothness {numbers[0]} (σ {numbers[1]}), appearance {numbers[2]} (σ {numbers[3]} and {numbers[4]} levels)"


def steps() -> str:
    """A training step with and without, interleaved."""
    real = materials(train=BATCH, val=1).split("train")
    images = torch.stack([torch.from_numpy(s.image()[:CROP, :CROP]).permute(2, 0, 1) / 64 - 2 for s in real])
    masks = torch.stack([torch.from_numpy(s.mask()[:CROP, :CROP].astype(np.int64)) for s in real])
    nets = [create_model("fcn8s", str(SETTINGS["backbone"]), 8, refiner=refiner).train() for refiner in (None, "crf")]
    best = [float("inf"), float("inf")]
    for _ in range(4):
        for place, net in enumerate(nets):
            best[place] = min(best[place], processor_seconds(lambda net=net: step(net, images, masks)))
    return (
        f"A training step (forward and backward, {BATCH} crops of {CROP}×{CROP}, 8 classes, bfloat16, one thread)\n"
        f"takes {best[0]:.2f} s of the processor without and {best[1]:.2f} s with the refiner's 5 iterations."
    )


def step(net: torch.nn.Module, images: torch.Tensor, masks: torch.Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        loss = torch.nn.functional.cross_entropy(net(images), masks)
    loss.backward()
    net.zero_grad()


def processor_seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, default=Path("runs/refiner"))
    parser.add_argument("--seed", type=int, help="this one only, and no page")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in SEEDS if options.seed is None else (options.seed,):
        if not (options.work / f"{seed}.json").exists():
            measure(seed, options.work)
    if options.seed is None:
        text = page(options.work)
        print(text)
        if options.out:
            write_text(options.out, text)
