"""Mean field as a layer: against the function, against dense matrices in float64, and as an operator of PyTorch."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.data import astronaut
from torch import Tensor, nn

import intarsia
from intarsia.affinity import MeanField, filters, iterations
from intarsia.affinity.filters import Appearance, Smoothness
from intarsia.affinity.iterations import Sigmas, mean_field
from intarsia.energies import CRFSettings, DenseCRF
from intarsia.errors import ArgumentError

SIGMAS = Sigmas(1.2, 4.0, 25.0)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def picture(rows: int, columns: int) -> np.ndarray:
    return np.ascontiguousarray(astronaut()[50 : 50 + rows, 150 : 150 + columns])


def normalised(image: np.ndarray) -> Tensor:
    return ((torch.from_numpy(image) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)[None]


def blurred_noise(classes: int, *size: int) -> Tensor:
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(1, classes, *size)), (0, 0, 3, 3))
    return torch.from_numpy(np.float32(1.5 * noise / noise.std()))


def parts(batch: int = 2, classes: int = 3, rows: int = 5, columns: int = 4, channels: int = 3) -> list[Tensor]:
    """Logits, levels, weights, a compatibility that is not symmetric."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, classes, rows, columns, generator=generator, dtype=torch.float64)
    levels = 60 * torch.rand(batch, channels, rows, columns, generator=generator, dtype=torch.float64)
    weights = 0.5 + torch.rand(2, classes, generator=generator, dtype=torch.float64)
    compatibility = torch.randn(classes, classes, generator=generator, dtype=torch.float64)
    return [logits.requires_grad_(), levels, weights.requires_grad_(), compatibility.requires_grad_()]


def learned(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor.requires_grad]


@pytest.fixture(params=["compiled", "pytorch"])
def _lattice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a CPU takes, and what any other device takes."""
    if request.param == "pytorch":
        monkeypatch.setattr(filters, "_compiled", filters._in_pytorch)


@pytest.mark.usefixtures("_lattice")
@pytest.mark.parametrize("classes", [2, 5])
def test_it_starts_as_the_function(classes: int) -> None:
    image, logits = picture(40, 55), blurred_noise(classes, 40, 55)
    probabilities = logits[0].softmax(0).numpy()
    assert probabilities.min() > 1e-5  # below, the function cuts off and the layer does not
    given: dict[str, Any] = {"smoothness_weight": 2.0, "smoothness_sxy": 2.0, "appearance_weight": 4.0}
    crf = MeanField(classes, MEAN, STD, **given, iterations=4).eval()
    refined = crf(logits, normalised(image))[0].softmax(0).detach().numpy()
    exact = DenseCRF(image)(probabilities, CRFSettings(iterations=4, **given), tolerance=0)  # smooths tap by tap
    np.testing.assert_allclose(refined, exact, atol=1e-4)
    quick = intarsia.dense_crf(probabilities, image, iterations=4, **given)  # smooths at half the resolution
    assert abs(refined - quick).mean() < 1e-3
    assert abs(refined - probabilities).mean() > 0.05


def unrolled(logits: Tensor, levels: Tensor, weights: Tensor, compatibility: Tensor, steps: int) -> Tensor:
    """The same with both kernels as matrices over all pixels, differentiated by PyTorch."""
    pixels = logits[0, 0].numel()
    every = torch.eye(pixels, dtype=logits.dtype).view(1, pixels, *logits.shape[2:]).expand(len(logits), -1, -1, -1)
    kernels = Smoothness(every, SIGMAS[0]), Appearance(levels, *SIGMAS[1:])
    matrices = [kernel(every).flatten(2).mT for kernel in kernels]
    unary = scores = logits.flatten(2).mT
    for _ in range(steps):
        q = scores.softmax(-1)
        messages = [w * (matrix @ q) for w, matrix in zip(weights, matrices, strict=True)]
        scores = unary - (messages[0] + messages[1]) @ compatibility.T
    return scores.mT.reshape(logits.shape)


@pytest.mark.usefixtures("_lattice")
def test_result_and_gradients_are_those_of_matrices() -> None:
    tensors, results = parts(), []
    for form in (lambda *x: mean_field(*x, SIGMAS, 3), lambda *x: unrolled(*x, 3)):
        out = form(*tensors)
        results.append([out, *torch.autograd.grad(out.cos().sum(), learned(tensors))])
    torch.testing.assert_close(*results)


@pytest.mark.usefixtures("_lattice")
@pytest.mark.parametrize(("classes", "channels", "steps"), [(3, 3, 2), (2, 1, 1), (2, 4, 5)])
def test_gradcheck(classes: int, channels: int, steps: int) -> None:
    tensors = parts(classes=classes, rows=3, channels=channels)
    assert torch.autograd.gradcheck(
        lambda logits, weights, mu: mean_field(logits, tensors[1], weights, mu, SIGMAS, steps), learned(tensors)
    )


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_operators_pass_pytorchs_checks() -> None:
    tensors, sigmas = parts(batch=1), [*SIGMAS]
    torch.library.opcheck(iterations._mean_field, (*tensors, sigmas, 2, True))
    torch.library.opcheck(iterations._mean_field, (*(t.detach() for t in tensors), sigmas, 2, False))
    saved = [tensor.detach() for tensor in tensors]
    out, kept = iterations._mean_field(*saved, sigmas, 2, True)
    torch.library.opcheck(iterations._mean_field_backward, (torch.ones_like(out), *saved[1:], kept, sigmas))


def test_float32_gradients_are_those_of_float64() -> None:
    """The crop is large enough that rounding puts some pixels into other simplices."""
    image, logits = picture(30, 32), blurred_noise(4, 30, 32)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        crf, x = MeanField(4, MEAN, STD).to(dtype), logits.clone().to(dtype).requires_grad_()
        crf(x, normalised(image).to(dtype)).log_softmax(1)[:, 1].mean().backward()
        gradients.append([x.grad, *(parameter.grad for parameter in crf.parameters())])
    for ours, exact in zip(*gradients, strict=True):
        assert float((ours - exact).norm()) < 1e-3 * float(exact.norm())


def test_images_get_no_gradient() -> None:
    images = torch.rand(1, 3, 4, 4, requires_grad=True)
    MeanField(2)(torch.rand(1, 2, 4, 4, requires_grad=True), images).sum().backward()
    assert images.grad is None


def test_each_image_of_a_batch_is_on_its_own() -> None:
    crf, images = MeanField(3), torch.cat([normalised(picture(9, 8)), normalised(picture(12, 8)[3:])])
    logits = blurred_noise(3, 18, 8).view(3, 2, 9, 8).transpose(0, 1)
    both = crf(logits, images)
    torch.testing.assert_close(both[1:], crf(logits[1:], images[1:]), rtol=0, atol=1e-5)


def test_threads_change_nothing() -> None:
    crf, images = MeanField(3), torch.cat([normalised(picture(16, 12)), normalised(picture(16, 24)[:, 12:])])
    logits = torch.randn(2, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    alone = crf(logits, images)
    torch.set_num_threads(2)
    torch.testing.assert_close(crf(logits, images), alone, rtol=0, atol=1e-6)


def test_five_iterations_in_training_and_ten_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, real = [], iterations._mean_field
    monkeypatch.setattr(iterations, "_mean_field", lambda *a: calls.append((*a[-2:], (out := real(*a))[1])) or out)
    crf, logits, images = MeanField(2), torch.randn(1, 2, 4, 5), torch.randn(1, 3, 4, 5)
    crf.train()(logits, images)
    crf.eval()(logits, images)
    with torch.no_grad():
        crf(logits, images)
    steps, kept, maps = zip(*calls, strict=True)
    assert steps == (5, 10, 10)
    assert kept == (True, True, False)  # no memory for a backward pass that does not come
    assert [len(q) for q in maps] == [5, 10, 0]


def test_weights_of_zero_leave_the_logits() -> None:
    crf = MeanField(3, smoothness_weight=0, appearance_weight=0)
    logits = torch.randn(1, 3, 6, 7)
    torch.testing.assert_close(crf(logits, torch.randn(1, 3, 6, 7)), logits)


def test_classes_in_another_order_give_the_answer_in_that_order() -> None:
    crf, logits, images = MeanField(4), torch.randn(1, 4, 9, 7), normalised(picture(9, 7))
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(crf(logits[:, order], images), crf(logits, images)[:, order], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 1)])
def test_tiny_images(size: tuple[int, int]) -> None:
    out = MeanField(2)(torch.randn(1, 2, *size, requires_grad=True), torch.randn(1, 3, *size))
    out.sum().backward()
    assert out.isfinite().all()


@pytest.mark.usefixtures("unchecked_shapes")
def test_compiles_whole_and_exports() -> None:
    crf, arguments = MeanField(3).eval(), (torch.randn(2, 3, 6, 7), torch.randn(2, 3, 6, 7))
    expected = crf(*arguments)
    compiled = torch.compile(crf, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*arguments), expected)
    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    exported = torch.export.export(crf, arguments, dynamic_shapes=[sizes, sizes]).module()
    other = (torch.randn(2, 3, 9, 5), torch.randn(2, 3, 9, 5))
    torch.testing.assert_close(exported(*other), crf(*other))


@pytest.mark.usefixtures("unchecked_shapes")
def test_gradients_through_a_compiled_layer() -> None:
    crf, images = MeanField(3), torch.randn(1, 3, 6, 7)
    logits = torch.randn(1, 3, 6, 7, requires_grad=True)
    results = [
        torch.autograd.grad(form(logits, images).square().sum(), (logits, *crf.parameters()))
        for form in (crf, torch.compile(crf, fullgraph=True, backend="aot_eager"))
    ]
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_under_autocast_it_stays_exact(dtype: torch.dtype) -> None:
    crf = MeanField(3)
    logits, images = torch.randn(1, 3, 9, 9).to(dtype).requires_grad_(), torch.randn(1, 3, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        out = crf(logits, images)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, crf(logits.float(), images), rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(out.sum(), logits)
    assert gradient.dtype == dtype


def test_what_is_learned_and_what_is_kept() -> None:
    crf = nn.ModuleDict({"refiner": MeanField(4, (0.5,), (0.25,))})
    shapes = {name: tuple(tensor.shape) for name, tensor in crf.named_parameters()}
    assert shapes == {
        "refiner.smoothness_weight": (4,),
        "refiner.appearance_weight": (4,),
        "refiner.compatibility": (4, 4),
    }
    assert crf.state_dict()["refiner.levels"].tolist() == [63.75]
    assert "4 classes, smoothness_sxy=3, appearance_sxy=80, appearance_srgb=13, 10 iterations" in repr(crf)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": 1}, r"`classes` .=1. must be at least 2; for one logit z give the logits 0 and z"),
        ({"smoothness_sxy": 0.0}, r"`smoothness_sxy` .=0.0. must be a positive number"),
        ({"smoothness_weight": -1.0}, r"`smoothness_weight` .=-1.0. must be finite and not negative; 0 leaves its"),
        ({"appearance_weight": float("nan")}, r"`appearance_weight` .=nan. must be finite and not negative"),
        ({"appearance_weight": float("inf")}, r"`appearance_weight` .=inf. must be finite and not negative"),
        ({"iterations": 0.5}, r"`iterations` .=0.5. must be a whole number"),
        ({"iterations_in_training": 2.5}, r"`iterations_in_training` .=2.5. must be a whole number"),
        ({"classes": 2.5}, r"`classes` .=2.5. must be a whole number"),
        ({"appearance_srgb": float("nan")}, r"`appearance_srgb` .=nan. must be a positive number"),
        ({"iterations_in_training": 0}, r"`iterations_in_training` .=0. must be a positive number"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_refusals(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        MeanField(**{"classes": 3, **wrong})


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("logits", "images"),
    [
        ((1, 3, 6, 7), (1, 3, 6, 8)),
        ((1, 3, 6, 7), (1, 3, 3, 14)),
        ((1, 3, 6, 7), (2, 3, 6, 7)),
        ((0, 3, 6, 7), (0, 3, 6, 7)),
        ((1, 3, 0, 7), (1, 3, 0, 7)),
        ((1, 4, 6, 7), (1, 3, 6, 7)),
        ((1, 3, 6, 7), (1, 1, 6, 7)),
        ((3, 6, 7), (3, 6, 7)),
    ],
)
def test_logits_and_images_that_do_not_belong_together(logits: tuple[int, ...], images: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError) as error:
        MeanField(3)(torch.zeros(logits), torch.zeros(images))
    assert (
        f"`logits` (of shape {logits}) and `images` (of shape {images}) must be (B, 3, H, W) and (B, 3, H, W)"
        in str(error.value)
    )


@pytest.mark.usefixtures("_lattice")
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_an_image_that_is_not_finite_is_named(value: float) -> None:
    images = torch.zeros(2, 3, 6, 7)
    images[1, 2, 4, 5] = value
    with pytest.raises(ArgumentError, match=rf"`images` are {value} for image 1, channel 2 at row 4, column 5; they"):
        MeanField(2)(torch.zeros(2, 2, 6, 7), images)
