"""Folders of images and depths: plain, and KITTI's."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from intarsia.data.depth.files import DEPTH_EXTENSIONS, UNIT_FILE, read_unit
from intarsia.data.images import IMAGE_EXTENSIONS
from intarsia.data.listing import Ledger, child, pictures_in, split_folders
from intarsia.data.split import completed
from intarsia.errors import DataError

KITTI_UNIT = 1 / 256  # metres a value, as its development kit says

_PARTS = ("images", "depth")
_MEASURED = "sparse"
_SELECTED = ("image", "groundtruth_depth", "velodyne_raw")


@dataclass(frozen=True)
class DepthFiles:
    """The files of one sample."""

    name: str
    image: Path
    depth: Path
    measured: Path | None = None


@dataclass(frozen=True)
class DepthFound:
    """What a layout's reader recognised; `unit` is how many metres a whole number is."""

    layout: str
    splits: dict[str, tuple[DepthFiles, ...]]
    unit: float | None


def find_plain(root: Path) -> DepthFound | None:
    """`images/` and `depth/`, with or without train/, val/, test/ above them; None if there is neither.

    Measurements of a sensor's own may lie in `sparse/`. Without val/, the names' hash splits it off.

    Raises:
        DataError: one of the two is missing, or an image has no depth or a depth no image.
    """
    above = {split: path for split, path in split_folders(root).items() if child(path, "depth")}
    if not above and not child(root, "depth"):
        return None
    places = above or {"train": root}
    splits = {split: tuple(_paired(path)) for split, path in places.items()}
    below = f" within {' and '.join(f'{split}/' for split in above)}" if above else ""
    unit = read_unit(root)
    words = "metres" if unit is None else f"{unit:g} m a value by {UNIT_FILE}"
    splits, layout = completed(splits, f"images/ + depth/{below}, {words}")
    return DepthFound(layout, splits, unit)


def looks_plain(root: Path) -> bool:
    """Whether `depth/` lies in a folder or in one of its splits, and no masks: told from a few names."""
    places = (root, *split_folders(root).values())
    return any(
        child(place, "depth") and not child(place, "masks") and not child(place, "jpegimages") for place in places
    )


def _paired(place: Path) -> Iterator[DepthFiles]:
    folders = {name: child(place, name) for name in (*_PARTS, _MEASURED)}
    for name in _PARTS:
        if folders[name] is None:
            raise DataError(f"`{place}` has no {name}/: put a file for each picture there, with the picture's name.")
    ledger = Ledger()
    images = pictures_in(folders["images"] or place, IMAGE_EXTENSIONS, ledger)
    depths = pictures_in(folders["depth"] or place, DEPTH_EXTENSIONS, ledger)
    sparse = folders[_MEASURED]
    measured = {} if sparse is None else pictures_in(sparse, DEPTH_EXTENSIONS, ledger)
    if ledger.problems:
        raise DataError(ledger.problems[0].sentence)
    if not images:
        raise DataError(
            f"`{folders['images']}` holds no image ({', '.join(sorted(IMAGE_EXTENSIONS))}): put some there."
        )
    for name in sorted(images.keys() ^ depths.keys()):
        path, lacks = (images[name], "depth") if name in images else (depths[name], "image")
        raise DataError(f"`{path}` has no {lacks} of the same name: add it, or leave the file out.")
    for name, image in images.items():
        yield DepthFiles(name, image, depths[name], measured.get(name))


def find_kitti(root: Path) -> DepthFound | None:
    """KITTI's depth completion, arXiv:1708.06500: 16-bit PNG of 1/256 m, 0 where nothing was measured; else None.

    Either the whole set, `data_depth_annotated/{train,val}/DRIVE/proj_depth/groundtruth/CAMERA/FRAME.png` with
    `data_depth_velodyne/` beside it (or both in one tree), whose images lie in KITTI's raw recordings,
    `DATE/DRIVE/CAMERA/data/FRAME.png`, in the same folder or under `data_rgb/{train,val}/DRIVE/…`; or the selection
    that comes with it, `image/`, `groundtruth_depth/` and `velodyne_raw/`, all of which is val.

    Raises:
        DataError: an image is missing.
    """
    splits = _recorded(root) or _selected(root)
    if not splits:
        return None
    splits, layout = completed(splits, "KITTI's depth completion, 1/256 m a value")
    return DepthFound(layout, splits, KITTI_UNIT)


def looks_like_kitti(root: Path) -> bool:
    """Whether a folder has the names of KITTI's depth completion, without looking at every frame."""
    if (root / "data_depth_annotated").is_dir() or all((root / name).is_dir() for name in _SELECTED[:2]):
        return True
    return any(True for split in ("train", "val") for _ in (root / split).glob("*/proj_depth/groundtruth"))


def _recorded(root: Path) -> dict[str, tuple[DepthFiles, ...]]:
    trees = [root / "data_depth_annotated", root]
    found: dict[str, tuple[DepthFiles, ...]] = {}
    for split in ("train", "val"):
        for tree in trees:
            depths = sorted((tree / split).glob("*/proj_depth/groundtruth/image_0[23]/*.png"))
            if depths:
                found[split] = tuple(_frame(root, split, path) for path in depths)
                break
    return found


def _frame(root: Path, split: str, depth: Path) -> DepthFiles:
    drive, camera, frame = depth.parts[-5], depth.parts[-2], depth.name
    places = [root / "data_rgb" / split / drive, root / split / drive, root / drive[:10] / drive]
    images = [place / camera / "data" / frame for place in places]
    below = Path(split, drive, "proj_depth", "velodyne_raw", camera, frame)
    measured = [tree / below for tree in (root / "data_depth_velodyne", root)]
    return DepthFiles(f"{drive}/{camera}/{depth.stem}", _existing(images, depth), depth, _first(measured))


def _selected(root: Path) -> dict[str, tuple[DepthFiles, ...]]:
    images, depths, measured = (root / name for name in _SELECTED)
    files: list[DepthFiles] = []
    for path in sorted(depths.glob("*.png")) if images.is_dir() else ():
        image = images / path.name.replace("_groundtruth_depth_", "_image_")
        sparse = measured / path.name.replace("_groundtruth_depth_", "_velodyne_raw_")
        files.append(DepthFiles(image.stem, _existing([image], path), path, _first([sparse])))
    return {"val": tuple(files)} if files else {}


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def _existing(paths: list[Path], depth: Path) -> Path:
    found = _first(paths)
    if found is None:
        raise DataError(f"`{depth}` has no image: put it at `{paths[0]}`, or leave the depth out.")
    return found
