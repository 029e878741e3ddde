"""Mixtures of Gaussians over pixels: what a pixel costs under each component, and moments of the pixels of each.

A component costs -log π + ½ log det Σ + ½ (z - μ)ᵀ Σ⁻¹ (z - μ), which callers give as an offset and a lower triangular
matrix A with AᵀA = ½ Σ⁻¹: the cost is offset + |A (z - μ)|². Pixels are worked on in blocks that stay in the first
cache, channel by channel, so that the loops become vector instructions.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from intarsia.kernels.compiled import compiled
from intarsia.kernels.exponential import exponential

_BLOCK = 512
_ZERO, _INFINITE = np.float32(0), np.float32(np.inf)

Pixels = UInt8[np.ndarray, "N C"] | Float32[np.ndarray, "N C"]


@compiled
def moments(
    pixels: Pixels,
    chosen: Bool[np.ndarray, " N"],
    offsets: Float32[np.ndarray, " K"],
    means: Float32[np.ndarray, "K C"],
    factors: Float32[np.ndarray, "K C C"],
) -> tuple[Float64[np.ndarray, "K"], Float64[np.ndarray, "K C"], Float64[np.ndarray, "K C C"], float]:
    """Each chosen pixel goes to its cheapest component: how many went where, the sums of z, of z zᵀ, and of the costs.

    Sums of whole numbers are exact. The matrices' lower triangles are filled.
    """
    count, channels = pixels.shape
    counts, sums = np.zeros(len(means)), np.zeros((len(means), channels))
    products, total = np.zeros((len(means), channels, channels)), 0.0
    planes, part = np.empty((channels, _BLOCK), np.float32), np.empty(_BLOCK, np.float32)
    cost, least, which = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.int32)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        length, here = stop - start, chosen[start:stop]
        if not here.any():
            continue
        _separate(pixels[start:stop], planes)
        least[:length] = _INFINITE
        for k in range(len(means)):
            _costs(planes, length, offsets[k], means[k], factors[k], part, cost)
            index = np.int32(k)
            for i in range(length):
                which[i] = index if cost[i] < least[i] else which[i]
                least[i] = min(cost[i], least[i])
        for i in range(length):
            if here[i]:
                k = which[i]
                total += least[i]
                counts[k] += 1
                for c in range(channels):
                    value = np.float64(planes[c, i])
                    sums[k, c] += value
                    for d in range(c + 1):
                        products[k, c, d] += value * planes[d, i]
    return counts, sums, products, total


@compiled
def costs(
    pixels: Pixels,
    offsets: Float32[np.ndarray, " K"],
    means: Float32[np.ndarray, "K C"],
    factors: Float32[np.ndarray, "K C C"],
    mixed: bool,
) -> Float32[np.ndarray, "N"]:
    """What each pixel costs: the cheapest component's cost, or if `mixed` -log Σ exp(-cost) over all of them."""
    count, channels = pixels.shape
    result = np.empty(count, np.float32)
    planes, part = np.empty((channels, _BLOCK), np.float32), np.empty(_BLOCK, np.float32)
    every, sums = np.empty((len(means), _BLOCK), np.float32), np.empty(_BLOCK, np.float32)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        length, least = stop - start, result[start:stop]
        _separate(pixels[start:stop], planes)
        least[:] = _INFINITE
        for k in range(len(means)):
            _costs(planes, length, offsets[k], means[k], factors[k], part, every[k])
            for i in range(length):
                least[i] = min(every[k, i], least[i])
        if mixed:
            sums[:length] = _ZERO
            for k in range(len(means)):
                for i in range(length):
                    every[k, i] = least[i] - every[k, i]
                exponential(every[k, :length], part)
                for i in range(length):
                    sums[i] += every[k, i]
            for i in range(length):
                least[i] -= np.log(sums[i])
    return result


@compiled
def _separate(pixels: Pixels, planes: Float32[np.ndarray, "C n"]) -> None:
    for c in range(pixels.shape[1]):
        plane = planes[c]
        for i in range(len(pixels)):
            plane[i] = pixels[i, c]


@compiled
def _costs(
    planes: Float32[np.ndarray, "C m"],
    length: int,
    offset: np.float32,
    mean: Float32[np.ndarray, " C"],
    factor: Float32[np.ndarray, "C C"],
    part: Float32[np.ndarray, " m"],
    result: Float32[np.ndarray, " m"],
) -> None:
    """Of one component at the first `length` pixels. Three channels, the usual number, stay in registers."""
    if len(planes) == 3:
        red, green, blue = planes[0], planes[1], planes[2]
        r, g, b = mean[0], mean[1], mean[2]
        rr, gr, gg, br, bg, bb = factor[0, 0], factor[1, 0], factor[1, 1], factor[2, 0], factor[2, 1], factor[2, 2]
        for i in range(length):
            x, y, z = red[i] - r, green[i] - g, blue[i] - b
            first, second, third = rr * x, gr * x + gg * y, br * x + bg * y + bb * z
            result[i] = offset + (first * first + second * second + third * third)
        return
    result[:length] = offset
    for c in range(len(planes)):
        part[:length] = _ZERO
        for d in range(c + 1):
            weight, centre, plane = factor[c, d], mean[d], planes[d]
            for i in range(length):
                part[i] += weight * (plane[i] - centre)
        for i in range(length):
            result[i] += part[i] * part[i]
