"""Folders of images and depths as layouts' readers find them; the plain layout."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from intarsia.data.depth.camera import Camera, read_camera
from intarsia.data.depth.files import DEPTH_EXTENSIONS, UNIT_FILE, read_unit
from intarsia.data.images import IMAGE_EXTENSIONS
from intarsia.data.listing import Ledger, child, pictures_in, split_folders
from intarsia.data.split import completed
from intarsia.errors import DataError

_PARTS = ("images", "depth")
_MEASURED = "sparse"


@dataclass(frozen=True)
class DepthFiles:
    """The files of one sample, and the camera that the set states for it."""

    name: str
    image: Path
    depth: Path
    measured: Path | None = None
    camera: Camera | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The two or three files."""
        return (self.image, self.depth) if self.measured is None else (self.image, self.depth, self.measured)


@dataclass(frozen=True)
class DepthFound:
    """What a layout's reader recognised; `unit` is how many metres a whole number is."""

    root: Path
    layout: str
    splits: dict[str, tuple[DepthFiles, ...]]
    unit: float | None

    @property
    def samples(self) -> list[DepthFiles]:
        """The samples of all splits, each once: a single one may be in two."""
        return list(dict.fromkeys(one for split in self.splits.values() for one in split))


def find_plain(root: Path, ledger: Ledger) -> DepthFound | None:
    """`images/` and `depth/`, with or without train/, val/, test/ above them; None if there is neither.

    Measurements of a sensor's own may lie in `sparse/`, and depth.json may state the camera of all images. Without
    val/, the names' hash splits it off. An image without depth, and a depth or
    measurement without image, are noted in the ledger.

    Raises:
        DataError: one of the two folders is missing, there is no image at all, or depth.json breaks a rule.
    """
    above = {split: path for split, path in split_folders(root).items() if child(path, "depth")}
    if not above and not child(root, "depth"):
        return None
    places = above or {"train": root}
    unit, camera = read_unit(root), read_camera(root)
    splits = {split: tuple(_paired(path, camera, ledger)) for split, path in places.items()}
    below = f" within {' and '.join(f'{split}/' for split in above)}" if above else ""
    words = "metres" if unit is None else f"{unit:g} m a value by {UNIT_FILE}"
    masks = any(child(place, "masks") for place in places.values())
    words += "; masks/ beside them is left aside, `--task segmentation` takes it" if masks else ""
    splits, layout = completed(splits, f"images/ + depth/{below}, {words}")
    return DepthFound(root, layout, splits, unit)


def looks_plain(root: Path) -> bool:
    """Whether `depth/` lies in a folder or in one of its splits, and no masks: told from a few names."""
    places = (root, *split_folders(root).values())
    return any(
        child(place, "depth") and not child(place, "masks") and not child(place, "jpegimages") for place in places
    )


def _paired(place: Path, camera: Camera | None, ledger: Ledger) -> Iterator[DepthFiles]:
    folders = {name: child(place, name) for name in (*_PARTS, _MEASURED)}
    for name in _PARTS:
        if folders[name] is None:
            raise DataError(f"`{place}` has no {name}/: put a file for each picture there, with the picture's name.")
    images = pictures_in(folders["images"] or place, IMAGE_EXTENSIONS, ledger)
    depths = pictures_in(folders["depth"] or place, DEPTH_EXTENSIONS, ledger)
    sparse = folders[_MEASURED]
    measured = {} if sparse is None else pictures_in(sparse, DEPTH_EXTENSIONS, ledger)
    if not images:
        raise DataError(
            f"`{folders['images']}` holds no image ({', '.join(sorted(IMAGE_EXTENSIONS))}): put some there."
        )
    _note_unpaired(images, depths, measured, ledger)
    for name in sorted(images.keys() & depths.keys()):
        files = DepthFiles(name, images[name], depths[name], measured.get(name), camera)
        if not ledger.skips(*files.paths):
            yield files


def _note_unpaired(
    images: Mapping[str, Path], depths: Mapping[str, Path], measured: Mapping[str, Path], ledger: Ledger
) -> None:
    alone = {name: (path, "depth") for name, path in images.items() if name not in depths}
    alone |= {name: (path, "image") for name, path in {**measured, **depths}.items() if name not in images}
    for _, (path, lacks) in sorted(alone.items()):
        if not ledger.skips(path):
            ledger.note(path, f"`{path}` has no {lacks} of the same name: add it, or leave the file out.")
