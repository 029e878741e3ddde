"""The two sides of ``benchmarks/training.py``, what they must agree on, and what is measured of them in one process."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torchvision.models.segmentation import deeplabv3_resnet50

from intarsia.diagnostics.anatomy.complexity import complexity
from intarsia.inference.execution import Execution
from intarsia.losses import cross_entropy
from intarsia.models import create_model
from intarsia.training.allocator import keep_freed_memory
from intarsia.training.convolution_gradients import multiply_gradients
from intarsia.training.precision import executions, fastest

CLASSES = 21
MATRIX = 2048  # rows and columns of the matrices that say what the machine can do

Step = Callable[[], object]


@dataclass(frozen=True)
class System:
    """The same network twice: as ``peer`` has it, and as ``model`` on ``backbone`` in one of our forms."""

    title: str
    peer: str
    build_peer: Callable[[], nn.Module]
    model: str
    backbone: str
    form: str
    output_stride: int | None = None

    def ours(self) -> nn.Module:
        stride = self.output_stride
        return create_model(self.model, self.backbone, CLASSES, form=self.form, output_stride=stride).train()

    def theirs(self) -> nn.Module:
        return self.build_peer().train()


SYSTEMS = {
    "deeplabv3": System(
        "DeepLab v3 on ResNet-50 at output stride 8",
        "torchvision",
        lambda: deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False),
        *("deeplabv3", "resnet50", "torchvision", 8),
    ),
    "unet": System(
        "U-Net on ResNet-34",
        "smp",
        lambda: smp.Unet("resnet34", encoder_weights=None, classes=CLASSES),
        *("unet", "resnet34", "smp"),
    ),
}


@dataclass(frozen=True)
class Size:
    """Of one step, and how many are timed."""

    batch: int = 4
    pixels: int = 256
    steps: int = 12

    def batch_of_noise(self) -> tuple[Tensor, Tensor]:
        images = torch.randn(self.batch, 3, self.pixels, self.pixels)
        return images, torch.randint(0, CLASSES, (self.batch, self.pixels, self.pixels))


@dataclass(frozen=True)
class Measured:
    """Seconds of a step by row, medians; 10⁹ operations of a step, and of matrix products in a second."""

    agreement: str
    gflop: float
    matrix_rate: float
    precision: str
    memory_format: str
    seconds: dict[str, float]


def logits(outputs: object) -> Tensor:
    return pytree.tree_leaves(outputs)[0]


def peers_step(net: nn.Module, images: Tensor, masks: Tensor) -> Step:
    """What a tutorial does."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)

    def step() -> float:
        optimiser.zero_grad()
        loss = F.cross_entropy(logits(net(images)), masks)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def our_step(net: nn.Module, images: Tensor, masks: Tensor, execution: Execution, compiled: bool = False) -> Step:
    """What `intarsia train` does."""
    execution.place(net)
    if not compiled:
        multiply_gradients(net, execution)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    prepared = torch.compile(net) if compiled else net

    def step() -> float:
        with execution.autocast():
            loss = cross_entropy(prepared(execution.place_images(images)), masks)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        return loss.item()

    return step


def agree(theirs: nn.Module, ours: nn.Module, images: Tensor, masks: Tensor) -> str:
    """Give both the same weights; compare loss and gradient in float32, with the same dropout."""
    tensors = [t for name, t in theirs.state_dict().items() if not name.startswith("encoder.fc")]
    ours.load_state_dict(dict(zip(ours.state_dict(), tensors, strict=True)))
    losses, gradients = [], []
    for net in (theirs, ours):
        torch.manual_seed(1)
        loss = F.cross_entropy(logits(net(images)), masks)
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
        net.zero_grad()
    difference = float((gradients[0] - gradients[1]).norm() / gradients[0].norm())
    assert abs(losses[0] - losses[1]) < 1e-5, losses
    assert difference < 1e-3, difference
    return f"loss {losses[0]:.6f} and {losses[1]:.6f}, relative difference of the gradients {difference:.1e}"


def medians(steps: dict[str, Step], count: int) -> dict[str, float]:
    """Seconds of each step, taken in turn; the first two turns do not count."""
    durations: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(count + 2):
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            durations[name].append(time.perf_counter() - begun)
    return {name: statistics.median(taken[2:]) for name, taken in durations.items()}


def measure(system: System, size: Size, compiled: bool) -> Measured:
    """The peer as it is; then the peer, ours and a product of matrices in turn, with freed memory kept."""
    torch.manual_seed(0)
    images, masks = size.batch_of_noise()
    theirs, ours = system.theirs(), system.ours()
    agreement = agree(theirs, ours, images, masks)
    gflop = 3 * 2 * size.batch * complexity(ours, size.pixels, size.pixels).gmac  # backward is twice the forward pass
    as_usual = medians({"peer": peers_step(theirs, images, masks)}, size.steps)
    keep_freed_memory()
    chosen = fastest(executions("cpu", "auto", "auto"), ours, images, lambda net, x: cross_entropy(net(x), masks))
    matrix = torch.randn(MATRIX, MATRIX, dtype=torch.bfloat16)
    steps = {"kept": peers_step(theirs, images, masks), "ours": our_step(ours, images, masks, chosen)}
    if compiled:
        steps["compiled"] = our_step(system.ours(), images, masks, chosen, compiled=True)
    seconds = as_usual | medians({**steps, "matrix": lambda: matrix @ matrix}, size.steps)
    rate = 2 * MATRIX**3 / 1e9 / seconds.pop("matrix")
    return Measured(agreement, gflop, rate, chosen.precision, chosen.memory_format, seconds)


def peak(system: System, side: str, size: Size, execution: Execution) -> float:
    """The largest size of this process in MB beyond its imports, over three steps of one side; on Linux."""
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    images, masks = size.batch_of_noise()
    if side == "peer":
        step = peers_step(system.theirs(), images, masks)
    else:
        keep_freed_memory()
        step = our_step(system.ours(), images, masks, execution)
    for _ in range(3):
        step()
    return resident("VmHWM") - before


def resident(what: str) -> float:
    """Memory of this process in MB, now (``VmRSS``) or at most (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(what))


def as_json(measured: Measured) -> str:
    return json.dumps(asdict(measured))
