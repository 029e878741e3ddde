"""Steps of a diffusion on a GPU: a program does several on a tile, whose rim becomes useless step by step.

Tiles overlap so that the part that stays is theirs alone, and nothing waits for another program. Between two steps a
tile is written to memory and read from the cache; weights come from there too after the first step.
"""

from typing import no_type_check

import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

Maps = Float[Tensor, "B C H W"]

_TILE = (32, 64)
_WARPS = 8
_HALO = 6  # at most: steps of one launch times the radius


def steps_at_once(kernel_size: int) -> int:
    """How many steps one launch does."""
    return _HALO // (kernel_size // 2)


def diffuse(
    weights: Float[Tensor, "B taps H W"],
    first: Maps | None,
    added: Maps | None,
    start: Maps,
    steps: int,
    *,
    adjoint: bool = False,
    traced: bool = False,
) -> Float[Tensor, "states B C H W"]:
    """A few steps in one launch.

    Args:
        weights: of neighbours in reading order, with the pixel's own in the middle.
        first: the map that the pixel's own weight multiplies, or None for the current one.
        added: in each step; not in the adjoint.
        start: the map before.
        steps: how many, at most `steps_at_once`.
        adjoint: transposed steps, which bring gradients back.
        traced: return the start and the map after each step, and not the last alone.
    """
    batch, channels, height, width = start.shape
    radius, (tall, wide) = {9: 1, 25: 2, 49: 3}[weights.shape[1]], _TILE
    halo = steps * radius
    down, across = -(-height // (tall - 2 * halo)), -(-width // (wide - 2 * halo))
    result = start.new_empty(steps + 1 if traced else 1, *start.shape)
    room = start.new_empty(batch * channels * down * across * 2 * tall * wide)
    _steps[(batch * channels * down * across,)](  # the other axes end at 65535
        weights, start if first is None else first, start if added is None else added, start, result, room,
        channels, height, width, steps, down * across, across,
        RADIUS=radius, OWN=first is None, ADDED=added is not None, ADJOINT=adjoint, TRACED=traced,
        TALL=tall, WIDE=wide, num_warps=_WARPS,  # type: ignore[reportCallIssue]
    )  # fmt: skip
    return result


def weight_gradient(
    states: Float[Tensor, "states B C H W"],
    adjoints: Float[Tensor, "states B C H W"],
    first: Maps | None,
    grad_weights: Float[Tensor, "B taps H W"],
    grad_added: Maps,
) -> None:
    """Add what some steps say of the weights, and of what each step adds.

    Args:
        states: the map before each step.
        adjoints: the gradient behind each step, last one first.
        first: the map that the pixel's own weight multiplies, or None for the current one.
        grad_weights: is added to.
        grad_added: is added to.
    """
    count, (batch, channels, height, width) = len(adjoints), grad_added.shape
    taps, block = grad_weights.shape[1], 512
    _gather[(-(-height * width // block), batch, taps)](
        states, adjoints, grad_added if first is None else first, grad_weights, grad_added,
        channels, height, width, count,
        SIZE={9: 3, 25: 5, 49: 7}[taps], OWN=first is None, BLOCK=block,
    )  # fmt: skip


@triton.jit
@no_type_check
def _steps(
    weights, first, added, start, result, room, channels, height, width, steps, tiles, across,
    RADIUS: tl.constexpr, OWN: tl.constexpr, ADDED: tl.constexpr, ADJOINT: tl.constexpr, TRACED: tl.constexpr,
    TALL: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    SIZE: tl.constexpr = 2 * RADIUS + 1
    CENTRE: tl.constexpr = SIZE * SIZE // 2
    pixels, halo, tile = tl.cast(height, tl.int64) * width, steps * RADIUS, tl.program_id(0) % tiles
    number, maps = (tl.program_id(0) // tiles).to(tl.int64), tl.num_programs(0) // tiles
    i, j = tl.arange(0, TALL)[:, None], tl.arange(0, WIDE)[None, :]
    row = tile // across * (TALL - 2 * halo) - halo + i
    column = tile % across * (WIDE - 2 * halo) - halo + j
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    at, cell = row * width + column, i * WIDE + j
    stays = inside & (i >= halo) & (i < TALL - halo) & (j >= halo) & (j < WIDE - halo)
    weights += number // channels * SIZE * SIZE * pixels
    result += number * pixels
    room += (number * tiles + tile) * 2 * TALL * WIDE
    state = tl.load(start + number * pixels + at, inside, other=0.0)
    constant = tl.full((TALL, WIDE), 0.0, state.dtype)
    own = constant
    if OWN or not ADJOINT:
        own = tl.load(weights + CENTRE * pixels + at, inside, other=0.0)
    if not OWN and not ADJOINT:
        constant = own * tl.load(first + number * pixels + at, inside, other=0.0)
    if ADDED:
        constant += tl.load(added + number * pixels + at, inside, other=0.0)
    for step in range(steps):
        if TRACED:
            tl.store(result + step * maps * pixels + at, state, stays)
        held = room + step % 2 * TALL * WIDE
        tl.store(held + cell, state)
        tl.debug_barrier()
        total = constant
        if OWN:
            total = total + own * state
        for tap in tl.static_range(SIZE * SIZE):
            if tap != CENTRE:
                down, right = tap // SIZE - RADIUS, tap % SIZE - RADIUS
                if ADJOINT:  # from the pixels that this one is a neighbour of, by the weights there
                    down, right = -down, -right
                    y, x = row + down, column + right
                    there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
                    weight = tl.load(weights + tap * pixels + y * width + x, there, other=0.0)
                else:
                    weight = tl.load(weights + tap * pixels + at, inside, other=0.0)
                near = (i + down >= 0) & (i + down < TALL) & (j + right >= 0) & (j + right < WIDE)
                total += weight * tl.load(held + cell + down * WIDE + right, near, other=0.0)
        state = total
    if TRACED:
        result += steps * maps * pixels
    tl.store(result + at, state, stays)


@triton.jit
@no_type_check
def _gather(
    states, adjoints, first, grad_weights, grad_added, channels, height, width, count,
    SIZE: tl.constexpr, OWN: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One neighbour's weights of some pixels; what is added in each step belongs to the one in the middle."""
    pixels, b, tap = height * width, tl.program_id(1).to(tl.int64), tl.program_id(2)
    at, middle = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tap == SIZE * SIZE // 2
    inside = at < pixels
    row, column = at // width + tap // SIZE - SIZE // 2, at % width + tap % SIZE - SIZE // 2
    there = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    multiplied = there
    if not OWN:
        multiplied = there & (tap != SIZE * SIZE // 2)
    beside, stride = row * width + column, tl.num_programs(1).to(tl.int64) * channels * pixels
    target = grad_weights + (b * SIZE * SIZE + tap) * pixels + at
    found = tl.load(target, there, other=0.0)
    for c in range(channels):
        here = (b * channels + c) * pixels
        summed = tl.full((BLOCK,), 0.0, found.dtype)
        for step in range(count):
            a = tl.load(adjoints + (count - 1 - step) * stride + here + at, inside, other=0.0)
            found += a * tl.load(states + step * stride + here + beside, multiplied, other=0.0)
            summed += a
        before = tl.load(grad_added + here + at, inside & middle, other=0.0)
        tl.store(grad_added + here + at, before + summed, inside & middle)
        if not OWN:
            found += summed * tl.load(first + here + at, inside & middle, other=0.0)
    tl.store(target, found, there)
