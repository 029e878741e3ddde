"""Distinct numbers of a long list, numbered as they appear: an open hash table that grows.

It is two arrays and no object, because Numba counts references to arrays that change hands inside a loop, which costs
more than the looking up. So a kernel stops where the table is half full, and plain Python makes the next one.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Int64

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.memory import require_memory
from intarsia.kernels.vectors.arithmetic import address_of
from intarsia.kernels.vectors.rows import fetch

_FREE = -1
_SPREAD = 0x1E3779B97F4A7C15  # odd and without pattern: the top bits of a product with it depend on all bits of a key
_SMALLEST = 1 << 10  # slots, a power of 2
_AHEAD = 12  # keys


class Distinct(NamedTuple):
    """A key's number is its place in `keys`; a slot holds a key and its number."""

    keys: Int64[np.ndarray, "n"]
    slots: Int64[np.ndarray, "m 2"]


def distinct(
    keys: Int64[np.ndarray, "N"], guess: int = 0, first: int = 0, period: int = 1
) -> tuple[Distinct, Int32[np.ndarray, "N"]]:
    """The distinct ones of `keys`, none below 0, and the number of each key, `first` or more.

    The table begins with room for a `guess` of how many there are. A key is compared first with that `period` before.

    >>> found, numbers = distinct(np.array([70, 70, 30, 70, 50]))
    >>> found.keys, numbers
    (array([70, 30, 50]), array([0, 0, 1, 0, 2], dtype=int32))
    """
    numbers = np.empty(len(keys), np.int32)
    slots = max(_SMALLEST, 1 << (2 * guess).bit_length())
    known, table = np.full(slots // 2, _FREE), np.full((slots, 2), _FREE)
    place, used = _number(keys, period, 0, known, first, table, _shift(table), numbers)
    while place < len(keys):
        slots *= 2
        require_memory(32 * slots, "A lattice of so many corners")  # slots, keys, and what is made of them
        known, table = np.concatenate([known, np.full(len(known), _FREE)]), np.full((slots, 2), _FREE)
        _insert(known, first, used, table, _shift(table))
        place, used = _number(keys, period, place, known, used, table, _shift(table), numbers)
    return Distinct(known[:used], table), numbers


def look_up(found: Distinct, keys: Int64[np.ndarray, "N"]) -> Int32[np.ndarray, "N"]:
    """The numbers of keys, and 0 for those that are not there."""
    result = np.empty(len(keys), np.int32)
    _look_up(keys, found.slots, _shift(found.slots), result)
    return result


def _shift(table: Int64[np.ndarray, "m 2"]) -> int:
    return 65 - len(table).bit_length()  # leaves as many bits as count the slots


@step
def _slot(table: Int64[np.ndarray, "m 2"], shift: int, key: int) -> np.uint64:
    """The slot that holds a key, or the free one where it belongs."""
    mask = np.uint64(len(table) - 1)
    slot = np.uint64((key * _SPREAD) >> shift) & mask
    while table[slot, 0] != key and table[slot, 0] != _FREE:
        slot = (slot + np.uint64(1)) & mask
    return slot


@step
def _ask(table: Int64[np.ndarray, "m 2"], shift: int, key: int) -> None:
    """Have the place of a key that comes soon brought near."""
    fetch(address_of(table) + 16 * (((key * _SPREAD) >> shift) & (len(table) - 1)))


@in_place
def _number(
    keys: Int64[np.ndarray, "N"],
    period: int,
    start: int,
    known: Int64[np.ndarray, "n"],
    used: int,
    table: Int64[np.ndarray, "m 2"],
    shift: int,
    numbers: Int32[np.ndarray, "N"],
) -> tuple[int, int]:
    """From `start` on, until the table is half full; where it stopped, and how many are known."""
    room = len(known)
    for i in range(start, len(keys)):
        key, before = keys[i], i - period
        _ask(table, shift, keys[min(i + _AHEAD, len(keys) - 1)])
        if before >= 0 and key == keys[before]:
            numbers[i] = numbers[before]
            continue
        slot = _slot(table, shift, key)
        if table[slot, 0] == _FREE:
            if used == room:
                return i, used
            table[slot, 0], table[slot, 1], known[used] = key, used, key
            used += 1
        numbers[i] = table[slot, 1]
    return len(keys), used


@in_place
def _insert(known: Int64[np.ndarray, "n"], first: int, used: int, table: Int64[np.ndarray, "m 2"], shift: int) -> None:
    for number in range(first, used):
        slot = _slot(table, shift, known[number])
        table[slot, 0], table[slot, 1] = known[number], number


@in_place
def _look_up(
    keys: Int64[np.ndarray, "N"], table: Int64[np.ndarray, "m 2"], shift: int, numbers: Int32[np.ndarray, "N"]
) -> None:
    for i in range(len(keys)):
        _ask(table, shift, keys[min(i + _AHEAD, len(keys) - 1)])
        slot = _slot(table, shift, keys[i])
        numbers[i] = 0 if table[slot, 0] == _FREE else table[slot, 1]
