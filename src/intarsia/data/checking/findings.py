"""What is wrong with a set, told from the facts of its files: each rule is one function, none of which reads a file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
from jaxtyping import Float

from intarsia.data.checking.facts import THUMBNAIL, ImageFacts, MaskFacts, PairFacts
from intarsia.data.classes import Classes
from intarsia.data.dataset import unequal
from intarsia.data.images import channels_of
from intarsia.data.infer import MOST_COLOURS, stray, too_many_colours
from intarsia.data.listing import Pair

Severity = Literal["error", "warning"]

TRAINING = ("train", "trainaug")  # the splits that are learned from

_FEW_VALUES = 8  # a class one pixel wide lies between two others, too; interpolation makes many values
_INTERPOLATED = 0.5  # of the border pixels; drawn masks have less than 0.15, interpolated ones more than 0.65
_SHIFT_PEAK, _SHIFT_HERE = 5.0, 2.0  # standard deviations
# Copies saved again as JPEG at two thirds of the size: more than 0.997 and less than 1.4. Neighbouring slices of
# ``sample:brain``, 3 mm apart: up to 0.998, but at least 4.0.
_ALIKE_CORRELATION, _ALIKE_GREY = 0.99, 2.5  # of small grey copies; mean absolute difference of values 0 … 255
_FLAT = 4.0  # thumbnails of less contrast look all alike


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or strange: its kind, the files, and a sentence with the rule and the remedy.

    An error keeps its files from being used; a warning does not. `leave_out` are files of a warning that one should do
    without.
    """

    kind: str
    severity: Severity
    files: tuple[Path, ...]
    sentence: str
    leave_out: tuple[Path, ...] = ()


def file_findings(pair: Pair, facts: PairFacts) -> Iterator[Finding]:
    """What is wrong with a single pair, whatever the rest of the set."""
    image, mask = facts.image, facts.mask
    both = (pair.image, pair.mask)
    for path, fact in zip(both, (image, mask), strict=True):
        if isinstance(fact, str):
            yield Finding("unreadable", "error", (path,), fact)
        elif fact.pages > 1:
            yield Finding("pages", "warning", (path,), f"`{path}` holds {fact.pages} pages; the first one is read.")
    if isinstance(image, ImageFacts) and image.numbers < 1:
        yield Finding(
            "not-a-number",
            "warning",
            (pair.image,),
            f"`{pair.image}` holds {1 - image.numbers:.1%} of values that are no numbers; they are read as black.",
        )
    if isinstance(image, str) or isinstance(mask, str):
        return
    complaint = unequal(pair.image, image.shape, pair.mask, mask.shape)
    if complaint:
        yield Finding("size", "error", both, complaint)
    if mask.is_colour and len(mask.values) > MOST_COLOURS:
        yield Finding("photograph", "error", (pair.mask,), too_many_colours(pair.mask))
    elif len(mask.values) > _FEW_VALUES and mask.between > _INTERPOLATED:
        yield Finding(
            "interpolated",
            "error",
            (pair.mask,),
            f"`{pair.mask}` was probably interpolated: it holds {len(mask.values)} values, and {mask.between:.0%} of "
            f"its border pixels lie between two others: resize masks by nearest neighbour, never save them as JPEG.",
        )
    shift = facts.shift
    if shift and max(abs(shift.rows), abs(shift.columns)) > 1 and shift.there > _SHIFT_PEAK > _SHIFT_HERE > shift.here:
        yield Finding(
            "shifted",
            "warning",
            (pair.mask,),
            f"`{pair.mask}` is probably shifted: its borders meet the edges of the image if it moves by "
            f"{shift.rows:+d} rows and {shift.columns:+d} columns.",
        )


def uniform_findings(facts: Mapping[Pair, PairFacts]) -> Iterator[Finding]:
    """Files that are of another kind than most: other bands or numbers, or colours among masks of indices."""
    channels = {
        pair: channels_of(fact.image.bands) for pair, fact in facts.items() if isinstance(fact.image, ImageFacts)
    }
    usual = _most_common(channels.values())
    for pair, own in channels.items():
        if own != usual:
            sentence = f"`{pair.image}` has {own} channels, but most images have {usual}: convert it or leave it out."
            yield Finding("bands", "error", (pair.image,), sentence)
    deep = {
        pair: fact.image.values
        for pair, fact in facts.items()
        if isinstance(fact.image, ImageFacts)
        if fact.image.values
    }
    floating = _most_common(values.floating for values in deep.values())
    for pair, values in deep.items():
        if values.floating != floating:
            one, other = ("fractions", "whole numbers") if values.floating else ("whole numbers", "fractions")
            yield Finding(
                "depth",
                "warning",
                (pair.image,),
                f"`{pair.image}` holds {one} from {values.least:g} to {values.largest:g}, but most deep images hold "
                f"{other}: one range is used for the whole set, so it may come out black or white.",
            )
    spelled = {pair: fact.mask.is_colour for pair, fact in facts.items() if isinstance(fact.mask, MaskFacts)}
    colour = _most_common(spelled.values())
    for pair, own in spelled.items():
        if own != colour:
            one, other = ("RGB colours", "class indices") if own else ("class indices", "RGB colours")
            sentence = f"`{pair.mask}` holds {one}, but most masks hold {other}: save it like the others."
            yield Finding("encoding", "error", (pair.mask,), sentence)


def class_findings(facts: Mapping[Pair, PairFacts], classes: Classes) -> Iterator[Finding]:
    """Masks that hold what is no class."""
    for pair, fact in facts.items():
        complaint = stray(fact.mask.content(pair.mask), classes) if isinstance(fact.mask, MaskFacts) else None
        if complaint:
            yield Finding("class", "error", (pair.mask,), complaint)


def inference_findings(facts: Mapping[Pair, PairFacts], classes: Classes) -> Iterator[Finding]:
    """What is strange about classes that were told from the masks."""
    unused = [name for name in classes.names if name.startswith("unused ")]
    if classes.encoding == "index" and len(unused) > max(1, classes.count // 4):
        largest = classes.count - 1
        holders = [
            pair.mask
            for pair, fact in facts.items()
            if isinstance(fact.mask, MaskFacts) and largest in fact.mask.values
        ]
        yield Finding(
            "gap",
            "warning",
            tuple(holders),
            f"The largest class index is {largest} (in {len(holders)} masks, such as `{holders[0]}`), but "
            f"{len(unused)} of the indices below occur nowhere: if {largest} is a slip, correct it.",
        )
    masks = {pair.mask: set(fact.mask.values) for pair, fact in facts.items() if isinstance(fact.mask, MaskFacts)}
    black_and_white = [path for path, values in masks.items() if values == {0, 255}]
    others = [path for path, values in masks.items() if not values <= {0, 255}]
    if classes.encoding == "index" and others and len(black_and_white) > 4 * len(others):
        yield Finding(
            "binary",
            "warning",
            tuple(others),
            f"{len(black_and_white)} masks hold 0 and 255 alone, but {len(others)} hold other values, such as "
            f"`{others[0]}`; therefore 255 means ignore everywhere. If it shall mean foreground, correct those.",
        )


def split_findings(
    splits: Mapping[str, Sequence[Pair]], facts: Mapping[Pair, PairFacts], pixels: Mapping[str, Mapping[str, int]]
) -> Iterator[Finding]:
    """Classes that a split lacks, and images that are in two splits or twice in one; `pixels` by split and class."""
    for split, counts in pixels.items():
        absent = [name for name, count in counts.items() if count == 0 and not name.startswith("unused ")]
        if absent:
            names = ", ".join(absent[:8]) + (", …" if len(absent) > 8 else "")
            sentence = f"The {split} split holds no pixel of {len(absent)} of the classes: {names}."
            yield Finding("absent", "warning", (), sentence)
    images = {pair: fact.image for pair, fact in facts.items() if isinstance(fact.image, ImageFacts)}
    of_digest: dict[str, list[tuple[str, Pair]]] = {}
    for split, pairs in splits.items():
        for pair in pairs:
            if pair in images:
                of_digest.setdefault(images[pair].digest, []).append((split, pair))
    for places in of_digest.values():
        if len(places) > 1 and len(images) > 1:  # a set of one pair has it in both splits
            yield _same(places)
    for one, other in _alike(splits, images):
        sentence = f"`{one.image}` and `{other.image}` look alike, but are in different splits: scores may flatter."
        yield Finding("alike", "warning", (one.image, other.image), sentence)


def shift_of_set(facts: Sequence[PairFacts]) -> tuple[int, int] | None:
    """The median shift of all masks that show one clearly, if more than half of them agree on another than none."""
    clear = [fact.shift for fact in facts if fact.shift and fact.shift.there > _SHIFT_PEAK]
    moved = [shift for shift in clear if max(abs(shift.rows), abs(shift.columns)) > 1 and shift.here < _SHIFT_HERE]
    if len(moved) <= len(clear) / 2:
        return None
    return round(median(shift.rows for shift in moved)), round(median(shift.columns for shift in moved))


def _same(places: Sequence[tuple[str, Pair]]) -> Finding:
    """One content under several names; the copies in the training split come first, so that they can be left out."""
    ordered = sorted(places, key=lambda place: (place[0] not in TRAINING, place[1].name))
    files = tuple(dict.fromkeys(pair.image for _, pair in ordered))
    splits = list(dict.fromkeys(split for split, _ in ordered))
    if len(files) == 1:
        sentence = f"`{files[0]}` is in {' and '.join(splits)}: strike it from one of the lists."
        return Finding("leak", "warning", files, sentence)
    if len(splits) > 1:
        sentence = f"`{files[0]}` and `{files[-1]}` are the same image in {' and '.join(splits)}: keep one of them."
        elsewhere = {pair.image for split, pair in ordered if split not in TRAINING}
        leave_out = tuple(pair.image for split, pair in ordered if split in TRAINING and pair.image not in elsewhere)
        return Finding("leak", "warning", files, sentence, leave_out)
    return Finding(
        "twice", "warning", files, f"`{files[0]}` and `{files[1]}` are the same image, twice in {splits[0]}."
    )


def _alike(splits: Mapping[str, Sequence[Pair]], images: Mapping[Pair, ImageFacts]) -> Iterator[tuple[Pair, Pair]]:
    """Images of different splits with nearly the same small grey copy, but another content.

    The copies' correlations, one matrix product for two splits, find the candidates; their difference decides.
    """
    names = list(splits)
    for place, split in enumerate(names):
        for other in names[place + 1 :]:
            ours, theirs = ([pair for pair in splits[s] if pair in images] for s in (split, other))
            if not ours or not theirs:
                continue
            copies, their_copies = _copies(ours, images), _copies(theirs, images)
            standard, their_standard = _standardised(copies), _standardised(their_copies)
            for i in range(len(ours)):
                for j in np.flatnonzero(their_standard @ standard[i] > _ALIKE_CORRELATION):
                    same = images[ours[i]].digest == images[theirs[j]].digest
                    if not same and np.abs(copies[i] - their_copies[j]).mean() < _ALIKE_GREY:
                        yield ours[i], theirs[j]


def _copies(pairs: Sequence[Pair], images: Mapping[Pair, ImageFacts]) -> Float[np.ndarray, "N P"]:
    raw = b"".join(bytes.fromhex(images[pair].thumbnail) for pair in pairs)
    return np.frombuffer(raw, np.uint8).reshape(len(pairs), THUMBNAIL * THUMBNAIL).astype(np.float32)


def _standardised(copies: Float[np.ndarray, "N P"]) -> Float[np.ndarray, "N P"]:
    """Mean 0 and length 1; copies without contrast, which would all look alike, become 0."""
    centred = copies - copies.mean(axis=1, keepdims=True)
    flat = copies.std(axis=1, keepdims=True) < _FLAT
    return np.where(flat, 0, centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6))


def _most_common(items: Iterable[int]) -> int | None:
    counts = Counter(items)
    return counts.most_common(1)[0][0] if counts else None
