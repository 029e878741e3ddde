"""The gradient of a batch: the same mean in any number of parts, and a step that finds too little memory is undone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intarsia.data import open_dataset
from intarsia.errors import IntarsiaWarning
from intarsia.inference import Execution, Preprocessing
from intarsia.losses import Objective
from intarsia.runs import make_recipe
from intarsia.training.building import create_accelerator
from intarsia.training.gradient import Gradient
from intarsia.training.loading import Batch
from intarsia.training.mishaps import StepOutOfMemory
from intarsia.training.state import TrainingState
from intarsia.training.tasks import SegmentationTask

IMAGES = 5


@pytest.fixture
def make(discs: Path) -> Callable[..., Gradient]:
    recipe = make_recipe(data="x")

    def gradient(fewest: int | None = None, weights: Tensor | None = None) -> Gradient:
        objective = Objective({"cross_entropy": 1.0}, class_weights=weights)
        task = SegmentationTask(recipe, open_dataset(discs), Preprocessing((0.5,) * 3, (0.25,) * 3), objective)
        return Gradient(task, Execution(), create_accelerator(), fewest)

    return gradient


def batch() -> Batch:
    """Images with very different numbers of valid pixels: a mean of means would be far off."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (IMAGES, 6, 7, 3), generator=generator, dtype=torch.uint8)
    masks = torch.randint(0, 2, (IMAGES, 6, 7), generator=generator)
    masks[0, 1:], masks[1], masks[2, :, 3:] = 255, 255, 255
    return pictures, masks


def state_of(net: nn.Module, parts: int = 1) -> TrainingState:
    return TrainingState(net, torch.optim.SGD(net.parameters(), lr=0.1), parts=parts)


@pytest.mark.parametrize("weights", [None, torch.tensor([1e-4, 5e-4])])
@pytest.mark.parametrize("parts", [1, 2, 3, IMAGES])
def test_in_any_number_of_parts_it_is_the_mean_over_the_batch(
    make: Callable[..., Gradient], parts: int, weights: Tensor | None
) -> None:
    """The weighted mean where classes have weights, however small their sum."""
    torch.manual_seed(0)
    net = nn.Conv2d(3, 2, 3, padding=1)
    pictures, masks = batch()
    images = (pictures.permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    expected = F.cross_entropy(net(images), masks, weights, ignore_index=255)
    gradients = torch.autograd.grad(expected, list(net.parameters()))
    loss = make(weights=weights)(state_of(net, parts), net, (pictures, masks))
    torch.testing.assert_close(loss, expected.detach())
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_batch_without_a_valid_pixel_has_no_gradient(make: Callable[..., Gradient]) -> None:
    net, (pictures, masks) = nn.Conv2d(3, 2, 1), batch()
    assert make()(state_of(net, 2), net, (pictures, torch.full_like(masks, 255))) == 0
    assert not any(parameter.grad.any() for parameter in net.parameters() if parameter.grad is not None)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried …"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("could not create a primitive"),
    MemoryError(),
]


class Short(nn.Module):
    """Random, with statistics, and short of memory for more than ``room`` images; fails after both have changed."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1))
        self.room, self.error = room, error

    def forward(self, images: Tensor) -> Tensor:
        logits = self.body(images)
        if len(images) > self.room:
            raise self.error
        return logits


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_a_step_that_failed_is_repeated_as_if_it_had_not_begun(make: Callable[..., Gradient], error: Exception) -> None:
    short, roomy = Short(2, error), Short(9, error)
    states = state_of(short), state_of(roomy, parts=4)
    torch.manual_seed(2)
    with pytest.warns(IntarsiaWarning, match="batch norm sees one part at a time") as warned:
        loss = make(fewest=1)(states[0], short, batch())
    assert [str(w.message).partition(";")[0] for w in warned] == [
        "Memory ran out at step 1 with 5 images at once",
        "Memory ran out at step 1 with 3 images at once",
    ]
    assert "takes its 5 images in 4 parts, 2 images at most at once" in str(warned[1].message)
    torch.manual_seed(2)
    expected = make()(states[1], roomy, batch())
    assert states[0].parts == 4
    torch.testing.assert_close(loss, expected, rtol=0, atol=0)
    for ours, theirs in zip(short.state_dict().values(), roomy.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    for ours, theirs in zip(short.parameters(), roomy.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore::intarsia.errors.IntarsiaWarning")
def test_the_gradient_of_parts_before_the_one_that_failed_does_not_count(make: Callable[..., Gradient]) -> None:
    net, calls = nn.Conv2d(3, 2, 1), []

    def fail_at_the_second(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError

    net.register_forward_hook(fail_at_the_second)
    make(fewest=1)(state_of(net, parts=2), net, batch())
    twin = nn.Conv2d(3, 2, 1)
    twin.load_state_dict(net.state_dict())
    make()(state_of(twin, parts=4), twin, batch())
    assert len(calls) == 2 + 4
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore::intarsia.errors.IntarsiaWarning")
@pytest.mark.parametrize(
    ("fewest", "room", "sentence"),
    [
        (None, 4, "with 5 images at once; go on with --on-oom halve, or take a smaller --batch-size or --crop-size"),
        (1, 0, "with one image at once; take a smaller --crop-size or a smaller network"),
        (2, 2, "with 3 images at once; take a smaller --crop-size"),
    ],
)
def test_where_halving_ends_the_state_is_that_before(
    make: Callable[..., Gradient], fewest: int | None, room: int, sentence: str
) -> None:
    net = Short(room, MemoryError())
    before, random_state = [buffer.clone() for buffer in net.buffers()], torch.get_rng_state()
    with pytest.raises(StepOutOfMemory, match=f"Memory ran out at step 1 {sentence}"):
        make(fewest)(state_of(net), net, batch())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(a, b) for a, b in zip(net.buffers(), before, strict=True))
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("words", ["mat1 and mat2 shapes", "could not create a primitive descriptor for a convolution"])
def test_other_errors_pass(make: Callable[..., Gradient], words: str) -> None:
    net = Short(0, RuntimeError(words))
    with pytest.raises(RuntimeError, match=words):
        make(fewest=1)(state_of(net), net, batch())
