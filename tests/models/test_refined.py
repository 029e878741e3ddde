"""A refiner behind any system: built, trained, saved, compiled and warm-started as the system itself is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import intarsia
from intarsia.errors import ArgumentError, IntarsiaWarning, UnknownNameError
from intarsia.inference import optimise
from intarsia.losses import cross_entropy
from intarsia.models import CATALOG, Blueprint, Outputs, SegmentationNetwork, create_model, load_weights, warm_start
from intarsia.models.loading import build
from intarsia.runs.weights import load_into, save_tensors

UNET: dict[str, Any] = {"name": "unet", "backbone": "test_resnet", "widths": (8, 8, 8, 8, 8)}
SYSTEMS = ("fcn8s", "unet", "unet_paper", "deeplabv2", "bisenet")  # every kind of frame, and every forward of its own


def unet(classes: int = 4, **more: Any) -> SegmentationNetwork:
    torch.manual_seed(0)
    return create_model(**UNET, classes=classes, **more)


def images(rows: int = 33, columns: int = 47, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, rows, columns, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("classes", [1, 2, 21])
@pytest.mark.parametrize("name", SYSTEMS)
def test_logits_have_the_images_size(name: str, classes: int) -> None:
    net = create_model(name, classes=classes, refiner="crf", **CATALOG[name].tiny).eval()
    logits = net(images())
    assert logits.shape == (2, classes, 33, 47)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_the_networks_own_logits_are_refined_with_the_image_itself() -> None:
    net, plain = unet(refiner="crf").eval(), unet().eval()
    assert net.refiner is not None
    with torch.no_grad():
        torch.testing.assert_close(net(images()), net.refiner(plain(images()), images()))
        assert not torch.allclose(net(images()), plain(images()))


def test_one_logit_is_refined_as_two_classes() -> None:
    net, plain = unet(1, refiner="crf").eval(), unet(1).eval()
    image = np.random.default_rng(0).integers(0, 255, (20, 24, 3), np.uint8)
    spec = net.backbone.spec
    x = (torch.from_numpy(image) / 255 - torch.tensor(spec.mean)) / torch.tensor(spec.std)
    x = x.permute(2, 0, 1)[None]
    with torch.no_grad():
        foreground = plain(x)[0, 0].double().sigmoid().numpy()
        refined = net(x)[0, 0].sigmoid().numpy()
    expected = intarsia.dense_crf(np.stack([1 - foreground, foreground]), image)[1]
    np.testing.assert_allclose(refined, expected, atol=1e-3)


def test_every_parameter_has_a_gradient_and_auxiliary_heads_stay_as_they_are() -> None:
    net = unet(refiner="crf", auxiliary=True, refiner_options={"appearance_srgb": 60.0}).train()
    outputs = net(images())
    assert isinstance(outputs, Outputs)
    target = torch.randint(0, 4, (2, 33, 47), generator=torch.Generator().manual_seed(2))
    sum(cross_entropy(logits, target) for logits in (outputs.logits, *outputs.auxiliary)).backward()
    names = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [name for name in names if name.startswith("refiner.")]
    plain = unet(auxiliary=True).train()
    torch.testing.assert_close(outputs.auxiliary, plain(images()).auxiliary)


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    net, other = unet(refiner="crf").eval(), unet(refiner="crf").eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    save_tensors(tmp_path / "w.safetensors", net.state_dict())
    load_into(other, tmp_path / "w.safetensors")
    torch.testing.assert_close(other(images()), net(images()), rtol=0, atol=0)


def test_the_blueprint_builds_it_again() -> None:
    options = {"appearance_sxy": 20.0, "iterations": 3}
    net = unet(refiner="crf", refiner_options=options)
    plan = net.blueprint
    assert plan == Blueprint(
        "unet", "test_resnet", 4, 32, options={"widths": UNET["widths"]}, refiner="crf", refiner_options=options
    )
    assert str(plan).endswith("refined by crf")
    again = build(plan)
    assert repr(again.refiner) == repr(net.refiner)
    assert again.state_dict().keys() == net.state_dict().keys()


def test_a_refined_network_starts_from_a_plain_one() -> None:
    plain, refined = unet(), unet(refiner="crf")
    with torch.no_grad():
        plain.head.bias.add_(1)
    new = warm_start(refined, plain)
    assert all(name.startswith("refiner.") for name in new)
    torch.testing.assert_close(refined.head.bias, plain.head.bias)


def test_weights_of_a_plain_network_fill_a_refined_one_with_a_warning() -> None:
    plain, refined = unet(), unet(refiner="crf")
    with torch.no_grad():
        plain.head.bias.add_(1)
    with pytest.warns(IntarsiaWarning, match="The weights have no refiner; that of the network stays as it is"):
        assert load_weights(refined, plain.state_dict()) is refined
    torch.testing.assert_close(refined.head.bias, plain.head.bias)
    assert load_weights(refined, refined.state_dict()) is refined
    with pytest.raises(ArgumentError, match=r"not in the network: refiner.smoothness_weight, .* they were for"):
        load_weights(plain, refined.state_dict())


def test_weights_of_another_repository_keep_the_refiner() -> None:
    import segmentation_models_pytorch as smp

    theirs = smp.Unet("resnet18", encoder_weights=None, classes=4).state_dict()
    net = create_model("unet", "resnet18", classes=4, form="smp", refiner="crf")
    with pytest.warns(IntarsiaWarning, match="have no refiner; that of the network stays as it is"):
        assert load_weights(net, theirs) is net
    other = create_model("unet", "resnet18", classes=7, form="smp", refiner="crf")
    with (
        pytest.warns(IntarsiaWarning, match="have no refiner"),
        pytest.warns(IntarsiaWarning, match="the network that is returned is that one"),
    ):
        built = load_weights(other, theirs)
    assert built.blueprint is not None
    assert (built.blueprint.classes, built.blueprint.refiner) == (4, "crf")


@pytest.mark.usefixtures("unchecked_shapes")
def test_compiles_as_one_graph_and_exports() -> None:
    net = unet(refiner="crf").eval()
    expected = net(images())
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(images()), expected)
    exported = torch.export.export(net, (images(),)).module()
    torch.testing.assert_close(exported(images()), expected)


@pytest.mark.usefixtures("unchecked_shapes")
def test_optimised_it_answers_the_same() -> None:
    net = unet(refiner="crf").eval()
    with torch.no_grad():
        torch.testing.assert_close(optimise(net, images())(images()), net(images()), rtol=0.05, atol=0.3)


def test_bfloat16_autocast_gives_float32_logits() -> None:
    net = unet(refiner="crf").eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = net(images())
    assert logits.dtype == torch.float32
    reference = net(images())
    assert (logits - reference).norm() < 0.1 * reference.norm()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"refiner": "crv"}, UnknownNameError, r"refiner.*crv.*crf"),
        ({"refiner_options": {"iterations": 3}}, ArgumentError, r"`refiner_options` .*need a `refiner`, such as"),
        (
            {"refiner": "crf", "refiner_options": {"sigma": 3}},
            ArgumentError,
            r"`sigma` is no option of refiner crf; it has .*appearance_sxy",
        ),
        (
            {"refiner": "crf", "refiner_options": {"appearance_sxy": 0}},
            ArgumentError,
            r"Option of refiner crf: `appearance_sxy` .=0.: .* greater than 0",
        ),
    ],
)
def test_refusals(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        unet(**options)
