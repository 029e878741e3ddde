"""Corners of the simplices that hold a point, in any number of dimensions: found, named and numbered.

A corner is named by d + 1 whole numbers that sum to zero, of which the first d are kept. All of them leave the same
remainder by d + 1: the corner's own number in every simplex that it belongs to. Numbers of corners are found by their
names in a table, which grows with them.
"""

import numpy as np
from jaxtyping import Float32, Int32

from intarsia.kernels.compiled import compiled

_FEWEST = 1 << 10  # slots of a table, a power of two; at most half of them are taken
_FREE = np.int32(-1)
_HALF, _ONE = np.float32(0.5), np.float32(1)


@compiled
def build(
    features: Float32[np.ndarray, "N d"], scales: Float32[np.ndarray, " d"], most: int
) -> tuple[
    Int32[np.ndarray, "N d+1"],
    Float32[np.ndarray, "N d+1"],
    Int32[np.ndarray, "M d"],
    Int32[np.ndarray, " T"],
    bool,
]:
    """The corners around each point, by number, with their weights; the corners' names, with the table of them.

    The last says whether there were at most so many.
    """
    count, d = features.shape
    offsets, weights = np.empty((count, d + 1), np.int32), np.empty((count, d + 1), np.float32)
    table, keys, vertices = np.full(_FEWEST, _FREE), np.empty((_FEWEST // 2, d), np.int32), 0
    elevated, origin, rank = np.empty(d + 1, np.float32), np.empty(d + 1, np.int32), np.empty(d + 1, np.int32)
    key = np.empty(d, np.int32)
    for i in range(count):
        _elevate(features[i], scales, elevated)
        _enclose(elevated, origin, rank)
        _barycentric(elevated, origin, rank, weights[i])
        for corner in range(d + 1):
            for axis in range(d):
                key[axis] = origin[axis] + corner - (d + 1 if rank[axis] > d - corner else 0)
            slot = _slot(key, keys, table)
            if table[slot] == _FREE:
                if vertices == most:
                    return offsets, weights, keys, table, False
                if vertices == len(keys):
                    keys, table = _grown(keys)
                    slot = _slot(key, keys, table)
                table[slot] = vertices
                keys[vertices] = key
                vertices += 1
            offsets[i, corner] = table[slot]
    return offsets, weights, keys[:vertices].copy(), table, True


@compiled
def _elevate(
    feature: Float32[np.ndarray, " d"], scales: Float32[np.ndarray, " d"], elevated: Float32[np.ndarray, " d+1"]
) -> None:
    """Onto the plane of d + 1 coordinates that sum to zero."""
    total = np.float32(0)
    for axis in range(len(feature), 0, -1):
        scaled = feature[axis - 1] * scales[axis - 1]
        elevated[axis] = total - np.float32(axis) * scaled
        total += scaled
    elevated[0] = total


@compiled
def _enclose(
    elevated: Float32[np.ndarray, " d+1"], origin: Int32[np.ndarray, " d+1"], rank: Int32[np.ndarray, " d+1"]
) -> None:
    """The nearest corner of number 0, and by how much it is exceeded along each axis: 0 for the most.

    Rounding each coordinate by itself may leave the plane; the sum then says how many have to go one step back.
    """
    axes = len(elevated)
    total = 0
    for axis in range(axes):
        nearest = int(np.floor(elevated[axis] / np.float32(axes) + _HALF))
        origin[axis] = nearest * axes
        total += nearest
    rank[:] = 0
    for axis in range(axes):
        exceeds = elevated[axis] - np.float32(origin[axis])
        for other in range(axis + 1, axes):
            if exceeds < elevated[other] - np.float32(origin[other]):
                rank[axis] += 1
            else:
                rank[other] += 1
    for axis in range(axes):
        rank[axis] += total
        if rank[axis] < 0:
            rank[axis] += axes
            origin[axis] += axes
        elif rank[axis] >= axes:
            rank[axis] -= axes
            origin[axis] -= axes


@compiled
def _barycentric(
    elevated: Float32[np.ndarray, " d+1"],
    origin: Int32[np.ndarray, " d+1"],
    rank: Int32[np.ndarray, " d+1"],
    weights: Float32[np.ndarray, " d+1"],
) -> None:
    """From one rank to the next, the excess falls by the weight of a corner; what is left belongs to number 0."""
    axes = len(elevated)
    weights[:] = 0
    weights[0] = _ONE
    for axis in range(axes):
        excess = (elevated[axis] - np.float32(origin[axis])) / np.float32(axes)
        weights[axes - 1 - rank[axis]] += excess
        weights[axes - rank[axis] if rank[axis] > 0 else 0] -= excess


@compiled
def _slot(key: Int32[np.ndarray, " d"], keys: Int32[np.ndarray, "M d"], table: Int32[np.ndarray, " T"]) -> int:
    """Where a corner is, or would go: names are compared whole, so that none is ever taken for another."""
    mixed = np.uint64(0)
    for part in key:
        mixed = (mixed + np.uint64(np.uint32(part))) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    last = len(table) - 1
    slot = int(np.int64(mixed & np.uint64(last)))
    while table[slot] != _FREE:
        same = True
        found = keys[table[slot]]
        for axis in range(len(key)):
            same = same and found[axis] == key[axis]
        if same:
            break
        slot = (slot + 1) & last
    return slot


@compiled
def _grown(keys: Int32[np.ndarray, "M d"]) -> tuple[Int32[np.ndarray, "2*M d"], Int32[np.ndarray, " T"]]:
    """Twice the room for all corners, which keep their numbers."""
    more = np.empty((2 * len(keys), keys.shape[1]), np.int32)
    more[: len(keys)] = keys
    table = np.full(4 * len(keys), _FREE)
    for vertex in range(len(keys)):
        table[_slot(keys[vertex], more, table)] = vertex
    return more, table


@compiled
def neighbours(keys: Int32[np.ndarray, "M d"], table: Int32[np.ndarray, " T"]) -> Int32[np.ndarray, "d+1 M 2"]:
    """The corners one step before and behind along each axis; M where there is none."""
    vertices, d = keys.shape
    result = np.full((d + 1, vertices, 2), np.int32(vertices))
    key = np.empty(d, np.int32)
    for axis in range(d + 1):
        for vertex in range(vertices):
            for other in range(d):
                key[other] = keys[vertex, other] + (-d if other == axis else 1)
            found = table[_slot(key, keys, table)]
            if found != _FREE:
                result[axis, vertex, 1] = found
                result[axis, found, 0] = vertex
    return result
