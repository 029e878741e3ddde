"""`intarsia predict`."""

import sys
from pathlib import Path

from intarsia.errors import ArgumentError


def predict(
    run: Path,
    source: str,
    /,
    *,
    out: Path = Path("predictions"),
    overlay: bool = False,
    probabilities: bool = False,
    overwrite: bool = False,
) -> int:
    """Write masks for an image, a folder or a glob: index PNGs with the palette embedded, named like the images.

    Args:
        run: The run folder.
        source: An image, a folder with its subfolders, or a quoted glob.
        out: Where masks go.
        overlay: Also write the image under its classes' colours, to OUT/overlays.
        probabilities: Also write (K, H, W) float16 arrays, to OUT/probabilities.
        overwrite: Write into a folder that already holds something.
    """
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise ArgumentError(f"`{out}` is not empty; choose another --out, or say --overwrite to replace masks in it.")

    from rich.console import Console
    from rich.progress import track

    from intarsia.inference import find_images, load, predict_files

    jobs, segmenter = find_images(source, out), load(run)
    outcomes = predict_files(segmenter, jobs, out, overlays=overlay, probabilities=probabilities)
    console = Console(stderr=True)
    bad = 0
    for outcome in track(
        outcomes, "predicting", total=len(jobs), console=console, transient=True, disable=not console.is_terminal
    ):
        if outcome.complaint:
            bad += 1
            print(f"intarsia: {outcome.complaint}", file=sys.stderr)
    print(f"{len(jobs) - bad} of {len(jobs)} masks are in `{out}`.")
    return 1 if bad else 0
