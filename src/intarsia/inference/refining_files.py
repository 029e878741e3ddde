"""Probabilities of other tools and their images become masks; a bad file is reported and the rest goes on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from intarsia.data import Classes, as_rgb, read_image, write_mask
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.probability_files import ProbabilityFiles, find_probabilities, read_probabilities
from intarsia.energies.label_cut import label_cut
from intarsia.errors import ArgumentError, DataError
from intarsia.files import atomic
from intarsia.inference.jobs import Job, find_images
from intarsia.inference.predict import Outcome
from intarsia.inference.refining import refined_probabilities, with_ground
from intarsia.runs.refinement import make_settings
from intarsia.shapes import Picture

Method = Literal["crf", "graphcut"]
Probabilities = Float32[np.ndarray, "K H W"]
Refiner = Callable[[Probabilities, Picture], tuple[Int[np.ndarray, "H W"], Float[np.ndarray, "_ H W"] | None]]
"""From probabilities and their image to labels and, if the method has them, probabilities."""


@dataclass(frozen=True)
class Pair:
    """Probabilities and the image of the same name, if there is one."""

    files: ProbabilityFiles
    image: Path | None


def find_pairs(
    probabilities: str | Path, images: str | Path, out: str | Path | None = None
) -> tuple[list[Pair], list[Path]]:
    """Probabilities with the images of their names, and the images that have none; one of each is a pair anyway.

    Raises:
        DataError: there are no probabilities, or no images.
    """
    found, jobs = find_probabilities(probabilities, out), find_images(images, out)
    if len(found) == len(jobs) == 1 and Path(images).is_file():
        return [Pair(found[0], jobs[0].image)], []
    by_stem = {job.stem: job.image for job in jobs}
    stems = {files.stem for files in found}
    return [Pair(files, by_stem.get(files.stem)) for files in found], [
        job.image for job in jobs if job.stem not in stems
    ]


def make_refiner(method: Method, settings: Mapping[str, Any]) -> Refiner:
    """The method with its settings by name: those of the dense CRF, or ``gamma`` and ``connectivity`` of the cut.

    Raises:
        ArgumentError: a setting is unknown, or breaks a rule.
    """
    if method == "crf":
        chosen = make_settings(settings)

        def by_crf(probabilities: Probabilities, image: Picture) -> tuple[np.ndarray, np.ndarray | None]:
            answer = refined_probabilities(probabilities, image, chosen)
            return answer.argmax(axis=0), answer if len(probabilities) > 1 else answer[1:]

        return by_crf
    options = _cut_options(settings)

    def by_cut(probabilities: Probabilities, image: Picture) -> tuple[np.ndarray, np.ndarray | None]:
        shown = image if image.shape[2] <= 3 else as_rgb(image)
        return label_cut(with_ground(probabilities), shown, **options), None

    return by_cut


def _cut_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"gamma": float, "connectivity": int}
    options = {}
    for name, value in settings.items():
        if name not in kinds:
            raise ArgumentError(f"The graph cut has no setting `{name}`; it has gamma and connectivity.")
        try:
            options[name] = kinds[name](value)
        except ValueError:
            whole = "a whole number" if kinds[name] is int else "a number"
            raise ArgumentError(f"`{name}` (={value}) must be {whole}.") from None
    label_cut(np.full((2, 1, 1), 0.5), np.zeros((1, 1), np.uint8), **options)  # which refuses what breaks a rule
    return options


def refine_files(
    pairs: Sequence[Pair],
    out: str | Path,
    refiner: Refiner,
    *,
    probabilities: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Outcome]:
    """Write ``OUT/stem.png`` for each pair, and on demand ``OUT/probabilities/stem.npy``, (K, H, W) float16.

    Masks are index PNGs with a palette. Images are read as 8 bits, deeper ones by the range of their own values; of
    more than three channels the first three count. What cannot be read, does not fit, or would be overwritten is
    reported in its outcome.
    """
    folder = Path(out)
    read = {path.resolve() for pair in pairs for path in (*pair.files.paths, pair.image or pair.files.paths[0])}
    for pair in pairs:
        job = Job(pair.image or pair.files.paths[0], pair.files.stem)
        mask = folder / pair.files.stem.with_name(f"{pair.files.stem.name}.png")
        array = folder / "probabilities" / pair.files.stem.with_name(f"{pair.files.stem.name}.npy")
        try:
            if mask.resolve() in read or (probabilities and array.resolve() in read):
                raise DataError(
                    f"What comes from `{pair.files.name}` would overwrite a file that is read; choose another --out."
                )
            labels, answer, classes = _refined(pair, refiner, max_pixels)
            if probabilities and answer is not None:
                with atomic(array) as temporary:
                    np.save(temporary, answer.astype(np.float16))
            write_mask(mask, labels.astype(classes.dtype), classes)
        except DataError as error:
            yield Outcome(job, None, str(error))
        else:
            yield Outcome(job, mask, None)


def _refined(pair: Pair, refiner: Refiner, max_pixels: int) -> tuple[np.ndarray, np.ndarray | None, Classes]:
    files = pair.files
    if pair.image is None:
        raise DataError(f"`{files.name}` has no image: there is none called `{files.stem}`; add it or rename one.")
    image = read_image(pair.image, max_pixels=max_pixels)
    given = read_probabilities(files, image.shape[:2], max_pixels)
    try:
        labels, answer = refiner(given, image)
    except ArgumentError as error:
        raise DataError(f"`{files.name}`: {error}") from error
    return labels, answer, Classes.numbered(max(2, len(given)))
