"""Links between neighbouring pixels that are weaker where colours differ, row by row."""

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from intarsia.kernels.compiled import compiled
from intarsia.kernels.exponential import exponential

_ZERO, _QUARTER = np.float32(0), np.float32(0.25)
_DIAGONAL = np.float32(0.5**0.5)  # one over a diagonal neighbour's distance

Levels = UInt8[np.ndarray, "H W C"] | Float32[np.ndarray, "H W C"]


@compiled
def squared_differences(image: Levels, directions: int) -> float:
    """The sum of |z_p - z_q|² over all neighbours to the right and below, and if 4 `directions` on diagonals."""
    height, width, channels = image.shape
    planes = np.zeros((2, channels, width), np.float32)
    squares, total = np.zeros((directions, width), np.float32), 0.0
    for y in range(height):
        _squares_of_row(image, y, planes, squares)
        for direction in range(directions):
            row = squares[direction]
            for x in range(width):
                total += row[x]
    return total


@compiled
def contrast_links(
    image: Levels, directions: int, beta: np.float32, gamma: np.float32
) -> Float32[np.ndarray, "H W directions"]:
    """γ / distance · exp(-β |z_p - z_q|²) to the right, below, below right, below left; 0 where there is no pixel."""
    height, width, channels = image.shape
    result = np.empty((height, width, directions), np.float32)
    planes = np.zeros((2, channels, width), np.float32)
    squares, room = np.zeros((directions, width), np.float32), np.empty(width, np.float32)
    for y in range(height):
        _squares_of_row(image, y, planes, squares)
        for direction in range(directions):
            row, weight = squares[direction], gamma if direction < 2 else gamma * _DIAGONAL
            for x in range(width):
                row[x] *= -beta
            exponential(row, room)
            exists = y + 1 < height or direction == 0
            for x in range(width):
                result[y, x, direction] = weight * row[x] if exists else _ZERO
        if directions == 4:
            result[y, 0, 3] = result[y, width - 1, 2] = _ZERO
        result[y, width - 1, 0] = _ZERO
    return result


@compiled
def _squares_of_row(
    image: Levels, y: int, planes: Float32[np.ndarray, "2 C W"], squares: Float32[np.ndarray, "directions W"]
) -> None:
    """Rows are taken in turn, and `planes` hold this one and the next, in even and odd places."""
    above, below, has_below = planes[y % 2], planes[(y + 1) % 2], y + 1 < len(image)
    if y == 0:
        _separate_row(image[0], above)
    if has_below:
        _separate_row(image[y + 1], below)
    _squares(above, below, has_below, squares)


@compiled
def _separate_row(
    row: Float32[np.ndarray, "W C"] | UInt8[np.ndarray, "W C"], planes: Float32[np.ndarray, "C W"]
) -> None:
    for c in range(len(planes)):
        plane = planes[c]
        for x in range(len(plane)):
            plane[x] = row[x, c]


@compiled
def _squares(
    above: Float32[np.ndarray, "C W"],
    below: Float32[np.ndarray, "C W"],
    has_below: bool,
    squares: Float32[np.ndarray, "directions W"],
) -> None:
    """Of one row, 0 where there is no neighbour."""
    squares[:] = _ZERO
    width = above.shape[1]
    for c in range(len(above)):
        here, under = above[c], below[c]
        for x in range(width - 1):
            difference = here[x + 1] - here[x]
            squares[0, x] += difference * difference
        if has_below:
            for x in range(width):
                difference = under[x] - here[x]
                squares[1, x] += difference * difference
        if has_below and len(squares) == 4:
            for x in range(width - 1):
                falling, rising = under[x + 1] - here[x], under[x] - here[x + 1]
                squares[2, x] += falling * falling
                squares[3, x + 1] += rising * rising


@compiled
def broken_links(links: Float32[np.ndarray, "H W directions"], foreground: Bool[np.ndarray, "H W"]) -> float:
    """The sum of the links between pixels on different sides."""
    height, width, directions = links.shape
    total = 0.0
    for y in range(height):
        for x in range(width):
            own = foreground[y, x]
            if x + 1 < width and foreground[y, x + 1] != own:
                total += links[y, x, 0]
            if y + 1 == height:
                continue
            if foreground[y + 1, x] != own:
                total += links[y, x, 1]
            if directions == 4:
                if x + 1 < width and foreground[y + 1, x + 1] != own:
                    total += links[y, x, 2]
                if x > 0 and foreground[y + 1, x - 1] != own:
                    total += links[y, x, 3]
    return total


@compiled
def halved(image: Levels, rounding: np.float32) -> Levels:
    """Every second pixel of every second row is the mean of four; at odd edges pixels count twice.

    Whole numbers are cut off, so that a half as `rounding` rounds them.
    """
    height, width, channels = image.shape
    result = np.empty(((height + 1) // 2, (width + 1) // 2, channels), image.dtype)
    for y in range(result.shape[0]):
        above, below = image[2 * y], image[min(2 * y + 1, height - 1)]
        for x in range(result.shape[1]):
            right = min(2 * x + 1, width - 1)
            for c in range(channels):
                four = np.float32(above[2 * x, c]) + np.float32(above[right, c])
                four += np.float32(below[2 * x, c]) + np.float32(below[right, c])
                result[y, x, c] = four * _QUARTER + rounding
    return result
