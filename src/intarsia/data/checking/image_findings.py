"""What is wrong with the images of a set, whatever belongs to them: odd kinds, and copies in several splits."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np
from jaxtyping import Float

from intarsia.data.checking.facts import THUMBNAIL, ImageFacts
from intarsia.data.checking.finding import Finding
from intarsia.data.checking.reading import Item
from intarsia.data.images import PixelFormat, channels_of

# Copies saved again as JPEG at two thirds of the size: more than 0.997 and less than 1.4. Neighbouring slices of
# ``sample:brain``, 3 mm apart: up to 0.998, but at least 4.0.
_ALIKE_CORRELATION, _ALIKE_GREY = 0.99, 2.5  # of small grey copies; mean absolute difference of values 0 … 255
TRAINING = ("train", "trainaug")  # the splits that are learned from
_FLAT = 4.0  # thumbnails of less contrast look all alike


def image_findings(path: Path, image: ImageFacts | str) -> Iterator[Finding]:
    """What is wrong with a single image."""
    yield from reading_findings(path, image if isinstance(image, str) else image.pages)
    if isinstance(image, ImageFacts) and image.numbers < 1:
        sentence = f"`{path}` holds {1 - image.numbers:.1%} of values that are no numbers; they are read as black."
        yield Finding("not-a-number", "warning", (path,), sentence)


def reading_findings(path: Path, read: str | int) -> Iterator[Finding]:
    """What is wrong with any file: `read` is its number of pages, or the sentence that says why it cannot be read."""
    if isinstance(read, str):
        yield Finding("unreadable", "error", (path,), read)
    elif read > 1:
        yield Finding("pages", "warning", (path,), f"`{path}` holds {read} pages; the first one is read.")


def uniform_findings(images: Mapping[Item, ImageFacts]) -> Iterator[Finding]:
    """Images that are of another kind than most: other bands or numbers."""
    channels = {sample: channels_of(image.bands) for sample, image in images.items()}
    usual = most_common(channels.values())
    for sample, own in channels.items():
        if own != usual:
            sentence = f"`{sample.image}` has {own} channels, but most images have {usual}: convert it or leave it out."
            yield Finding("bands", "error", (sample.image,), sentence)
    deep = {sample: image.values for sample, image in images.items() if image.values}
    floating = most_common(values.floating for values in deep.values())
    for sample, values in deep.items():
        if values.floating != floating:
            one, other = ("fractions", "whole numbers") if values.floating else ("whole numbers", "fractions")
            yield Finding(
                "depth",
                "warning",
                (sample.image,),
                f"`{sample.image}` holds {one} from {values.least:g} to {values.largest:g}, but most deep images hold "
                f"{other}: one range is used for the whole set, so it may come out black or white.",
            )


def pixel_format_of(images: Collection[ImageFacts]) -> PixelFormat:
    """What the numbers in the files of all these images mean; at least one."""
    ranges = [image.values for image in images if image.values is not None]
    bands = next(iter(images)).bands
    return PixelFormat(channels_of(bands), reduce(or_, ranges).limits() if ranges else None)


def copy_findings(splits: Mapping[str, Sequence[Item]], images: Mapping[Item, ImageFacts]) -> Iterator[Finding]:
    """Images that are in two splits, twice in one, or alike in two."""
    of_digest: dict[str, list[tuple[str, Item]]] = {}
    for split, samples in splits.items():
        for sample in samples:
            if sample in images:
                of_digest.setdefault(images[sample].digest, []).append((split, sample))
    for places in of_digest.values():
        if len(places) > 1 and len(images) > 1:  # a set of one image has it in both splits
            yield _same(places)
    for one, other in _alike(splits, images):
        sentence = f"`{one.image}` and `{other.image}` look alike, but are in different splits: scores may flatter."
        yield Finding("alike", "warning", (one.image, other.image), sentence)


def _same(places: Sequence[tuple[str, Item]]) -> Finding:
    """One content under several names; the copies in the training split come first, so that they can be left out."""
    ordered = sorted(places, key=lambda place: (place[0] not in TRAINING, place[1].name))
    files = tuple(dict.fromkeys(sample.image for _, sample in ordered))
    splits = list(dict.fromkeys(split for split, _ in ordered))
    if len(files) == 1:
        sentence = f"`{files[0]}` is in {' and '.join(splits)}: strike it from one of the lists."
        return Finding("leak", "warning", files, sentence)
    if len(splits) > 1:
        sentence = f"`{files[0]}` and `{files[-1]}` are the same image in {' and '.join(splits)}: keep one of them."
        elsewhere = {sample.image for split, sample in ordered if split not in TRAINING}
        leave_out = tuple(
            sample.image for split, sample in ordered if split in TRAINING and sample.image not in elsewhere
        )
        return Finding("leak", "warning", files, sentence, leave_out)
    return Finding(
        "twice", "warning", files, f"`{files[0]}` and `{files[1]}` are the same image, twice in {splits[0]}."
    )


def _alike(splits: Mapping[str, Sequence[Item]], images: Mapping[Item, ImageFacts]) -> Iterator[tuple[Item, Item]]:
    """Images of different splits with nearly the same small grey copy, but another content.

    The copies' correlations, one matrix product for two splits, find the candidates; their difference decides.
    """
    names = list(splits)
    for place, split in enumerate(names):
        for other in names[place + 1 :]:
            ours, theirs = ([sample for sample in splits[s] if sample in images] for s in (split, other))
            if not ours or not theirs:
                continue
            copies, their_copies = _copies(ours, images), _copies(theirs, images)
            standard, their_standard = _standardised(copies), _standardised(their_copies)
            for i in range(len(ours)):
                for j in np.flatnonzero(their_standard @ standard[i] > _ALIKE_CORRELATION):
                    same = images[ours[i]].digest == images[theirs[j]].digest
                    if not same and np.abs(copies[i] - their_copies[j]).mean() < _ALIKE_GREY:
                        yield ours[i], theirs[j]


def _copies(samples: Sequence[Item], images: Mapping[Item, ImageFacts]) -> Float[np.ndarray, "N P"]:
    raw = b"".join(bytes.fromhex(images[sample].thumbnail) for sample in samples)
    return np.frombuffer(raw, np.uint8).reshape(len(samples), THUMBNAIL * THUMBNAIL).astype(np.float32)


def _standardised(copies: Float[np.ndarray, "N P"]) -> Float[np.ndarray, "N P"]:
    """Mean 0 and length 1; copies without contrast, which would all look alike, become 0."""
    centred = copies - copies.mean(axis=1, keepdims=True)
    flat = copies.std(axis=1, keepdims=True) < _FLAT
    return np.where(flat, 0, centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6))


def most_common(items: Iterable[int]) -> int | None:
    """What most of them are; None of nothing."""
    counts = Counter(items)
    return counts.most_common(1)[0][0] if counts else None
