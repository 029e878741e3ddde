"""What is wrong with a set, told from the facts of its files: each rule is one function, none of which reads a file."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from intarsia.data.checking.facts import ImageFacts, MaskFacts, PairFacts
from intarsia.data.checking.finding import Finding
from intarsia.data.checking.image_findings import copy_findings, image_findings, most_common, reading_findings
from intarsia.data.classes import Classes
from intarsia.data.dataset import unequal
from intarsia.data.infer import MOST_COLOURS, stray, too_many_colours
from intarsia.data.listing import Pair

_FEW_VALUES = 8  # a class one pixel wide lies between two others, too; interpolation makes many values
_INTERPOLATED = 0.5  # of the border pixels; drawn masks have less than 0.15, interpolated ones more than 0.65
_SHIFT_PEAK, _SHIFT_HERE = 5.0, 2.0  # standard deviations


def file_findings(pair: Pair, facts: PairFacts) -> Iterator[Finding]:
    """What is wrong with a single pair, whatever the rest of the set."""
    image, mask = facts.image, facts.mask
    both = (pair.image, pair.mask)
    yield from image_findings(pair.image, image)
    yield from reading_findings(pair.mask, mask if isinstance(mask, str) else mask.pages)
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


def spelling_findings(facts: Mapping[Pair, PairFacts]) -> Iterator[Finding]:
    """Masks of colours among masks of indices, and the reverse."""
    spelled = {pair: fact.mask.is_colour for pair, fact in facts.items() if isinstance(fact.mask, MaskFacts)}
    colour = most_common(spelled.values())
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
            kinds = "one of the classes" if len(absent) == 1 else f"{len(absent)} of the classes"
            sentence = f"The {split} split holds no pixel of {kinds}: {names}."
            yield Finding("absent", "warning", (), sentence)
    images = {pair: fact.image for pair, fact in facts.items() if isinstance(fact.image, ImageFacts)}
    yield from copy_findings(splits, images)


def shift_of_set(facts: Sequence[PairFacts]) -> tuple[int, int] | None:
    """The median shift of all masks that show one clearly, if more than half of them agree on another than none."""
    clear = [fact.shift for fact in facts if fact.shift and fact.shift.there > _SHIFT_PEAK]
    moved = [shift for shift in clear if max(abs(shift.rows), abs(shift.columns)) > 1 and shift.here < _SHIFT_HERE]
    if len(moved) <= len(clear) / 2:
        return None
    return round(median(shift.rows for shift in moved)), round(median(shift.columns for shift in moved))
