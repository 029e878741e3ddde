"""`intarsia refine`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from intarsia.data.decoding import MAX_PIXELS
from intarsia.errors import ArgumentError
from intarsia.runs.settings import REFINERS

if TYPE_CHECKING:
    from intarsia.inference.fitting import Fitted
    from intarsia.runs import Run


def refine(
    run: Path,
    data: str | None = None,
    /,
    *,
    fit: Annotated[bool, Parameter(negative="")] = False,
    split: str | None = None,
    images: int = 32,
    evaluations: int = 60,
    settings: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    remove: Annotated[bool, Parameter(negative="")] = False,
    skip: Path | None = None,
    max_pixels: int = MAX_PIXELS,
    method: Literal["crf", "graphcut"] | None = None,
    out: Path | None = None,
    probabilities: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Give a run a refinement, which load, predict and evaluate then apply: a dense CRF that moves borders to edges.

    RUN DATA --fit chooses its settings; RUN --set NAME=VALUE sets them by hand; RUN alone says what it holds.

    With --method it works on files of other tools instead: PROBABILITIES IMAGES --out FOLDER. PROBABILITIES is a folder
    (or one file) with name.npy of (K, H, W), or (H, W, K) where only that fits the image; or with a grey PNG of 8 or 16
    bits for each class, name_0.png, name_1.png … or name/0.png, name/1.png …; IMAGES is a folder of images of the same
    names, or one image. A single plane is the probability of an object. Masks are OUT/name.png.

    Args:
        run: The run folder; with --method the probabilities.
        data: The dataset, as for train; with --method the images.
        fit: Choose weights and widths on images of DATA, and keep them if they help on other images of it.
        split: The split that is used for that, by default val; half of its images choose, the others judge.
        images: How many images choose, at most; as many judge.
        evaluations: How many settings are tried, at least 7.
        settings: A setting as NAME=VALUE, such as appearance_weight=5; may be repeated.
        remove: Leave the run without a refinement.
        skip: A list of files to leave out.
        max_pixels: The largest image that is read.
        method: For files of other tools: crf, or graphcut, which finds the labels of least energy.
        out: For files: where masks go.
        probabilities: For files: also write what the CRF answers, (K, H, W) float16, to OUT/probabilities.
        overwrite: For files: write into a folder that already holds something.
    """
    chosen = _pairs(settings or [])
    if method is not None:
        from intarsia.cli.refine_files import refine_folder

        if data is None or out is None:
            raise ArgumentError("Say where images are and masks go: `--method crf PROBABILITIES IMAGES --out FOLDER`.")
        if fit or remove:
            raise ArgumentError(f"`--{'fit' if fit else 'remove'}` is for runs; leave it out, or leave out --method.")
        return refine_folder(run, Path(data), out, method, chosen, probabilities, overwrite, max_pixels)
    if out is not None or probabilities or overwrite:
        raise ArgumentError("`--out`, `--probabilities` and `--overwrite` are for files of other tools; add --method.")
    if fit + remove > 1 or (remove and chosen):
        raise ArgumentError("`--remove` stands alone; leave out --fit and --set.")
    if fit and data is None:
        raise ArgumentError(f"Say on which data: `intarsia refine {run} DATA --fit`.")
    if not fit and data is not None:
        raise ArgumentError(
            f"Add --fit to choose settings on `{data}`, or see by `intarsia evaluate {run} {data}` what they are worth."
        )
    if fit:
        assert data is not None
        return _fit(run, data, split, images, evaluations, chosen, skip, max_pixels)
    return _by_hand(run, chosen, remove)


def _pairs(texts: list[str]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise ArgumentError(f"`--set {text}` must be NAME=VALUE, such as appearance_weight=5.")
        pairs[name.replace("-", "_")] = value
    return pairs


def _by_hand(folder: Path, chosen: dict[str, Any], remove: bool) -> int:
    from intarsia.runs import Run
    from intarsia.runs.refinement import Refinement, make_settings

    run = Run.open(folder)
    path = run.refinement_path
    if chosen:
        _refuse_a_second(run)
    if remove:
        held = path.is_file()
        for file in (path, run.refinement_curve):
            file.unlink(missing_ok=True)
        print(f"`{folder}` {'is no longer refined' if held else 'holds no refinement'}.")
        return 0
    if chosen:
        base = Refinement.read(path).settings if path.is_file() else None
        Refinement(make_settings(chosen, base)).write(path)
        run.refinement_curve.unlink(missing_ok=True)
    print(Refinement.read(path).protocol if path.is_file() else f"`{folder}` holds no refinement{_inside(run)}.")
    return 0


def _refuse_a_second(run: "Run") -> None:
    if run.network().refiner == "crf":
        raise ArgumentError(
            f"`{run.folder}` was trained with a CRF inside, and a refinement would be a second one behind it: leave it "
            "as it is, or refine a run that was trained without --refiner crf."
        )


def _inside(run: "Run") -> str:
    """The refiner that was trained with the network, if there is one."""
    record = run.network()
    if record.refiner is None:
        return ""
    if record.refiner != "crf":
        return f", but its network was trained with {REFINERS[record.refiner]} inside"

    from intarsia.models.crf import CRF
    from intarsia.models.options import replaced
    from intarsia.runs.weights import read_tensors

    begun = replaced("refiner crf", CRF(), record.refiner_options)
    learned = {name.rpartition(".")[2]: tensor for name, tensor in read_tensors(run.weights_path)[0].items()}
    smoothness, appearance = (
        f"{weights.min():.3g} to {weights.max():.3g}"
        for weights in (learned["smoothness_weight"], learned["appearance_weight"])
    )
    return (
        f", but its network was trained with a CRF inside, of {begun.iterations} iterations: smoothness {smoothness} "
        f"at {begun.smoothness_sxy:.3g} pixels, appearance {appearance} at {begun.appearance_sxy:.3g} pixels and "
        f"{begun.appearance_srgb:.3g} levels, by class"
    )


def _fit(
    folder: Path,
    data: str,
    split: str | None,
    images: int,
    evaluations: int,
    chosen: dict[str, Any],
    skip: Path | None,
    max_pixels: int,
) -> int:
    from intarsia.cli.progress import fitting_progress
    from intarsia.data.skipping import read_skip_list
    from intarsia.diagnostics.fitting_curve import fitting_curve
    from intarsia.files import write_text
    from intarsia.inference import load
    from intarsia.inference.evaluate import open_for
    from intarsia.inference.fitting import fit_refinement
    from intarsia.runs import Run
    from intarsia.runs.refinement import make_settings

    start = make_settings(chosen)
    _refuse_a_second(Run.open(folder))
    segmenter = load(folder, max_pixels=max_pixels, refine=False)
    dataset = open_for(segmenter, data, read_skip_list(skip, data) if skip else ())
    name = split or dataset.default_split
    with fitting_progress() as watch:
        found = fit_refinement(
            segmenter,
            dataset.split(name),
            data,
            name,
            evaluations=evaluations,
            images=images,
            start=start,
            watch=watch,
        )
    print(_told(found))
    run = Run.open(folder)
    if not found.improves:
        kept = "the one it had stays" if run.refinement_path.is_file() else "nothing is stored"
        print(f"That does not improve both halves, so that the run gets no refinement; {kept}.", file=sys.stderr)
        return 1
    write_text(run.refinement_curve, fitting_curve(found.fit))
    found.refinement.write(run.refinement_path)
    print(
        f"`{run.refinement_path}` keeps it; predict, evaluate and load apply it. "
        f"What the search reached is drawn in `{run.refinement_curve}`."
    )
    return 0


def _told(found: "Fitted") -> str:
    fit = found.fit
    lines = [
        f"{found.refinement.protocol} {len(fit.scores)} settings were tried in {fit.seconds:.0f} s.",
        f"{'mean IoU of':<44}  before   after",
    ]
    for what, (before, after) in (
        (f"{len(fit.images)} image{'s' * (len(fit.images) != 1)} of {fit.split}, which chose the settings", fit.fitted),
        ("as many others, which had no part in it", fit.held_out),
    ):
        lines.append(f"{what:<44}  {before:.4f}  {after:.4f}")
    return "\n".join(lines)
