"""Images and what was measured of each, in a folder beside them."""

from collections.abc import Sequence
from pathlib import Path

from intarsia.data import RGB, PixelFormat
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.depth import FileDepthSample
from intarsia.data.depth.camera import read_camera
from intarsia.data.depth.files import DEPTH_EXTENSIONS, MILLIMETRE, UNIT, UNIT_FILE, read_unit
from intarsia.data.listing import Ledger, pictures_in
from intarsia.errors import DataError
from intarsia.inference.jobs import find_images


def find_measured(
    sources: str | Path | Sequence[str | Path],
    sparse: str | Path,
    out: str | Path | None = None,
    pixels: PixelFormat | None = None,
    max_pixels: int = MAX_PIXELS,
) -> list[FileDepthSample]:
    """The images that files, folders and globs name, each with its measurements in ``sparse``.

    Measurements have the image's name and are 16-bit PNG, whose unit depth.json states in ``sparse`` or the folder
    around it, or float TIFF or NPY, which are metres always; 0 is what was not measured. A camera in the same
    depth.json is that of all images. Of these samples nothing else is known: their depth is what was measured.

    Raises:
        DataError: a source names no image, ``sparse`` is no folder, an image has no measurements, or there is no unit.
    """
    folder = Path(sparse)
    if not folder.is_dir():
        raise DataError(f"There is no folder `{folder}` of measurements: correct the path.")
    ledger = Ledger()
    measured = pictures_in(folder, DEPTH_EXTENSIONS, ledger)
    if ledger.problems:
        raise DataError(ledger.problems[0].sentence)
    own = {path.resolve() for path in measured.values()}  # which are no photographs, wherever they lie
    jobs = [job for job in find_images(sources, out) if job.image.resolve() not in own]
    unit = next((unit for unit in map(read_unit, (folder, folder.parent)) if unit is not None), None)
    camera = next((camera for camera in map(read_camera, (folder, folder.parent)) if camera is not None), None)
    samples: list[FileDepthSample] = []
    for job in jobs:
        name = job.stem.as_posix()
        path = measured.get(name)
        if path is None:
            raise DataError(
                f"`{job.image}` has no measurements: put them into `{folder / name}.png` or the like, or leave the "
                "image out."
            )
        if unit is None and path.suffix.lower() == ".png":
            raise DataError(
                f"`{path}` holds whole numbers, and nothing says how many metres one is: write "
                f'{{"{UNIT}": {MILLIMETRE}}} into `{folder / UNIT_FILE}` if they are millimetres.'
            )
        samples.append(
            FileDepthSample(name, job.image, path, path, unit, camera, pixels=pixels or RGB, max_pixels=max_pixels)
        )
    return samples
