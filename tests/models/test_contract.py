"""One contract for every entry of the catalog, on its tiny form."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.losses import cross_entropy
from intarsia.models import CATALOG, Outputs, SegmentationNetwork, create_model
from intarsia.runs.weights import load_into, save_tensors

INDUCTOR = ("unet", "deeplabv3plus")  # half a minute each

pytestmark = pytest.mark.parametrize("name", CATALOG)


def tiny(name: str, classes: int = 5, **more: Any) -> SegmentationNetwork:
    torch.manual_seed(0)
    net = create_model(name, classes=classes, **{**CATALOG[name].tiny, **more})
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():  # zero-initialised: a residual branch would do nothing, forward and backward
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    return net


def images(height: int = 113, width: int = 97, batch: int = 2, channels: int = 3) -> Float[Tensor, "B C H W"]:
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(113, 97), (64, 64), (33, 200), (7, 5)])
@pytest.mark.parametrize("classes", [1, 2, 21])
def test_logits_have_the_images_size(name: str, size: tuple[int, int], classes: int) -> None:
    logits = tiny(name, classes).eval()(images(*size))
    assert logits.shape == (2, classes, *size)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize("channels", [1, 4, 5])
def test_any_number_of_channels(name: str, channels: int) -> None:
    assert tiny(name, in_channels=channels).eval()(images(64, 64, channels=channels)).shape == (2, 5, 64, 64)


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_every_output_stride(name: str, output_stride: int) -> None:
    if output_stride not in CATALOG[name].output_strides:
        with pytest.raises(ArgumentError, match=f"`output_stride` .={output_stride}. of {name} must be"):
            tiny(name, output_stride=output_stride)
        return
    net = tiny(name, output_stride=output_stride).eval()
    assert net.backbone.spec.output_stride == output_stride
    assert net(images(65, 97)).shape == (2, 5, 65, 97)


def test_a_single_image_trains(name: str) -> None:
    net = tiny(name).train()
    assert net(images(batch=1)).isfinite().all()


def test_every_parameter_has_a_gradient(name: str) -> None:
    net = tiny(name, auxiliary=CATALOG[name].auxiliary).train()
    outputs = net(images())
    every = (outputs.logits, *outputs.auxiliary) if isinstance(outputs, Outputs) else (outputs,)
    target = torch.randint(0, 5, (2, 113, 97), generator=torch.Generator().manual_seed(2))
    sum(cross_entropy(logits, target) for logits in every).backward()
    learned = {n: p for n, p in net.named_parameters() if p.requires_grad and n not in CATALOG[name].unused}
    assert not [n for n, p in learned.items() if p.grad is None or not p.grad.any()]
    assert len(learned) >= 0.9 * len(list(net.parameters()))


def test_the_auxiliary_head_speaks_in_training_only(name: str) -> None:
    if not CATALOG[name].auxiliary:
        with pytest.raises(ArgumentError, match=f"{name} has no auxiliary heads, so `auxiliary` .=True. must be False"):
            tiny(name, auxiliary=True)
        return
    net = tiny(name, auxiliary=True)
    outputs = net.train()(images(33, 71))
    assert isinstance(outputs, Outputs)
    assert len(outputs.auxiliary) == len(outputs.weights) > 0
    assert {logits.shape for logits in (outputs.logits, *outputs.auxiliary)} == {(2, 5, 33, 71)}
    assert isinstance(net.eval()(images(64, 64)), Tensor)


def test_saved_and_loaded_is_the_same(name: str, tmp_path: Path) -> None:
    net, other = tiny(name).eval(), create_model(name, classes=5, **CATALOG[name].tiny).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    save_tensors(tmp_path / "w.safetensors", net.state_dict())
    load_into(other, tmp_path / "w.safetensors")
    torch.testing.assert_close(other(images()), net(images()), rtol=0, atol=0)


def test_the_same_image_in_another_batch(name: str) -> None:
    net, batch = tiny(name).eval(), images()
    torch.testing.assert_close(net(batch)[:1], net(batch[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("unchecked_shapes")
def test_export(name: str) -> None:
    net = tiny(name).eval()
    exported = torch.export.export(net, (images(64, 96),)).module()
    torch.testing.assert_close(exported(images(64, 96)), net(images(64, 96)))


@pytest.mark.usefixtures("unchecked_shapes")
def test_compiles_as_one_graph(name: str) -> None:
    torch._dynamo.reset()
    net = tiny(name).eval()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(images()), net(images()))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
def test_compiles_to_machine_code(name: str) -> None:
    if name not in INDUCTOR:
        pytest.skip("half a minute each: two are enough")
    torch._dynamo.reset()
    net = tiny(name).eval()
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(net)(images(64, 64)), net(images(64, 64)), rtol=1e-4, atol=1e-5)


def test_bfloat16_autocast_gives_float32_logits(name: str) -> None:
    net = tiny(name).eval()
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(images(64, 64))
    assert logits.dtype == torch.float32
    reference = net(images(64, 64))
    assert (logits - reference).norm() < 0.1 * reference.norm()
