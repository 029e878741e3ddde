"""`intarsia predict`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from intarsia.data.decoding import MAX_PIXELS
from intarsia.errors import ArgumentError

if TYPE_CHECKING:
    from intarsia.inference import Segmenter
    from intarsia.inference.jobs import Job


def predict(
    run: Path,
    sources: list[str],
    /,
    *,
    out: Path = Path("predictions"),
    overlay: bool = False,
    probabilities: bool = False,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
    tta: bool = False,
    tta_scales: str | None = None,
    tile: int | None = None,
    refine: bool = True,
    sparse: Path | None = None,
    split: str | None = None,
    measuring: str | None = None,
    seed: int | None = None,
) -> int:
    """Write masks or depths for images, folders or globs: for masks index PNGs with the palette, named like the images.

    A run that completes depths writes 16-bit PNGs with their unit in OUT/depth.json, pictures in colours to
    OUT/coloured and points (PLY) to OUT/points; of images with measurements in --sparse, or of a set with depths.

    Args:
        run: The run folder, or a published network such as torchvision:deeplabv3_resnet50.
        sources: Images, folders with their subfolders, or quoted globs; depth: or a set such as sample:motorcycle.
        out: Where masks or depths go.
        overlay: Also write the image under its classes' colours, to OUT/overlays.
        probabilities: Also write (K, H, W) float16 arrays, to OUT/probabilities.
        overwrite: Write into a folder that already holds something.
        max_pixels: The largest image that is read.
        tta: Average over the scales 0.5, 0.75, 1, 1.25, 1.5, 1.75 and their mirror images.
        tta_scales: Average over these scales and their mirror images, such as 0.75,1,1.25.
        tile: The side in pixels of the tiles of images that are larger; by default very large ones only are tiled.
        refine: Refine the masks, if the run holds a refinement; one that was trained inside a network always does.
        sparse: Depth: a folder of measurements with the images' names: 16-bit PNG, TIFF or NPY. depth.json, in it or
            beside it, states the unit of whole numbers and the camera (docs/depth.md).
        split: Depth: train, val or test of a set such as sample:motorcycle; by default val.
        measuring: Depth: what the network is told of a set, as for evaluate; by default as in training.
        seed: Depth: of what is drawn, by default 0.
    """
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise ArgumentError(f"`{out}` is not empty; choose another --out, or say --overwrite to replace files in it.")

    from intarsia.cli.depth import completes_depths, predict_depths, refuse, refuse_depths

    if completes_depths(run):
        masks = {"--overlay": overlay, "--probabilities": probabilities, "--no-refine": not refine}
        refuse(run, {**masks, "--tta": tta, "--tta-scales": tta_scales is not None}, depth=True)
        return predict_depths(run, sources, sparse, split, out, max_pixels, tile, measuring, seed or 0)
    depths = {"--sparse": sparse, "--split": split, "--measuring": measuring, "--seed": seed}
    refuse(run, {name: value is not None for name, value in depths.items()}, depth=False)
    refuse_depths(run, sources)

    from intarsia.cli.views import views_of
    from intarsia.inference import find_images, load

    jobs = find_images(sources, out)
    segmenter = load(run, views=views_of(tta, tta_scales), tile=tile, max_pixels=max_pixels, refine=refine)
    if segmenter.terms:
        print(f"{run}: {segmenter.classes.count} classes ({', '.join(segmenter.classes.names)}). {segmenter.terms}")
    return _predict_masks(segmenter, jobs, out, overlay, probabilities)


def _predict_masks(segmenter: "Segmenter", jobs: list["Job"], out: Path, overlay: bool, probabilities: bool) -> int:
    """Masks of images; the status is 1 if one could not be made."""
    from intarsia.cli.progress import progress
    from intarsia.inference import predict_files

    bad = 0
    with progress("predicting") as show:
        places = {job: place for place, job in enumerate(jobs)}
        outcomes = predict_files(
            segmenter,
            jobs,
            out,
            overlays=overlay,
            probabilities=probabilities,
            watch=lambda job, share: show(places[job] + share, len(jobs)),
        )
        for outcome in outcomes:
            if outcome.complaint:
                bad += 1
                print(f"intarsia: {outcome.complaint}", file=sys.stderr)
    refined = ", refined by the dense CRF that the run holds" if segmenter.refinement is not None else ""
    print(f"{len(jobs) - bad} of {len(jobs)} masks are in `{out}`{refined}.")
    return 1 if bad else 0
