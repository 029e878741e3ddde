"""Probabilities in the files of other tools: an NPY for each image, or a grey PNG for each of its classes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Shaped
from numpy.lib.format import MAGIC_PREFIX

from intarsia.data.decoding import MAX_PIXELS, read_pixels
from intarsia.errors import DataError

_NUMBERED = re.compile(r"(.+)_(\d+)")
_FULL = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.int32): 65535.0, np.dtype(bool): 1.0}


@dataclass(frozen=True)
class ProbabilityFiles:
    """The file of an image, or its files in the order of their classes; ``stem`` is the image's name.

    ``complaint`` says what is wrong with them before any is read.
    """

    stem: Path
    paths: tuple[Path, ...]
    complaint: str | None = None

    @property
    def name(self) -> str:
        """What a sentence calls them."""
        return str(self.paths[0]) if len(self.paths) == 1 else f"{self.paths[0]} … {self.paths[-1].name}"


def find_probabilities(source: str | Path, out: str | Path | None = None) -> list[ProbabilityFiles]:
    """The probabilities in a folder and its subfolders, or in one NPY file, by the name of their image.

    ``name.npy`` belongs to the image ``name``; so do the planes ``name_0.png``, ``name_1.png``, …, or, in a folder of
    that name, ``name/0.png``, ``name/1.png``, …. Files in ``out``, if that lies within, do not count.

    Raises:
        DataError: there is none.
    """
    path = Path(source)
    if not path.exists():
        raise DataError(f"There is no `{source}`; name a folder of probabilities, or one NPY file.")
    if path.is_file() and path.suffix.lower() == ".npy":
        return [ProbabilityFiles(Path(path.stem), (path,))]
    arrays: list[ProbabilityFiles] = []
    planes: dict[Path, list[tuple[int, Path]]] = {}
    for file in _files(path, out):
        stem = file.relative_to(path).with_suffix("")
        if file.suffix.lower() == ".npy":
            arrays.append(ProbabilityFiles(stem, (file,)))
        elif stem.name.isdecimal() and stem.parent != Path():
            planes.setdefault(stem.parent, []).append((int(stem.name), file))
        elif found := _NUMBERED.fullmatch(stem.name):
            planes.setdefault(stem.with_name(found[1]), []).append((int(found[2]), file))
    found = sorted([*arrays, *(_stack(stem, parts) for stem, parts in planes.items())], key=lambda files: files.stem)
    if not found:
        raise DataError(
            f"`{source}` holds no probabilities: they are name.npy, or name_0.png, name_1.png … (or name/0.png, "
            "name/1.png …), a grey picture for each class."
        )
    return list(_distinct(found))


def _files(folder: Path, out: str | Path | None) -> list[Path]:
    own = None if out is None or Path(out).resolve() == folder.resolve() else Path(out).resolve()
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in (".npy", ".png")
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and not (own is not None and file.resolve().is_relative_to(own))
    ]


def _stack(stem: Path, parts: list[tuple[int, Path]]) -> ProbabilityFiles:
    indices, paths = zip(*sorted(parts), strict=True)
    complaint = None
    if indices != tuple(range(len(indices))):
        wrong = next(k for k, index in enumerate(indices) if index != k)
        twice = indices[wrong] < wrong
        what = f"class {indices[wrong]} twice" if twice else f"no class {wrong}"
        complaint = (
            f"The planes `{paths[0]}` … `{paths[-1].name}` hold {what}; number them from 0, without gaps, once each."
        )
    return ProbabilityFiles(stem, paths, complaint)


def _distinct(found: list[ProbabilityFiles]) -> Iterable[ProbabilityFiles]:
    """One of each image; where there are two, nobody knows which is meant."""
    for stem, several in groupby(found, key=lambda files: files.stem):
        first, *others = several
        if others:
            sentence = f"`{first.name}` and `{others[0].name}` are both of the image `{stem}`: remove one of them."
            yield ProbabilityFiles(stem, first.paths + others[0].paths, sentence)
        else:
            yield first


def read_probabilities(
    files: ProbabilityFiles, size: tuple[int, int], max_pixels: int = MAX_PIXELS
) -> Float32[np.ndarray, "K H W"]:
    """The probabilities of an image of ``size`` rows and columns.

    Arrays are (K, H, W) if their last two axes are the image's, otherwise (H, W, K) or (H, W) if the first two are.
    Whole numbers are shares of 255 or 65535; where those of all classes miss 1 by no more than rounding explains, they
    are divided by their sum.

    Raises:
        DataError: the files cannot be read, are of another size than the image, or do not belong together.
    """
    if files.complaint is not None:
        raise DataError(files.complaint)
    if files.paths[0].suffix.lower() == ".npy":
        stored = _classes_first(_array(files.paths[0]), size, files.paths[0])
    else:
        stored = _planes(files, size, max_pixels)
    if stored.dtype.kind == "f":
        return stored.astype(np.float32)
    full = _FULL.get(stored.dtype)
    if full is None:
        raise DataError(f"`{files.name}` holds {stored.dtype}; save fractions, or whole numbers of 8 or 16 bits.")
    return _rounded_off(stored.astype(np.float32) / np.float32(full), full)


def _array(path: Path) -> Shaped[np.ndarray, "..."]:
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:
                raise DataError(
                    f"`{path}` is no NPY file, whatever its name says: save an array of fractions by numpy.save."
                )
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"`{path}` is no NPY file of plain numbers ({reason}): save it by numpy.save.") from error
    if array.dtype.kind not in "buif":
        raise DataError(f"`{path}` holds {array.dtype}, no real numbers: save an array of fractions by numpy.save.")
    return array


def _classes_first(array: Shaped[np.ndarray, "..."], size: tuple[int, int], path: Path) -> Shaped[np.ndarray, "K H W"]:
    if array.ndim == 3 and array.shape[1:] == size:
        return array
    if array.ndim in (2, 3) and array.shape[:2] == size:
        return array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)
    raise DataError(
        f"`{path}` has the shape {array.shape}, which is neither (K, H, W) nor (H, W, K) for its image of {size[0]} "
        f"rows and {size[1]} columns: resize it, or move its axes."
    )


def _planes(files: ProbabilityFiles, size: tuple[int, int], max_pixels: int) -> Shaped[np.ndarray, "K H W"]:
    planes = []
    for path in files.paths:
        plane = read_pixels(path, max_pixels=max_pixels)
        if plane.ndim != 2:
            raise DataError(f"`{path}` holds colours, but a plane of probabilities is grey: save it so.")
        if plane.shape != size:
            raise DataError(
                f"`{path}` has {plane.shape[0]} rows × {plane.shape[1]} columns, but its image has {size[0]} × "
                f"{size[1]}: resize it."
            )
        if planes and plane.dtype != planes[0].dtype:
            raise DataError(
                f"`{path}` holds {plane.dtype}, but `{files.paths[0]}` {planes[0].dtype}: save both with the same bits."
            )
        planes.append(plane)
    return np.stack(planes)


def _rounded_off(shares: Float32[np.ndarray, "K H W"], full: float) -> Float[np.ndarray, "K H W"]:
    """Divided by their sums, if these are so near 1 that rounding (or cutting off) each share explains it."""
    if len(shares) == 1:
        return shares
    sums = shares.sum(axis=0)
    explained = np.abs(sums - 1) <= len(shares) / full + 1e-6
    shares /= np.where(explained & (sums > 0), sums, 1)
    return shares
