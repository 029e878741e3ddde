"""All steps of a diffusion and their gradient, on a GPU (Triton); tensors in and out.

Nothing is kept for the gradient. It runs forwards once more and keeps the map before each launch of a few steps; then,
from the last launch to the first, the maps within and their gradients are made side by side and multiplied.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.kernels.diffusion import steps_on_gpu
from intarsia.kernels.diffusion.steps_on_gpu import steps_at_once, weight_gradient
from intarsia.kernels.diffusion.weights_on_gpu import guidance_gradient, lay_out_weights

Maps = Float[Tensor, "B C H W"]
Guidance = Float[Tensor, "B neighbours H W"]
Share = Float[Tensor, "B 1 H W"]


def diffuse(
    h0: Maps, guidance: Guidance, added: Maps | None, free: Share | None,
    steps: int, kernel_size: int, shifted: bool, absolute: bool, own: bool,
) -> Maps:  # fmt: skip
    """All steps; arguments are as in :func:`intarsia.affinity.in_pytorch.diffuse_maps`."""
    h0, guidance, added, free = _contiguous(h0, guidance, added, free)
    weights = lay_out_weights(guidance, free, kernel_size, shifted, absolute)
    h = h0
    for count in _launches(steps, kernel_size):
        h = steps_on_gpu.diffuse(weights, None if own else h0, added, h, count)[-1]
    return h


def diffuse_back(
    grad: Maps, h0: Maps, guidance: Guidance, added: Maps | None, free: Share | None,
    steps: int, kernel_size: int, shifted: bool, absolute: bool, own: bool,
) -> tuple[Maps, Guidance, Maps]:  # fmt: skip
    """Gradients of the first map, of the guidance, and of what is added in each step."""
    grad, h0, guidance, added, free = _contiguous(grad, h0, guidance, added, free)
    weights = lay_out_weights(guidance, free, kernel_size, shifted, absolute)
    first, launches, starts = None if own else h0, _launches(steps, kernel_size), [h0]
    for count in launches[:-1]:
        starts.append(steps_on_gpu.diffuse(weights, first, added, starts[-1], count)[-1])
    grad_weights, grad_added = torch.zeros_like(weights), torch.zeros_like(h0)
    for count in reversed(launches):
        states = steps_on_gpu.diffuse(weights, first, added, starts.pop(), count - 1, traced=True)
        adjoints = steps_on_gpu.diffuse(weights, first, None, grad, count, adjoint=True, traced=True)
        weight_gradient(states, adjoints[:-1], first, grad_weights, grad_added)
        grad = adjoints[-1]
    grad_guidance = guidance_gradient(guidance, free, kernel_size, shifted, absolute, grad_weights)
    middle = kernel_size**2 // 2
    return grad if own else grad + weights[:, middle, None] * grad_added, grad_guidance, grad_added


def _contiguous(*tensors: Tensor | None) -> list:
    return [None if tensor is None else tensor.contiguous() for tensor in tensors]


def _launches(steps: int, kernel_size: int) -> list[int]:
    """How many steps each launch does: all alike, but for one."""
    most = steps_at_once(kernel_size)
    count = -(-steps // most)
    return [steps // count + (number < steps % count) for number in range(count)]
