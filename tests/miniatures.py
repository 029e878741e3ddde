"""A few tiny pictures in the folders of each published data set, for what reads those and what trains on them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

ROWS, COLUMNS = 40, 48

Kind = Callable[[np.ndarray, Path], None]


def write_voc_with_sbd(root: Path) -> Path:
    """VOCdevkit/VOC2012/ with two images in train and two in val, and benchmark_RELEASE/dataset/ with four and two."""
    voc, sbd = root / "VOCdevkit" / "VOC2012", root / "benchmark_RELEASE" / "dataset"
    lists = {"train": "ab", "val": "cd"}
    others = {"train": "acef", "val": "dg"}
    for place, (name, seed) in enumerate(zip("abcdefg", range(7), strict=True)):
        image, mask = scene(seed, (0, 2, 15, 255))
        _save(image, voc / "JPEGImages" / f"{name}.jpg")
        if place < 4:
            _save(mask, voc / "SegmentationClass" / f"{name}.png")
        if name != "b":
            write_sbd_mask(np.where(mask == 255, 5, mask), sbd / "cls" / f"{name}.mat")
    for split, ids in lists.items():
        _write(voc / "ImageSets" / "Segmentation" / f"{split}.txt", ids)
    for split, ids in others.items():
        _write(sbd / f"{split}.txt", ids)
    return root


def write_sbd_mask(mask: np.ndarray, path: Path) -> None:
    """A mask as the Semantic Boundaries Dataset stores it: a struct with two more fields."""
    path.parent.mkdir(parents=True, exist_ok=True)
    truth = {"Segmentation": mask.astype(np.uint8), "Boundaries": np.zeros((20, 1)), "CategoriesPresent": np.array([2])}
    savemat(path, {"GTcls": truth}, do_compression=True)


def write_cityscapes(root: Path, kind: str = "labelIds") -> Path:
    """Two images in train, one in val, and one in test whose mask is blank, as it is published."""
    labels = {"labelIds": (7, 26, 33, 4), "labelTrainIds": (0, 13, 18, 255)}[kind]
    for seed, (split, city) in enumerate((("train", "aachen"), ("train", "ulm"), ("val", "munster"), ("test", "bonn"))):
        image, mask = scene(seed, labels)
        name = f"{split}/{city}/{city}_000000_00001{seed}"
        _save(image, root / "leftImg8bit" / f"{name}_leftImg8bit.png")
        _save(mask * (split != "test"), root / "gtFine" / f"{name}_gtFine_{kind}.png")
        _save(image, root / "gtFine" / f"{name}_gtFine_color.png")
    return root


def write_ade20k(root: Path) -> Path:
    """Two images for training, one for validation, the table of names, and what else the archive holds."""
    for seed, (split, short) in enumerate((("training", "train"), ("training", "train"), ("validation", "val"))):
        image, mask = scene(seed, (0, 1, 150, 4))
        name = f"{split}/ADE_{short}_0000000{seed}"
        _save(image, root / "images" / f"{name}.jpg")
        _save(mask, root / "annotations" / f"{name}.png")
    rows = (
        f"{place}\t0.1\t10\t1\t0\t{'wall, the wall' if place == 1 else f'thing {place}'}" for place in range(1, 151)
    )
    _write(root / "objectInfo150.txt", ("Idx\tRatio\tTrain\tVal\tStuff\tName", *rows))
    _write(root / "sceneCategories.txt", ("ADE_train_00000000 street",))
    return root


CAMVID_COLOURS = ((128, 64, 128), (128, 0, 192), (128, 128, 128), (0, 0, 0))  # road, a lane marking, sky, void


def write_camvid(root: Path, colours: bool = False) -> Path:
    """Two images in train and one in val and test each; masks are numbers, or colours with other names."""
    for seed, split in enumerate(("train", "train", "val", "test")):
        image, mask = scene(seed, (0, 1, 2, 3) if colours else (3, 3, 0, 11))
        _save(image, root / split / f"0001TP_{seed}.png")
        if colours:
            _save(np.array(CAMVID_COLOURS)[mask], root / f"{split}_labels" / f"0001TP_{seed}_L.png")
        else:
            _save(mask, root / f"{split}annot" / f"0001TP_{seed}.png")
    return root


def write_imagenet(root: Path) -> Path:
    """Two classes with two pictures in train/ and one in val/ each, and a bare one in test/."""
    for seed, (split, wnid) in enumerate(
        (split, wnid) for split in ("train", "train", "val") for wnid in ("n01440764", "n03000684")
    ):
        _save(scene(seed, (0,))[0], root / split / wnid / f"{wnid}_{seed}.JPEG")
    _save(scene(9, (0,))[0], root / "test" / "ILSVRC2012_test_00000001.JPEG")
    return root


MINIATURES: Mapping[str, Callable[[Path], Path]] = {
    "VOC 2012 + SBD": write_voc_with_sbd,
    "Cityscapes": write_cityscapes,
    "ADE20K": write_ade20k,
    "CamVid": write_camvid,
    "ImageNet": write_imagenet,
}


def scene(seed: int, values: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """An image and its mask: vertical bands, one a value, of unlike brightness and with noise."""
    generator = np.random.default_rng(seed)
    bands = np.sort(generator.integers(2, COLUMNS - 2, len(values) - 1))
    places = np.broadcast_to(np.searchsorted(bands, np.arange(COLUMNS), side="right"), (ROWS, COLUMNS))
    image = places[..., None] * 60 + generator.integers(0, 60, (ROWS, COLUMNS, 3))
    return image.astype(np.uint8), np.array(values, np.uint8)[places]


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)


def _write(path: Path, lines: tuple[str, ...] | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
