"""What a person sees of a training: a line an epoch, a bar on a terminal."""

import io
from pathlib import Path

from rich.console import Console

from intarsia.training.progress import EpochReport, Live, StepReport


def test_the_line_of_an_epoch_says_which_was_best() -> None:
    console = Console(file=io.StringIO(), width=200)
    scores = {"mean_iou": 0.6, "pixel_accuracy": 0.75, "per_class_iou": {"a": 0.6, "b": 0.6}}
    with Live(console) as live:
        for epoch, is_best in ((1, True), (2, False)):
            live.step(StepReport(epoch, 10, 0.5, 0.25, 1e-3, 12.0, 0.0123))
            live.epoch(EpochReport(epoch, 10, epoch, 0.25, scores, is_best, Path("p.png"), 0.012))
    assert console.file.getvalue().splitlines() == [  # pyright: ignore[reportAttributeAccessIssue]
        "epoch  1/10  loss 0.2500  mean IoU 0.6000  pixel accuracy 0.7500  waited 1.2 %  best so far",
        "epoch  2/10  loss 0.2500  mean IoU 0.6000  pixel accuracy 0.7500  waited 1.2 %",
    ]


def test_a_terminal_gets_a_bar() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with Live(console) as live:
        live.step(StepReport(3, 10, 0.5, 0.25, 1e-3, 12.0, 0.0123))
    shown = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "3/10" in shown
    assert "loss 0.250  rate 1.0e-03  12.0 images/s  waited 1.2 %" in shown
