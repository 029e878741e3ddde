"""The affinity field loss and its gradient on a GPU (Triton); tensors in and out.

A program has all classes of a few pixels in registers and looks at their neighbours in turn. A pixel is a centre, and
it is the neighbour of its neighbours: both parts of its gradient are gathered, so that no program writes to another's
pixels. Sums are written by each program and added up afterwards: the same numbers every time.
"""

import math
from collections.abc import Sequence
from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from intarsia.kernels.affinity_field.layout import LEAST

Maps = Float[Tensor, "B K H W"]
Table = Float[Tensor, "K S"]

_HELD = 512  # numbers of a map that a program has at once


def affinity_field(
    logits: Maps,
    labels: Int[Tensor, "B H W"],
    edge: Table,
    not_edge: Table,
    offsets: Sequence[int],
    margin: float,
    ignore: int,
) -> tuple[Float[Tensor, ""], Maps, Table, Table]:
    """The loss, and its gradients by logits and by both tables."""
    (batch, classes, height, width), sizes = logits.shape, len(offsets)
    labels, logarithms = labels.contiguous(), logits.log_softmax(1).contiguous()
    grad = logits.new_empty(logits.shape)  # not with the strides of logits, which may be any
    distances = torch.tensor(offsets, device=logits.device)
    padded = max(2, 1 << (classes - 1).bit_length())
    block = max(16, _HELD // padded)
    programs = (-(-height * width // block), batch)
    counts = logits.new_empty(*programs, sizes, 2, dtype=torch.int64)
    _count[programs](labels, distances, counts, height, width, sizes, classes, ignore, BLOCK=block)
    two, one = counts.sum((0, 1)).unbind(1)
    shares = 1 / torch.stack([2 * two, classes * one + (classes - 2) * two], 1).clamp_min(1).to(logits.dtype)
    tables = torch.stack([edge, not_edge]) * shares.mT[:, None]
    sums = logits.new_empty(*programs, 2, sizes, padded)
    _pairs[programs](
        logarithms, labels, distances, tables.contiguous(), grad, sums,
        height, width, sizes, classes, ignore, margin,
        LEAST=LEAST, LOG_LEAST=math.log(LEAST), CLASSES=padded, BLOCK=block,
    )  # fmt: skip
    means = sums.sum((0, 1))[..., :classes].mT * shares.mT[:, None]
    on_edge, beside = (mean.clone(memory_format=torch.contiguous_format) for mean in means)
    return (on_edge * edge + beside * not_edge).sum(), grad, on_edge, beside


@triton.jit
@no_type_check
def _seen(labels, row, column, height, width, classes, ignore):
    """Labels, and where they are a class's; pixels outside have none."""
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    label = tl.load(labels + row * width + column, inside, other=ignore)
    return label, inside & (label != ignore) & (label >= 0) & (label < classes)


@triton.jit
@no_type_check
def _count(labels, distances, counts, height, width, sizes, classes, ignore, BLOCK: tl.constexpr):
    """Pairs of two classes and of one, at each distance."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    labels += tl.program_id(1).to(tl.int64) * height * width
    counts += (tl.program_id(0).to(tl.int64) * tl.num_programs(1) + tl.program_id(1)) * sizes * 2
    row, column = at // width, at % width
    own, known = _seen(labels, row, column, height, width, classes, ignore)
    for size in range(sizes):
        offset = tl.load(distances + size)
        two, one = tl.full((BLOCK,), 0, tl.int32), tl.full((BLOCK,), 0, tl.int32)
        for direction in tl.static_range(9):
            if direction != 4:
                down, right = (direction // 3 - 1) * offset, (direction % 3 - 1) * offset
                other, there = _seen(labels, row + down, column + right, height, width, classes, ignore)
                _, back = _seen(labels, row - down, column - right, height, width, classes, ignore)
                valid = known & there & back
                two += (valid & (own != other)).to(tl.int32)
                one += (valid & (own == other)).to(tl.int32)
        tl.store(counts + 2 * size, tl.reduce(two, 0, _add))
        tl.store(counts + 2 * size + 1, tl.reduce(one, 0, _add))


@triton.jit
@no_type_check
def _add(a, b):
    return a + b


@triton.jit
@no_type_check
def _parts(logarithm, LEAST: tl.constexpr, LOG_LEAST: tl.constexpr):
    """p; p and 1 - p from the least on, and their logarithms."""
    p = tl.exp(logarithm)
    b = tl.where(1.0 - p > LEAST, 1.0 - p, LEAST)
    return p, tl.where(p > LEAST, p, LEAST), b, tl.where(logarithm > LOG_LEAST, logarithm, LOG_LEAST), tl.log(b)


@triton.jit
@no_type_check
def _divergence(a, rest, log_a, log_rest, log_a2, log_rest2):
    """Kullback and Leibler's, of two outcomes: how far the second distribution is from the first, a and 1 - a."""
    return a * (log_a - log_a2) + rest * (log_rest - log_rest2)


@triton.jit
@no_type_check
def _weights(tables, label, known, size, sizes, classes):
    """How much the pairs of a centre of each label count: across edges, and elsewhere."""
    push = tl.load(tables + label * sizes + size, known, other=0.0)
    pull = tl.load(tables + (classes + label) * sizes + size, known, other=0.0)
    return push[None, :], pull[None, :]


@triton.jit
@no_type_check
def _slope(valid, is_edge, left, push, pull):
    """Of the loss by a divergence: edges push up to the margin, of which `left` is left."""
    return tl.where(valid, tl.where(is_edge, tl.where(left > 0, -push, 0.0), pull), 0.0)


@triton.jit
@no_type_check
def _store_sums(place, on_edge, beside, is_own, sizes, CLASSES: tl.constexpr):
    """The terms of all classes, added up for each class of the centre."""
    on_edge = tl.reduce(on_edge, 0, _add)[None, :]
    beside = tl.reduce(beside, 0, _add)[None, :]
    tl.store(place, tl.reduce(tl.where(is_own, on_edge, 0.0), 1, _add))
    tl.store(place + sizes * CLASSES, tl.reduce(tl.where(is_own, beside, 0.0), 1, _add))


@triton.jit
@no_type_check
def _by_logits(p, rest, by_a, by_rest, by_log_a, by_log_rest, is_class, LEAST: tl.constexpr):
    """The gradient by logits of one by p and 1 - p and by their logarithms, which are constant below the least."""
    found = tl.where(p >= LEAST, p * by_a + by_log_a, 0.0)
    found -= tl.where(1.0 - p >= LEAST, p * (by_rest + by_log_rest / rest), 0.0)
    return found - p * tl.reduce(tl.where(is_class, found, 0.0), 0, _add)[None, :]


@triton.jit
@no_type_check
def _pairs(
    logarithms, labels, distances, tables, grad, sums, height, width, sizes, classes, ignore, margin,
    LEAST: tl.constexpr, LOG_LEAST: tl.constexpr, CLASSES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    pixels, b = height * width, tl.program_id(1).to(tl.int64)
    at, c = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, CLASSES)[:, None]
    labels += b * pixels
    logarithms += b * classes * pixels
    sums += (tl.program_id(0).to(tl.int64) * tl.num_programs(1) + tl.program_id(1)) * 2 * sizes * CLASSES
    row, column = at // width, at % width
    own, known = _seen(labels, row, column, height, width, classes, ignore)
    is_class = c < classes
    here = c.to(tl.int64) * pixels + at[None, :]
    p, a, rest, log_a, log_rest = _parts(
        tl.load(logarithms + here, is_class & known[None, :], other=0.0), LEAST, LOG_LEAST
    )
    is_own = own[None, :] == c
    zero = tl.full((CLASSES, BLOCK), 0.0, p.dtype)
    by_a, by_rest, by_log_a, by_log_rest = zero, zero, zero, zero
    for size in range(sizes):
        offset = tl.load(distances + size)
        push, pull = _weights(tables, own, known, size, sizes, classes)
        on_edge, beside = zero, zero
        for direction in range(8):  # not unrolled: registers would not do
            number = direction + direction // 4  # not the pixel itself
            down, right = (number // 3 - 1) * offset, (number % 3 - 1) * offset
            other, there = _seen(labels, row + down, column + right, height, width, classes, ignore)
            _, back = _seen(labels, row - down, column - right, height, width, classes, ignore)
            _, beyond = _seen(labels, row + 2 * down, column + 2 * right, height, width, classes, ignore)
            there = known & there
            _, a2, rest2, log_a2, log_rest2 = _parts(
                tl.load(logarithms + here + down * width + right, is_class & there[None, :], other=0.0),
                LEAST, LOG_LEAST,
            )  # fmt: skip
            is_edge = is_own != (other[None, :] == c)
            valid = is_class & (there & back)[None, :]  # the pixel is the centre
            left = margin - _divergence(a2, rest2, log_a2, log_rest2, log_a, log_rest)
            on_edge += tl.where(valid & is_edge & (left > 0), left, 0.0)
            beside += tl.where(valid & (is_edge == 0), margin - left, 0.0)
            slope = _slope(valid, is_edge, left, push, pull)
            by_log_a -= slope * a2
            by_log_rest -= slope * rest2
            valid = is_class & (there & beyond)[None, :]  # the pixel is its neighbour's neighbour
            left = margin - _divergence(a, rest, log_a, log_rest, log_a2, log_rest2)
            push2, pull2 = _weights(tables, other, there, size, sizes, classes)
            slope = _slope(valid, is_edge, left, push2, pull2)
            by_a += slope * (log_a + 1.0 - log_a2)
            by_rest += slope * (log_rest + 1.0 - log_rest2)
        _store_sums(sums + size * CLASSES + tl.arange(0, CLASSES), on_edge, beside, is_own, sizes, CLASSES)
    found = _by_logits(p, rest, by_a, by_rest, by_log_a, by_log_rest, is_class, LEAST)
    tl.store(
        grad + b * classes * pixels + here, tl.where(known[None, :], found, 0.0), is_class & (at < pixels)[None, :]
    )
