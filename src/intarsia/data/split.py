"""A deterministic split by hash of the name: a file keeps its side when others are added."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol, TypeVar, runtime_checkable

VALIDATION_SHARE = 0.2


@runtime_checkable  # for the checks of types in tests
class Named(Protocol):
    """What can be told from others by its name."""

    @property
    def name(self) -> str:
        """Its path without extension."""
        ...


Item = TypeVar("Item", bound=Named)


def position(name: str) -> float:
    """A number in [0, 1) that depends on the name alone; below `VALIDATION_SHARE` means validation.

    >>> round(position("street/0001"), 3)
    0.259
    """
    return int.from_bytes(blake2b(name.encode(errors="surrogateescape"), digest_size=6).digest(), "big") / 2**48


def split_by_hash(pairs: Sequence[Item]) -> tuple[dict[str, tuple[Item, ...]], str]:
    """The splits train and val, of which val is about a fifth, and a few words that say what was done.

    From two pairs on neither split is empty; a single pair is in both.
    """
    if not pairs:
        return {}, "nothing is left"
    if len(pairs) == 1:
        return {"train": tuple(pairs), "val": tuple(pairs)}, "the only image serves as train and as val"
    ranked = sorted(pairs, key=lambda pair: (position(pair.name), pair.name))
    below = sum(position(pair.name) < VALIDATION_SHARE for pair in pairs)
    chosen = {pair.name for pair in ranked[: min(max(below, 1), len(pairs) - 1)]}
    splits = {
        "train": tuple(pair for pair in pairs if pair.name not in chosen),
        "val": tuple(pair for pair in pairs if pair.name in chosen),
    }
    return splits, f"{len(chosen)} of {len(pairs)} became val by the hash of their names"


def completed(splits: dict[str, tuple[Item, ...]], layout: str) -> tuple[dict[str, tuple[Item, ...]], str]:
    """Splits and layout with a val split off train where there is none."""
    if "val" in splits or not splits.get("train"):
        return splits, layout
    halves, words = split_by_hash(splits["train"])
    return {**halves, **{name: pairs for name, pairs in splits.items() if name != "train"}}, f"{layout}; {words}"
