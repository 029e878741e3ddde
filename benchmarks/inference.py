"""CPU inference: `optimise(net)` against the eager networks of torchvision and smp, in one process.

    python benchmarks/inference.py --out docs/inference_speed.md --run RUN --data DATA

The peers' own networks are optimised, so the weights are the same. Before anything is timed, the answers must agree;
then both sides are timed in turn, and the minima are compared. With a trained run its agreement and scores are
measured too: on random weights the classes of many pixels hang on rounding.
"""

import argparse
import platform
import time
import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
import torchvision
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from intarsia.files import write_text
from intarsia.inference import load, optimise
from intarsia.inference.evaluate import open_for
from intarsia.metrics import Scores, confusion_matrix

SIZE, CLASSES, TURNS, PICTURES = 512, 21, 10, 20


def peers() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    deeplab = torchvision.models.segmentation.deeplabv3_resnet50(
        weights=None, weights_backbone=None, num_classes=CLASSES
    )
    unet = smp.Unet("resnet34", encoder_weights=None, classes=CLASSES)
    return {"torchvision deeplabv3_resnet50": deeplab.eval(), "smp Unet-resnet34": unet.eval()}


def logits(answer: Any) -> Tensor:
    return pytree.tree_leaves(answer)[0]


def milliseconds(*sides: Callable[[], object], turns: int = TURNS) -> list[float]:
    """The shortest of several runs of each, taken in turn."""
    best = [float("inf")] * len(sides)
    for _ in range(turns):
        for place, side in enumerate(sides):
            start = time.perf_counter()
            side()
            best[place] = min(best[place], (time.perf_counter() - start) * 1e3)
    return best


@torch.inference_mode()
def row(name: str, net: nn.Module) -> str:
    images = torch.randn(1, 3, SIZE, SIZE)
    start = time.perf_counter()
    fast = optimise(net)
    setup = time.perf_counter() - start
    expected, answer = logits(net(images)), logits(fast(images))
    difference = float((answer - expected).norm() / expected.norm())
    assert difference < 0.1, difference
    agreement = float((answer.argmax(1) == expected.argmax(1)).float().mean())
    eager, ours = milliseconds(lambda: net(images), lambda: fast(images))
    other = torch.randn(1, 3, SIZE - 64, SIZE)
    first, again = (milliseconds(lambda: fast(other), turns=1)[0] for _ in range(2))
    measured = ", ".join(f"{plan} {ms:.0f}" for plan, ms in fast.milliseconds.items())
    print(f"{name}: {measured}")
    return (
        f"| {name} | {eager:.0f} ms | {ours:.0f} ms | {eager / ours:.2f} | {fast.plan} | {difference:.1e} | "
        f"{agreement:.4f} | {setup:.1f} s | {first - again:.0f} ms |"
    )


@torch.inference_mode()
def trained(run: Path, data: str) -> list[str]:
    """Agreement and scores of a trained network and its optimised form on validation pictures."""
    segmenter = load(run, device="cpu")
    net = segmenter.net.to(memory_format=torch.contiguous_format).eval()  # pyright: ignore[reportCallIssue]
    dataset = open_for(segmenter, data)
    samples = list(islice(dataset.split(dataset.default_split), PICTURES))
    fast, names = optimise(net), segmenter.classes.names
    if len(names) > 2 or logits(fast(torch.zeros(1, len(segmenter.preprocessing.mean), 64, 64))).shape[1] > 1:
        labels = lambda x: x.argmax(1)  # noqa: E731
    else:
        labels = lambda x: (x[:, 0] > 0).long()  # noqa: E731
    scores: list[list[Scores]] = [[], []]
    same = pixels = 0
    for sample in samples:
        images = segmenter.preprocessing(torch.from_numpy(segmenter.picture(sample.image()).copy())[None])
        masks = [labels(logits(side(images)))[0] for side in (net, fast)]
        same += int((masks[0] == masks[1]).sum())
        pixels += masks[0].numel()
        for kept, mask in zip(scores, masks, strict=True):
            matrix = confusion_matrix(sample.mask(), mask.numpy().astype("uint8"), len(names), segmenter.classes.ignore)
            kept.append(Scores(matrix, names))
    plain, ours = (sum(kept[1:], kept[0]).mean_iou for kept in scores)
    return [
        "",
        f"A trained network ({type(net.decoder).__name__} of a run on {data}, {len(samples)} validation pictures): "
        f"{same / pixels:.4%} of the pixels get the same class from `optimise(net)` ({fast.plan}) as from the network "
        f"in float32, and mean IoU is {ours:.4f} instead of {plain:.4f}.",
    ]


def page(run: Path | None, data: str) -> str:
    rows = [row(name, net) for name, net in peers().items()]
    lines = [
        "# CPU inference, timed",
        "",
        f"One {SIZE}×{SIZE} image, {CLASSES} classes, {torch.get_num_threads()} threads. `optimise(net)` is given the",
        "peer's own network, so the weights are the same; the peer runs as it is written, in eager float32. The",
        f"minimum of {TURNS} runs each, taken in turn in one process. *Difference* is that of the logits, relative to",
        "their norm.",
        "*Setup* is the whole of `optimise`, measurement included; *new size* is what the first image of another size",
        "costs more than the second.",
        "",
        "| network | eager | optimised | ratio | plan | difference | same class | setup | new size |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        "The weights here are random, and without training the largest of 21 logits is often a matter of rounding.",
        *(trained(run, data) if run else []),
        "",
        "Where the time goes in eager float32: convolutions, and between them batch norms, activations and sums that",
        "read and write whole maps. The optimised form has none of those: norms are folded into the convolutions,",
        "activations and sums are part of oneDNN's kernels, whose weights are packed once. bfloat16 then halves the",
        "traffic and doubles the arithmetic where the processor has instructions for it.",
        "",
        f"Made by `python benchmarks/inference.py --out docs/inference_speed.md` (torch {torch.__version__}, "
        f"torchvision {torchvision.__version__}, smp {smp.__version__}, {platform.machine()}, "
        f"{'with' if torch.ops.mkldnn._is_mkldnn_bf16_supported() else 'without'} bfloat16 instructions).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--run", type=Path, help="a trained run")
    parser.add_argument("--data", default="sample:materials", help="the data that the run was trained on")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    text = page(arguments.run, arguments.data)
    print(text)
    if arguments.out:
        write_text(arguments.out, text)
