"""Both propagations in plain PyTorch beside the compiled kernels, results and gradients."""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from intarsia.affinity import convolutional_propagation, spatial_propagation
from intarsia.affinity.convolutional_propagation import _diffuse
from intarsia.affinity.in_pytorch import diffuse_maps, propagate_lines
from intarsia.affinity.spatial_propagation import DIRECTIONS, DIVIDED_FROM, _course, _propagate

DRAW = torch.Generator().manual_seed(0)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=DRAW, dtype=torch.float64, requires_grad=True)


def with_gradients(form: Callable[..., Tensor], *parts: Tensor | None) -> list[Tensor]:
    result = form(*parts)
    leaves = [part for part in parts if part is not None and part.requires_grad]
    return [result, *torch.autograd.grad(torch.cos(result).sum(), leaves, materialize_grads=True)]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("threshold", DIVIDED_FROM.values(), ids=map(str, DIVIDED_FROM))
def test_lines_are_propagated_alike(direction: str, threshold: float) -> None:
    for ways, gate_channels, (height, width) in product((1, 3), (1, 2), ((1, 1), (5, 7))):
        x, gates = drawn(2, 2, height, width), drawn(2, ways, gate_channels, height, width)
        compiled = with_gradients(lambda *parts: _propagate(*parts, direction, threshold), x, gates * 0.4)
        plain = with_gradients(lambda *parts: propagate_lines(*parts, *_course(direction), threshold), x, gates * 0.4)
        torch.testing.assert_close(plain, compiled, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_maps_diffuse_alike(shifted: bool, absolute: bool, own: bool) -> None:
    for kernel_size, (height, width), held in product((3, 5, 7), ((1, 2), (6, 9)), (False, True)):
        h0, guidance = drawn(2, 2, height, width), drawn(2, kernel_size**2 - 1, height, width)
        added, free = (drawn(2, 2, height, width), drawn(2, 1, height, width).detach() > 0) if held else (None, None)
        share = None if free is None else free.double()
        options = (3, kernel_size, shifted, absolute, own)
        compiled, plain = (
            with_gradients(
                lambda *parts, form=form, options=options: form(*parts, *options), h0, guidance, added, share
            )
            for form in (_diffuse, diffuse_maps)
        )
        torch.testing.assert_close(plain, compiled, rtol=1e-10, atol=1e-10)


def test_gates_and_guidance_of_zero_have_a_finite_gradient() -> None:
    x, gates, guidance = drawn(1, 1, 4, 5), torch.zeros(1, 3, 1, 4, 5), torch.zeros(1, 8, 4, 5)
    for form, zero in (
        (lambda x, gates: propagate_lines(x, gates, True, False, 1e-8), gates),
        (lambda x, guidance: diffuse_maps(x, guidance, None, None, 3, 3, True, False, False), guidance),
    ):
        result, _, grad = with_gradients(form, x, zero.double().requires_grad_())
        torch.testing.assert_close(result, x)
        assert grad.isfinite().all()


def test_tensors_elsewhere_never_reach_the_kernels() -> None:
    """The device without numbers stands for those with: compiled operators have no kernel there to be called."""
    x, gates, guidance = (
        t.float().to("meta").requires_grad_() for t in (drawn(2, 3, 4, 5), drawn(2, 3, 1, 4, 5), drawn(2, 8, 4, 5))
    )
    for h in (spatial_propagation(x, gates, "top_to_bottom"), convolutional_propagation(x, guidance, 2)):
        assert (h.device.type, h.shape) == ("meta", x.shape)
        names, steps = set(), [h.grad_fn]
        while steps:
            step = steps.pop()
            if step is not None:
                names.add(step.name())
                steps += [before for before, _ in step.next_functions]
        assert not any("intarsia" in name for name in names)
        assert any(name.startswith("Addcmul") for name in names)
