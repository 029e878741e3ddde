"""Convolutional propagation against its definition pixel by pixel, the published module's outputs, and laws."""

from typing import Any

import numpy as np
import pytest
import torch
from goldens import generator, golden
from reference.convolutional_propagation import convolutional_propagation as pixel_by_pixel
from reference.propagation_cases import MEASURED, OPTIONS
from reference.propagation_cases import convolutional_inputs as inputs
from torch import Tensor, nn

from intarsia.affinity import convolutional_propagation
from intarsia.affinity.convolutional_propagation import _diffuse, _diffuse_back
from intarsia.errors import ArgumentError
from intarsia.kernels.scratch import scratch


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options.values()))
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_it_is_the_diffusion_pixel_by_pixel(kernel_size: int, options: dict[str, Any]) -> None:
    for number, measured in enumerate(MEASURED):
        height, width, steps = ((5, 18, 2), (1, 1, 1), (2, 3, 3), (9, 4, 4))[number]
        h0, guidance, sparse = inputs(height, width, kernel_size, measured=measured is not None)
        words = {} if measured is None else {"measured": measured}
        found = convolutional_propagation(h0, guidance, steps, kernel_size, sparse=sparse, **options, **words)  # type: ignore[arg-type]
        expected = pixel_by_pixel(
            h0.numpy(), guidance.numpy(), steps, kernel_size,
            absolute=options["norm"] == "8sum_abs", centre=options["centre"], layout=options["layout"],
            sparse=None if sparse is None else sparse.numpy(), **words,
        )  # fmt: skip
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-10, err_msg=f"{measured}")


@pytest.mark.parametrize("number", range(len(golden("cspn_affinity_propagate").content["outputs"])))
def test_it_computes_what_the_published_module_does(number: int) -> None:
    entry = golden("cspn_affinity_propagate").content["outputs"][number]
    seeds, shape = entry["seed"], entry["input_shape"]
    maps = (shape[0], 1, *shape[2:])
    guidance = torch.from_numpy(generator(seeds[0]).standard_normal(shape))
    blurred = torch.from_numpy(generator(seeds[1]).uniform(1, 5, maps))
    sparse = None
    if len(seeds) == 4:
        measured = generator(seeds[3]).uniform(0, 1, maps) < 0.1
        sparse = torch.from_numpy(np.where(measured, generator(seeds[2]).uniform(1, 5, maps), 0))
    found = convolutional_propagation(blurred, guidance, entry["prop_time"], norm=entry["norm_type"], sparse=sparse)
    expected = torch.tensor(entry["values"], dtype=torch.float64).view(maps)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options.values()))
def test_gradcheck(options: dict[str, Any]) -> None:
    for number, measured in enumerate(MEASURED):
        h0, guidance, sparse = inputs(*((3, 4), (2, 3), (3, 2), (1, 4))[number], batch=1, measured=measured is not None)
        words = {} if measured is None else {"measured": measured}
        leaves = [h0, guidance] + ([] if sparse is None else [sparse])

        def form(h0: Tensor, guidance: Tensor, *rest: Tensor, words: dict[str, Any] = words) -> Tensor:
            found = rest[0] * (rest[0].detach() != 0) if rest else None
            return convolutional_propagation(h0, guidance, 3, sparse=found, **options, **words)

        if sparse is not None and measured != "kept":  # a perturbed zero would be a measurement
            leaves[2] = torch.where(sparse == 0, 0.5, sparse)
            assert torch.autograd.gradcheck(form, [leaf.requires_grad_() for leaf in leaves])
        else:
            rest = leaves[2:]
            both = lambda h0, guidance, rest=rest, form=form: form(h0, guidance, *rest)  # noqa: E731
            assert torch.autograd.gradcheck(both, [leaf.requires_grad_() for leaf in leaves[:2]])


@pytest.mark.parametrize("kernel_size", [5, 7])
def test_gradcheck_of_larger_kernels(kernel_size: int) -> None:
    for options in (OPTIONS[0], OPTIONS[-1]):
        h0, guidance, _ = inputs(2, 3, kernel_size, batch=1, channels=1)
        leaves = (h0.requires_grad_(), guidance.requires_grad_())
        form = lambda h0, guidance, options=options: convolutional_propagation(h0, guidance, 2, kernel_size, **options)  # type: ignore[arg-type]  # noqa: E731
        assert torch.autograd.gradcheck(form, leaves)


@pytest.mark.parametrize(("kernel_size", "steps"), [(3, 1), (3, 4), (5, 3)])
@pytest.mark.parametrize("layout", ["shifted", "centred"])
def test_bands_of_rows_change_nothing(kernel_size: Any, steps: int, layout: Any) -> None:
    """Threads share a map of one channel by its rows; of three channels, too, where there are more threads."""
    for channels in (3, 1):
        h0, guidance, _ = inputs(31, 18, kernel_size, batch=1, channels=channels)
        leaves, results = (h0.requires_grad_(), guidance.requires_grad_()), []
        for threads in (1, 3, 5):
            torch.set_num_threads(threads)
            scratch(1 << 18, np.float64)[:] = np.nan  # whatever another call has left
            h = convolutional_propagation(*leaves, steps, kernel_size, layout=layout)
            results.append([h, *torch.autograd.grad(h, leaves, torch.cos(h.detach()))])
        torch.set_num_threads(1)
        torch.testing.assert_close(results[1:], [results[0]] * 2, rtol=1e-12, atol=1e-12)


def test_float32_and_threads_are_close_to_float64() -> None:
    h0, guidance, _ = inputs(60, 45, channels=3)
    results = []
    for dtype, threads in ((torch.float64, 1), (torch.float64, 2), (torch.float32, 1)):
        torch.set_num_threads(threads)
        leaves = [t.detach().to(dtype).requires_grad_() for t in (h0, guidance)]
        h = convolutional_propagation(*leaves, steps=24)
        results.append([t.double() for t in (h, *torch.autograd.grad(h.square().sum(), leaves))])
    torch.set_num_threads(1)
    for exact, threaded, rounded in zip(*results, strict=True):
        torch.testing.assert_close(threaded, exact)
        torch.testing.assert_close(rounded, exact, rtol=1e-2, atol=1e-4 * float(exact.detach().abs().max()))


@pytest.mark.parametrize("kernel_size", [3, 5, 7])
class TestLaws:
    @pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options.values()))
    def test_a_constant_map_stays(self, kernel_size: int, options: dict[str, Any]) -> None:
        constant = torch.full((1, 2, 9, 20), 3.5, dtype=torch.float64)
        _, guidance, _ = inputs(9, 20, kernel_size, batch=1)
        found = convolutional_propagation(constant, guidance, 24, kernel_size, **options)  # type: ignore[arg-type]
        torch.testing.assert_close(found, constant)

    def test_sizes_keep_the_range(self, kernel_size: int) -> None:
        h0, guidance, _ = inputs(9, 20, kernel_size)
        found = convolutional_propagation(h0, guidance, 24, kernel_size, norm="8sum_abs")  # type: ignore[arg-type]
        assert found.max() <= h0.max() + 1e-12
        assert found.min() >= h0.min() - 1e-12

    def test_guidance_of_zero_changes_nothing_and_has_a_finite_gradient(self, kernel_size: int) -> None:
        h0, guidance, _ = inputs(9, 20, kernel_size)
        zero = torch.zeros_like(guidance).requires_grad_()
        for options in OPTIONS:
            h = convolutional_propagation(h0, zero, 3, kernel_size, **options)  # type: ignore[arg-type]
            torch.testing.assert_close(h, h0)
            (grad,) = torch.autograd.grad(h.square().sum(), zero)
            assert grad.isfinite().all()

    def test_an_impulse_comes_from_the_neighbour_of_its_channel(self, kernel_size: int) -> None:
        """Shifted, the first channel belongs to the neighbour below right; centred, to the one above left."""
        radius = kernel_size // 2
        h0, guidance = torch.zeros(1, 1, 9, 9), torch.zeros(1, kernel_size**2 - 1, 9, 9)
        h0[0, 0, 4, 4], guidance[0, 0] = 1, 1
        for layout, place in (("shifted", 4 - radius), ("centred", 4 + radius)):
            h = convolutional_propagation(h0, guidance, 1, kernel_size, layout=layout)[0, 0]  # type: ignore[arg-type]
            assert h.nonzero().tolist() == [[place, place]]

    def test_an_impulse_reaches_its_square(self, kernel_size: int) -> None:
        h0, guidance, radius = torch.zeros(1, 1, 21, 21), torch.ones(1, kernel_size**2 - 1, 21, 21), kernel_size // 2
        h0[0, 0, 10, 10] = 1
        reached = (convolutional_propagation(h0, guidance, 3, kernel_size)[0, 0] != 0).nonzero()  # type: ignore[arg-type]
        assert (reached.min().item(), reached.max().item()) == (10 - 3 * radius, 10 + 3 * radius)


def test_measured_pixels_are_what_the_option_says() -> None:
    h0, guidance, sparse = inputs(9, 20)
    assert sparse is not None
    there = sparse != 0
    replaced = convolutional_propagation(h0, guidance, 5, sparse=sparse, measured="replaced")
    assert torch.equal(replaced[there], sparse[there])
    kept = convolutional_propagation(h0, guidance, 5, sparse=sparse, measured="kept")
    assert torch.equal(kept[there], h0[there])


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"guidance": torch.zeros(1, 24, 4, 5)}, r"`guidance` has 24 channels and must have 8, one for each neighbour"),
        ({"guidance": torch.zeros(1, 8, 5, 5)}, r"`h0` \(1, 2, 4, 5\) and `guidance` \(1, 8, 5, 5\) must agree"),
        ({"guidance": torch.zeros(2, 8, 4, 5)}, r"must agree in batch, height and width"),
        ({"guidance": torch.zeros(8, 4, 5)}, r"must be \(B, channels, H, W\)"),
        ({"h0": torch.zeros(1, 2, 4, 5).long()}, r"`h0` holds torch.int64 and must hold floating point numbers"),
        ({"guidance": torch.zeros(1, 8, 4, 5).int()}, r"`guidance` holds torch.int32"),
        ({"sparse": torch.zeros(1, 2, 4, 5).int()}, r"`sparse` holds torch.int32"),
        ({"guidance": torch.zeros(1, 8, 4, 5, device="meta")}, r"`guidance` is on meta and `h0` on cpu, and they must"),
        ({"sparse": torch.zeros(1, 1, 4, 5)}, r"`sparse` \(1, 1, 4, 5\) must have the shape of `h0`, \(1, 2, 4, 5\)"),
        ({"kernel_size": 4}, r"`kernel_size` \(=4\) must be 3, 5 or 7"),
        ({"steps": 0}, r"`steps` \(=0\) must be 1 or more"),
        ({"norm": "sum"}, r"`norm` \(='sum'\) must be one of 8sum, 8sum_abs"),
        ({"layout": "left"}, r"`layout` \(='left'\) must be one of shifted, centred"),
        ({"centre": "last"}, r"`centre` \(='last'\) must be one of initial, current"),
        ({"measured": "mixed"}, r"`measured` \(='mixed'\) must be one of kept, replaced, blended"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], sentence: str) -> None:
    arguments = {"h0": torch.zeros(1, 2, 4, 5), "guidance": torch.ones(1, 8, 4, 5)}
    with pytest.raises(ArgumentError, match=sentence):
        convolutional_propagation(**{**arguments, **changes})


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_guidance_that_is_not_finite_is_refused(wrong: float) -> None:
    h0, guidance, _ = inputs(5, 6)
    guidance[1, 2, 3, 2] = wrong
    with pytest.raises(
        ArgumentError, match=r"`guidance` must be finite, but 1 of its 480 numbers .* at \[1, 2, 3, 2\]"
    ):
        convolutional_propagation(h0, guidance)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_operators_pass_pytorchs_checks() -> None:
    h0, guidance, sparse = inputs(3, 4, batch=1, channels=1)
    free, options = (sparse == 0).double(), (2, 3, True, False, False)  # type: ignore[union-attr]
    torch.library.opcheck(_diffuse, (h0.requires_grad_(), guidance.requires_grad_(), sparse, free, *options))
    torch.library.opcheck(_diffuse, (h0, guidance, None, None, *options))
    saved = [t.detach() for t in (torch.ones_like(h0), h0, guidance)]
    torch.library.opcheck(_diffuse_back, (*saved, sparse, free, *options))


@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (1, 0, 3, 4), (1, 2, 0, 4), (1, 2, 3, 0)], ids=str)
def test_empty_maps_stay_empty(shape: tuple[int, int, int, int]) -> None:
    h0, guidance = (torch.zeros(s, requires_grad=True) for s in (shape, (shape[0], 8, *shape[2:])))
    h = convolutional_propagation(h0, guidance, 2)
    assert h.shape == shape
    found = torch.autograd.grad(h, (h0, guidance), torch.zeros_like(h))
    assert [grad.shape for grad in found] == [h0.shape, guidance.shape]
    assert not found[1].any()


def test_measurements_in_float64_are_not_rounded() -> None:
    h0, guidance, sparse = inputs(5, 6)
    assert sparse is not None
    rounded = h0.float(), guidance.float()
    found = convolutional_propagation(*rounded, 3, sparse=sparse, measured="replaced")
    exact = convolutional_propagation(*(t.double() for t in rounded), 3, sparse=sparse, measured="replaced")
    assert torch.equal(found, exact.float())


class Diffused(nn.Module):
    def forward(self, h0: Tensor, guidance: Tensor, sparse: Tensor) -> Tensor:
        return convolutional_propagation(h0, guidance, 3, sparse=sparse)


@pytest.mark.usefixtures("unchecked_shapes")
def test_compiles_whole_and_exports_for_any_size() -> None:
    parts = [t.float() for t in inputs(6, 8) if t is not None]
    parts[1].requires_grad_()
    compiled = torch.compile(Diffused(), fullgraph=True, backend="aot_eager")
    grads = [torch.autograd.grad(form(*parts).square().sum(), parts[1]) for form in (compiled, Diffused())]
    torch.testing.assert_close(*grads)
    sizes = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    exported = torch.export.export(Diffused(), tuple(parts), dynamic_shapes=[sizes] * 3).module()
    other = [t.float() for t in inputs(7, 5, batch=3) if t is not None]
    torch.testing.assert_close(exported(*other), Diffused()(*other))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    h0, guidance = (t.to(dtype).requires_grad_() for t in inputs(6, 9)[:2])
    with torch.autocast("cpu", torch.bfloat16):
        h = convolutional_propagation(h0, guidance)
    assert h.dtype == dtype
    torch.testing.assert_close(h, convolutional_propagation(h0.float(), guidance.float()).to(dtype))
    h.sum().backward()
    assert guidance.grad is not None
    assert guidance.grad.dtype == dtype
