"""The kernels of GPUs: on one, or without it on the CPU in Triton's interpreter."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import torch
from reference.convolutional_propagation import convolutional_propagation as diffused_pixel_by_pixel
from reference.propagation_cases import convolutional_inputs, spatial_inputs
from reference.spatial_propagation import spatial_propagation as propagated_pixel_by_pixel
from torch import Tensor

from intarsia.affinity import affinity_field_loss, convolutional_propagation, spatial_propagation
from intarsia.affinity.affinity_field import _on_gpu as _field_on_gpu
from intarsia.affinity.affinity_field import affinity_field
from intarsia.affinity.convolutional_propagation import (
    _diffuse,
    _diffuse_back,
    _diffuse_back_on_gpu,
    _diffuse_on_gpu,
)
from intarsia.affinity.spatial_propagation import (
    DIRECTIONS,
    DIVIDED_FROM,
    _course,
    _propagate,
    _propagate_backward,
    _propagate_backward_on_gpu,
    _propagate_on_gpu,
)

pytest.importorskip("triton")
THERE = "cuda" if torch.cuda.is_available() else "cpu"
with patch.dict(os.environ, {"TRITON_INTERPRET": "0" if THERE == "cuda" else "1"}):
    from intarsia.kernels.affinity_field import on_gpu as fields
    from intarsia.kernels.diffusion import on_gpu as diffusion
    from intarsia.kernels.diffusion import steps_on_gpu
    from intarsia.kernels.propagation import on_gpu as propagation

ANYWHERE = [pytest.param("cpu", marks=pytest.mark.skipif(THERE == "cuda", reason="compiled for the GPU")),
            pytest.param("cuda", marks=pytest.mark.gpu)]  # fmt: skip


def sliced(tensor: Tensor, device: str) -> Tensor:
    """The same numbers, with others between them in memory."""
    return torch.stack([tensor, -tensor], -1).to(device)[..., 0]


def same(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    torch.testing.assert_close([t.cpu() for t in found], list(expected), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("device", ANYWHERE)
@pytest.mark.parametrize(
    ("direction", "ways", "shared", "normalisation", "size"),
    [
        (DIRECTIONS[0], 3, False, "where_needed", (40, 9)),
        (DIRECTIONS[1], 3, True, "always", (5, 11)),
        (DIRECTIONS[2], 3, True, None, (3, 40)),
        (DIRECTIONS[3], 1, False, "where_needed", (9, 5)),
        (DIRECTIONS[3], 3, False, "always", (1, 1)),
    ],
)
def test_spatial_propagation(
    device: str, direction: Any, ways: int, shared: bool, normalisation: Any, size: Any
) -> None:
    x, gates = spatial_inputs(*size, ways, shared, batch=1 if shared else 2)
    gates[gates.abs() < 0.1] = 0  # which has no sign
    exact, course = DIVIDED_FROM[normalisation], _course(direction)
    h = torch.from_numpy(propagated_pixel_by_pixel(x.numpy(), gates.numpy(), direction, normalisation))
    there = [sliced(t, device) for t in (torch.cos(h), x, gates, h)]
    same([propagation.propagate(*there[1:3], *course, exact)], [h])
    expected = _propagate_backward(torch.cos(h), x, gates, h, direction, exact)
    same(propagation.propagate_back(*there, *course, exact), expected)


@pytest.mark.parametrize("device", ANYWHERE)
@pytest.mark.parametrize(
    ("kernel_size", "norm", "centre", "layout", "measured", "size", "steps"),
    [
        (3, "8sum", "initial", "shifted", None, (5, 12), 5),
        (3, "8sum_abs", "current", "centred", "replaced", (4, 3), 2),
        (5, "8sum_abs", "initial", "shifted", "kept", (3, 4), 1),
        (7, "8sum", "current", "centred", None, (2, 3), 1),
    ],
)
def test_convolutional_propagation(
    device: str, kernel_size: Any, norm: str, centre: str, layout: str, measured: str | None, size: Any, steps: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The first takes two launches on two tiles."""
    monkeypatch.setattr(steps_on_gpu, "_TILE", (16, 16))
    monkeypatch.setattr(steps_on_gpu, "_HALO", 4)
    h0, guidance, sparse = convolutional_inputs(
        *size, kernel_size, batch=1, channels=1 if kernel_size > 3 else 2, measured=measured is not None
    )
    guidance[guidance.abs() < 0.2] = 0  # which has no sign
    words = {} if measured is None else {"measured": measured}
    expected = diffused_pixel_by_pixel(
        h0.numpy(), guidance.numpy(), steps, kernel_size, absolute=norm == "8sum_abs", centre=centre, layout=layout,
        sparse=None if sparse is None else sparse.numpy(), **words,
    )  # fmt: skip
    part = None if sparse is None else (sparse != 0).any(1, keepdim=True).double()
    added = None if part is None else part * (h0 if measured == "kept" else sparse)
    parts = [h0, guidance, added, None if part is None else 1 - part]
    options = (steps, kernel_size, layout == "shifted", norm == "8sum_abs", centre == "current")
    there = [None if t is None else sliced(t, device) for t in parts]
    same([diffusion.diffuse(*there, *options)], [torch.from_numpy(expected)])  # type: ignore[arg-type]
    grad = torch.cos(torch.from_numpy(expected))
    found = diffusion.diffuse_back(sliced(grad, device), *there, *options)  # type: ignore[arg-type]
    same(found, _diffuse_back(grad, *parts, *options))


@pytest.mark.parametrize("device", ANYWHERE)
@pytest.mark.parametrize(
    ("classes", "offsets", "size", "memory"),
    [(3, [1, 2], (7, 9), torch.contiguous_format), (2, [1], (3, 4), torch.channels_last)],
)
def test_affinity_field(
    device: str, classes: int, offsets: list[int], size: tuple[int, int], memory: torch.memory_format
) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, classes, *size, generator=draw, dtype=torch.float64)
    labels = torch.randint(classes, (2, *size), generator=draw)
    labels[torch.rand(labels.shape, generator=draw) < 0.1] = 255
    logits[0, 0, 0, 0] = 50  # probabilities that are clipped
    edge, not_edge = torch.rand(2, classes, len(offsets), generator=draw, dtype=torch.float64)
    expected = affinity_field(logits, labels, edge, not_edge, offsets, 3.0, 255)
    there = (logits.to(device, memory_format=memory), *(sliced(t, device) for t in (labels, edge, not_edge)))
    same(fields.affinity_field(*there, offsets, 3.0, 255), expected)


class TestLaunches:
    """Where and how programs are started; none is."""

    @pytest.mark.parametrize(
        ("places", "dtype", "fits"),
        [(4096, torch.float32, True), (4097, torch.float32, False),
         (2048, torch.float64, True), (2049, torch.float64, False)],
    )  # fmt: skip
    def test_lines_that_fit_into_shared_memory(self, places: int, dtype: torch.dtype, fits: bool) -> None:
        across, down = torch.empty(1, 1, places, 1, dtype=dtype), torch.empty(1, 1, 1, places, dtype=dtype)
        assert propagation.holds_lines(across, across=True) == propagation.holds_lines(down, across=False) == fits
        assert propagation.holds_lines(across, across=False)
        assert propagation.holds_lines(down, across=True)

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_lines_too_long_go_through_pytorch(self, direction: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(propagation, "_HELD", 1)
        x, gates = spatial_inputs(4, 5, shared=True)
        h = _propagate(x, gates, direction, 1.0)
        same([_propagate_on_gpu(x, gates, direction, 1.0)], [h])
        arguments = (torch.cos(h), x, gates, h, direction, 1.0)
        with torch.no_grad():
            same(_propagate_backward_on_gpu(*arguments), _propagate_backward(*arguments))

    @pytest.mark.usefixtures("unchecked_shapes")
    def test_each_is_on_its_tensors_device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now, seen = list[torch.device](), list[torch.device]()

        @contextmanager
        def device(chosen: torch.device) -> Iterator[None]:
            now.append(chosen)
            yield
            now.pop()

        monkeypatch.setattr(torch.cuda, "device", device)
        for room, name in ((propagation, "propagate"), (propagation, "propagate_back"), (diffusion, "diffuse"),
                           (diffusion, "diffuse_back"), (fields, "affinity_field")):  # fmt: skip
            monkeypatch.setattr(room, name, lambda *_: seen.extend(now))
        x, gates = spatial_inputs(2, 3)
        _propagate_on_gpu(x, gates, DIRECTIONS[0], 1.0)
        _propagate_backward_on_gpu(x, x, gates, x, DIRECTIONS[0], 1.0)
        _diffuse_on_gpu(x)
        _diffuse_back_on_gpu(x)
        _field_on_gpu(x)
        assert seen == [x.device] * 5

    def test_many_maps_are_in_the_long_axis_of_the_grid(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The others end at 65535."""
        grids = list[tuple[int, ...]]()

        class Kernel:
            def __getitem__(self, grid: tuple[int, ...]) -> Any:
                grids.append(grid)
                return lambda *_, **__: None

        for room, name in ((propagation, "_sweep"), (propagation, "_gradients"), (steps_on_gpu, "_steps")):
            monkeypatch.setattr(room, name, Kernel())
        x, gates = torch.zeros(70000, 1, 1, 1), torch.zeros(70000, 3, 1, 1, 1)
        propagation.propagate(x, gates, True, False, 1.0)
        propagation.propagate_back(x, x, gates, x, True, False, 1.0)
        steps_on_gpu.diffuse(torch.zeros(70000, 9, 1, 1), None, None, x, 1)
        assert [grid[0] for grid in grids] == [70000] * 4
        assert all(axis <= 65535 for grid in grids for axis in grid[1:])


@pytest.mark.gpu
class TestOperators:
    """What users call, on tensors that lie there."""

    def test_gradcheck(self) -> None:
        for direction in DIRECTIONS:
            x, gates = (t.cuda().requires_grad_() for t in spatial_inputs(3, 4, batch=1))
            assert torch.autograd.gradcheck(lambda x, g, d=direction: spatial_propagation(x, g, d), (x, gates))
        h0, guidance, _ = convolutional_inputs(3, 4, batch=1)
        leaves = (h0.cuda().requires_grad_(), guidance.cuda().requires_grad_())
        assert torch.autograd.gradcheck(lambda h, g: convolutional_propagation(h, g, 3), leaves)
        logits, labels = torch.randn(1, 3, 4, 5, dtype=torch.float64), torch.randint(3, (1, 4, 5))
        loss = lambda z: affinity_field_loss(z, labels.cuda(), sizes=(3,), margin=30.0)  # noqa: E731
        assert torch.autograd.gradcheck(loss, (logits.cuda().requires_grad_(),))

    @pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
    def test_pytorchs_checks(self) -> None:
        x, gates = (t.cuda().requires_grad_() for t in spatial_inputs(3, 4, batch=1))
        torch.library.opcheck(_propagate, (x, gates, "left_to_right", 1.0))
        h0, guidance, _ = (None if t is None else t.cuda() for t in convolutional_inputs(3, 4, batch=1))
        assert h0 is not None
        assert guidance is not None
        options = (2, 3, True, False, False)
        torch.library.opcheck(_diffuse, (h0.requires_grad_(), guidance.requires_grad_(), None, None, *options))

    def test_large_maps_are_the_cpus(self) -> None:
        """Long lines, many tiles, half precision under autocast."""
        self.alike(lambda x, g: spatial_propagation(x, g, DIRECTIONS[2]), *spatial_inputs(3, 2049, batch=1))
        for size in ((33, 700), (300, 130)):
            for direction in DIRECTIONS:
                self.alike(lambda x, g, d=direction: spatial_propagation(x, g, d), *spatial_inputs(*size, batch=1))
            h0, guidance, _ = convolutional_inputs(*size, 5, channels=3)
            self.alike(lambda h, g: convolutional_propagation(h, g, 24, 5), h0, guidance)
        x, gates = (t.cuda().half() for t in spatial_inputs(6, 9))
        with torch.autocast("cuda"):
            assert spatial_propagation(x, gates, "left_to_right").dtype == torch.float16

    def alike(self, form: Any, *parts: Tensor) -> None:
        results = []
        for device in ("cuda", "cpu"):
            leaves = [t.to(device).requires_grad_() for t in parts]
            h = form(*leaves)
            results.append([t.detach().cpu() for t in (h, *torch.autograd.grad(h, leaves, torch.cos(h.detach())))])
        torch.testing.assert_close(*results, rtol=1e-9, atol=1e-9)

    @pytest.mark.usefixtures("unchecked_shapes")
    def test_compiled_whole(self) -> None:
        form = torch.compile(lambda h, g: convolutional_propagation(h, g, 3), fullgraph=True, backend="aot_eager")
        h0, guidance, _ = (None if t is None else t.float().cuda() for t in convolutional_inputs(6, 8))
        torch.testing.assert_close(form(h0, guidance), convolutional_propagation(h0, guidance, 3))
