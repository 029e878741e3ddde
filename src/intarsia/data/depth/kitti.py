"""KITTI's depth completion: the whole set with its recordings, and the selection for judging."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from intarsia.data.depth.camera import KITTI_CALIBRATION, Camera, read_kitti_calibration, read_kitti_intrinsics
from intarsia.data.depth.layouts import DepthFiles, DepthFound
from intarsia.data.listing import Ledger
from intarsia.data.split import completed

KITTI_UNIT = 1 / 256  # metres a value, as its development kit says

_SELECTED = ("image", "groundtruth_depth", "velodyne_raw")


def find_kitti(root: Path, ledger: Ledger) -> DepthFound | None:
    """KITTI's depth completion, arXiv:1708.06500: 16-bit PNG of 1/256 m, 0 where nothing was measured; else None.

    Either the whole set, `data_depth_annotated/{train,val}/DRIVE/proj_depth/groundtruth/CAMERA/FRAME.png` with
    `data_depth_velodyne/` beside it (or both in one tree), whose images lie in KITTI's raw recordings,
    `DATE/DRIVE/CAMERA/data/FRAME.png`, in the same folder or under `data_rgb/{train,val}/DRIVE/…`; or the selection
    that comes with it, `image/`, `groundtruth_depth/` and `velodyne_raw/`, all of which is val. Cameras are those of
    `DATE/calib_cam_to_cam.txt`, and of the selection's `intrinsics/`, where there are such. A depth whose image is
    missing is noted in the ledger.

    Raises:
        DataError: a calibration is none.
    """
    splits = _recorded(root, ledger) or _selected(root, ledger)
    if not splits:
        return None
    splits, layout = completed(splits, "KITTI's depth completion, 1/256 m a value")
    return DepthFound(root, layout, splits, KITTI_UNIT)


def looks_like_kitti(root: Path) -> bool:
    """Whether a folder has the names of KITTI's depth completion, without looking at every frame."""
    if (root / "data_depth_annotated").is_dir() or all((root / name).is_dir() for name in _SELECTED[:2]):
        return True
    return any(True for split in ("train", "val") for _ in (root / split).glob("*/proj_depth/groundtruth"))


def _recorded(root: Path, ledger: Ledger) -> dict[str, tuple[DepthFiles, ...]]:
    trees = [root / "data_depth_annotated", root]
    found: dict[str, tuple[DepthFiles, ...]] = {}
    calibration = cache(read_kitti_calibration)  # a file a day, for thousands of frames
    for split in ("train", "val"):
        for tree in trees:
            depths = sorted((tree / split).glob("*/proj_depth/groundtruth/image_0[23]/*.png"))
            if depths:
                frames = (_frame(root, split, path, calibration, ledger) for path in depths)
                found[split] = tuple(frame for frame in frames if frame is not None)
                break
    return found


def _frame(
    root: Path, split: str, depth: Path, calibration: Callable[[Path, str], Camera], ledger: Ledger
) -> DepthFiles | None:
    drive, camera, frame = depth.parts[-5], depth.parts[-2], depth.name
    places = [root / "data_rgb" / split / drive, root / split / drive, root / drive[:10] / drive]
    images = [place / camera / "data" / frame for place in places]
    below = Path(split, drive, "proj_depth", "velodyne_raw", camera, frame)
    measured = [tree / below for tree in (root / "data_depth_velodyne", root)]
    of_day = root / drive[:10] / KITTI_CALIBRATION
    seen_by = calibration(of_day, camera[-2:]) if of_day.is_file() else None
    return _complete(f"{drive}/{camera}/{depth.stem}", images, depth, _first(measured), seen_by, ledger)


def _selected(root: Path, ledger: Ledger) -> dict[str, tuple[DepthFiles, ...]]:
    images, depths, measured = (root / name for name in _SELECTED)
    paths = sorted(depths.glob("*.png")) if images.is_dir() else []
    files: list[DepthFiles] = []
    for path in paths:
        image = images / path.name.replace("_groundtruth_depth_", "_image_")
        sparse = measured / path.name.replace("_groundtruth_depth_", "_velodyne_raw_")
        intrinsics = root / "intrinsics" / image.with_suffix(".txt").name
        camera = read_kitti_intrinsics(intrinsics) if intrinsics.is_file() else None
        one = _complete(image.stem, [image], path, _first([sparse]), camera, ledger)
        files += [one] if one is not None else []
    return {"val": tuple(files)} if paths else {}


def _complete(
    name: str, images: list[Path], depth: Path, measured: Path | None, camera: Camera | None, ledger: Ledger
) -> DepthFiles | None:
    """The files of a sample with the first of the images that is there; None if none is, or one is to be left out."""
    image = _first(images)
    if ledger.skips(image, depth, measured):
        return None
    if image is None:
        ledger.note(depth, f"`{depth}` has no image: put it at `{images[0]}`, or leave the depth out.")
        return None
    return DepthFiles(name, image, depth, measured, camera)


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
