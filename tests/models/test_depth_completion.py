"""CSPN's depth completion: counts, the original's outputs, the same contract as other networks, what is measured."""

import inspect
from typing import Any

import pytest
import torch
from goldens import Golden, fill, generator, golden
from torch import Tensor

from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.layers.filling import pull_push
from intarsia.models import DEPTH_CATALOG, DepthNetwork, create_model, list_models, load_weights
from intarsia.models.layouts import xinjcheng

WHOLE, USED = 256_078_272, 218_121_920  # of XinJCheng/CSPN's module with ResNet-50, and of what its forward pass reads


def tiny(**options: Any) -> DepthNetwork:
    torch.manual_seed(0)
    net = create_model("cspn_depth", **{**DEPTH_CATALOG["cspn_depth"].tiny, **options})
    assert isinstance(net, DepthNetwork)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():  # a residual branch that would do nothing
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    return net


def scene(height: int = 33, width: int = 50, batch: int = 2, share: float = 0.1) -> Tensor:
    """Images with a last channel of depths, most of them missing."""
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(batch, 3, height, width, generator=draw)
    depths, chances = torch.rand(2, batch, 1, height, width, generator=draw)
    return torch.cat([images, torch.where(chances < share, 1 + 4 * depths, 0)], dim=1)


@pytest.mark.parametrize(("options", "parameters"), [({}, WHOLE), ({"unused": False}, USED)])
def test_the_published_form_has_the_published_parameters(options: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        net = create_model("cspn_depth", form="xinjcheng", **options)
        assert sum(p.numel() for p in net.parameters()) == parameters
        if options:
            state = {name: torch.empty(shape) for name, shape in golden("cspn_resnet50").names.items()}
            shapes = {name: tensor.shape for name, tensor in xinjcheng.read(state).tensors.items()}
            assert shapes == {name: t.shape for name, t in net.state_dict().items()} | {
                name: shape for name, shape in shapes.items() if name.startswith("unused.")
            }


def test_parameters_with_other_backbones() -> None:
    """Up-projections (512 → 256 → 128 → 64 → 64) on a ResNet-18 without its classifier and with a fourth channel."""
    with torch.device("meta"):
        net = create_model("cspn_depth", "resnet18")
        encoder = 11_689_512 - 513_000 + 64 * 49 + 512 * 512 * 9 + 2 * 512
        pairs = ((512, 256, 0), (256, 128, 128), (128, 64, 64), (64, 64, 64))
        stages = sum(2 * 25 * c * d + 9 * d * d + 6 * d + (9 * (d + e) * d + 2 * d if e else 0) for c, d, e in pairs)
        assert sum(p.numel() for p in net.parameters()) == encoder + stages + 9 * 64 * 9


def original(expected: Golden) -> DepthNetwork:
    """The published network, float64, without what it never calls: that alone would be 300 MB."""
    with torch.device("meta"):
        net = create_model("cspn_depth", form="xinjcheng", unused=False)
    assert isinstance(net, DepthNetwork)
    called = {name: s for name, s in expected.names.items() if not name.startswith(("up_proj_layer", "conv3"))}
    reading = xinjcheng.read({name: fill(name, tuple(shape)) for name, shape in called.items()})
    assert reading is not None
    net.load_state_dict(dict(reading.tensors), assign=True)
    return net.eval()


def original_input() -> Tensor:
    shape, one = (1, 3, 228, 304), (1, 1, 228, 304)
    measured, depths = generator(2001).uniform(0, 1, one) < 0.1, generator(1001).uniform(1, 5, one)
    image = torch.from_numpy(generator(1).standard_normal(shape))
    return torch.cat([image, torch.from_numpy(depths * measured)], dim=1)


@pytest.mark.slow
@torch.no_grad()
def test_outputs_are_the_originals() -> None:
    expected = golden("cspn_resnet50")
    net, seen = original(expected), {}
    watched = {"encoder": net.decoder.project, "decoder": net.decoder, "blur_depth": net.head, "guidance": net.guide}
    for name, module in watched.items():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: seen.update({name: output}))
    seen["main"] = net(original_input())
    for name, output in seen.items():
        expected.check(name, output)


def published(net: DepthNetwork) -> dict[str, Tensor]:
    """A state dict of ours under the published names, by running the layout's rules backwards."""
    backwards = [(ours.replace(r"\1", n), theirs.replace("([1-4])", n)) for theirs, ours in rules() for n in "1234"]
    state = {}
    for name, tensor in net.state_dict().items():
        ours, theirs = next(pair for pair in backwards if name.startswith(pair[0]))
        behind = name.endswith(xinjcheng.BEHIND_ZEROS)
        tensor = tensor.transpose(0, 1).flip(2, 3) if behind else tensor
        state[theirs.replace("\\", "") + name.removeprefix(ours)] = tensor
    return state


def rules() -> list[tuple[str, str]]:
    return [(theirs, ours) for theirs, ours in xinjcheng.RULES if ours is not None]


@torch.no_grad()
def test_weights_load_by_their_names() -> None:
    """On a network that is small enough; theirs runs with bottlenecks only."""
    first = create_model("cspn_depth", "resnet18", form="xinjcheng").eval()
    state = {f"module.{name}": tensor for name, tensor in published(first).items()}
    state["module.post_process_layer.sum_conv.weight"] = torch.ones(1, 8, 1, 1, 1)
    asked = create_model("cspn_depth", "resnet18", form="xinjcheng")
    with pytest.warns(IntarsiaWarning, match="last channel of input is measured depth in metres"):
        net = load_weights(asked, state).eval()
    assert net is asked
    torch.testing.assert_close(net(scene()), first(scene()), rtol=0, atol=0)
    with pytest.warns(IntarsiaWarning, match="XinJCheng/CSPN are for cspn_depth on resnet18 .* form xinjcheng"):
        net = load_weights(create_model("cspn_depth", "test_resnet"), state).eval()
    torch.testing.assert_close(net(scene()), first(scene()), rtol=0, atol=0)
    with pytest.raises(ArgumentError, match=r"weights of XinJCheng/CSPN for cspn_depth .* the network is unet"):
        load_weights(create_model("unet", "test_resnet"), state)


@pytest.mark.parametrize("form", ["paper", "filled", "xinjcheng"])
@pytest.mark.parametrize("size", [(33, 50), (7, 5), (64, 32)])
def test_depths_have_the_images_size(form: str, size: tuple[int, int]) -> None:
    depths = tiny(form=form).eval()(scene(*size))
    assert depths.shape == (2, 1, *size)
    assert depths.dtype == torch.float32
    assert depths.isfinite().all()


def test_a_backbone_may_round_down() -> None:
    """VGG's pooling gives 4 rows for 9."""
    with torch.device("meta"):
        assert create_model("cspn_depth", "vgg16").eval()(torch.empty(1, 4, 45, 67)).shape == (1, 1, 45, 67)


def test_every_parameter_has_a_gradient_but_those_never_called() -> None:
    net = tiny(form="xinjcheng").train()
    (net(scene()) - 1).abs().mean().backward()
    silent = {name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()}
    unused = DEPTH_CATALOG["cspn_depth"].unused
    assert silent == {name for name, _ in net.named_parameters() if name.startswith(unused)}
    assert silent


def test_measured_depths_are_exact_or_blurred() -> None:
    images = scene()
    measured = images[:, 3:] > 0
    nets = [tiny(measured=measured).eval() for measured in ("replaced", "kept")]
    exact, blurred = (net(images) for net in nets)
    torch.testing.assert_close(exact[measured], images[:, 3:][measured], rtol=0, atol=0)
    plain = tiny(steps=0).eval()
    plain.load_state_dict({n: t for n, t in nets[0].state_dict().items() if not n.startswith("guide.")})
    torch.testing.assert_close(blurred[measured], plain(images)[measured], rtol=0, atol=0)
    assert not torch.equal(blurred, plain(images))


@pytest.mark.parametrize("measured", ["kept", "replaced", "blended"])
@pytest.mark.parametrize("norm", ["8sum", "8sum_abs"])
def test_a_constant_scene_stays_whatever_the_guidance(measured: str, norm: str) -> None:
    """What propagates it adds nothing of its own: a first map of one depth, measured or not, is the answer."""
    net, images = tiny(measured=measured, norm=norm).eval(), scene()
    images[:, 3:] = 2.5 * images[:, 3:].sign()
    net.head.register_forward_hook(lambda _module, _inputs, output: torch.full_like(output, 2.5))
    torch.testing.assert_close(net(images), torch.full((2, 1, 33, 50), 2.5), rtol=1e-5, atol=0)


@pytest.mark.parametrize("training", [False, True])
def test_replaced_measurements_leave_the_whole_network_exact(training: bool) -> None:
    """For any backbone form, kernel and norm, in training as well, and in bfloat16."""
    images = scene()
    known = images[:, 3:] > 0
    for options in (
        {},
        {"form": "filled"},
        {"kernel_size": 5, "norm": "8sum_abs"},
        {"layout": "shifted", "centre": "current", "steps": 3},
    ):
        net = tiny(measured="replaced", **options).train(training)
        for autocast in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                torch.testing.assert_close(net(images)[known], images[:, 3:][known], rtol=0, atol=0)


@torch.no_grad()
def test_a_filled_beginning_is_what_is_not_learned_yet() -> None:
    images, net = scene(), create_model("cspn_depth", "test_resnet", form="filled", steps=0).eval()
    assert torch.equal(net(images), pull_push(images[:, 3:]))
    images[0, 3:] = 0
    assert net(images)[0].eq(0).all()


@pytest.mark.parametrize("scale", [0.25, 3.0])
@torch.no_grad()
def test_a_filled_beginning_makes_the_answer_scale_with_what_is_measured(scale: float) -> None:
    """A scene of k times the size, as far away again, gives the same picture: nothing but measurements tell k."""
    images, net = scene(), tiny(form="filled").eval()
    larger = images.clone()
    larger[:, 3:] *= scale
    assert not torch.allclose(net(images), pull_push(images[:, 3:]))
    torch.testing.assert_close(net(larger), scale * net(images), rtol=1e-4, atol=0)
    plain = tiny().eval()
    assert not torch.allclose(plain(larger), scale * plain(images), rtol=1e-2)


def test_without_propagation_there_is_no_guidance() -> None:
    assert tiny(steps=0).guide is None
    assert tiny(kernel_size=5).guide.transposed.out_channels == 24


@pytest.mark.usefixtures("unchecked_shapes")
def test_it_is_exported_and_compiled_as_one_graph() -> None:
    torch._dynamo.reset()
    net, images = tiny().eval(), scene()
    exported = torch.export.export(net, (images,)).module()
    torch.testing.assert_close(exported(images), net(images))
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(images), net(images))


def test_bfloat16_autocast_gives_float32_depths() -> None:
    net, images = tiny(measured="kept").eval(), scene()
    with torch.autocast("cpu", torch.bfloat16):
        depths = net(images)
    assert depths.dtype == torch.float32
    assert (depths - net(images)).norm() < 0.1 * net(images).norm()


def test_depths_are_not_normalised() -> None:
    spec = tiny().backbone.spec
    assert (spec.mean[3], spec.std[3], spec.in_channels) == (0.0, 1.0, 4)
    assert spec.mean[:3] == create_model("unet", "test_resnet").backbone.spec.mean


def test_it_is_listed_apart() -> None:
    assert "cspn_depth" not in list_models()
    assert list_models("depth") == tuple(DEPTH_CATALOG) == ("cspn_depth",)
    assert {"classes", "in_channels"} <= inspect.signature(create_model).parameters.keys()


REFUSED = [
    ({"classes": 5}, r"cspn_depth gives one depth a pixel .* `classes` \(=5\) must be 1"),
    ({"refiner": "crf"}, r"`refiner` \(='crf'\) None; `intarsia.list_models\(\)` names those that segment"),
    ({"in_channels": 1}, r"`in_channels` \(=1\) of cspn_depth must be at least 2"),
    ({"output_stride": 16}, r"`output_stride` \(=16\) of cspn_depth must be 32"),
    (
        {"backbone": "mobilenetv2_100", "stem_skip": "convolved"},
        '`stem_skip` .="convolved". needs a ResNet of timm, .* and not `mobilenetv2_100`; use stem_skip="activated"',
    ),
    ({"auxiliary": True}, "cspn_depth has no auxiliary heads"),
    ({"kernel_size": 4}, r"`kernel_size` \(=4\): input should be 3, 5 or 7"),
    ({"steps": -1}, r"`steps` \(=-1\): input should be greater than or equal to 0"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_refusals(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence), torch.device("meta"):
        create_model("cspn_depth", **{"backbone": "test_resnet", **arguments})
