"""Optimised networks answer as the networks do; what is folded, fused and kept is counted."""

import copy
import importlib
from collections.abc import Callable
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import intarsia
from intarsia.errors import ArgumentError
from intarsia.inference import OptimisedNetwork, fusion, optimise
from intarsia.inference.optimise import AS_IT_IS, SIZES_KEPT, Plan, fastest
from intarsia.models.catalog import CATALOG

module = importlib.import_module("intarsia.inference.optimise")  # the package's own name is the function
PLANS = [Plan(p, m) for p in ("float32", "bfloat16") for m in ("contiguous", "channels_last")]
EXACT, ROUNDED = PLANS[1], PLANS[3]


class Residual(nn.Module):
    """One ReLU that serves three times, in place, and a sum whose other side is used again."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(2))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norms[0](self.first(x)))
        z = self.relu(self.norms[1](self.second(y)) + y)
        return z + y


class Shared(nn.Module):
    """A convolution that feeds a batch norm and something else; another one that comes twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.twice = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.twice(self.twice(self.norm(y) + y)) + y


class Coarse(nn.Module):
    """Logits at half the size, resized to the image's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 2, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.conv(x), x.shape[-2:], mode="bilinear")


def chain(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(*parts)


SMALL = {
    "bias": lambda: chain(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)),
    "no bias, grouped, dilated": lambda: chain(
        nn.Conv2d(4, 8, 3, 2, 2, 2, groups=4, bias=False), nn.BatchNorm2d(8), nn.ReLU6()
    ),
    "norm without weights": lambda: chain(nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6, affine=False), nn.SiLU()),
    "norm first": lambda: chain(nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 1), nn.Hardswish()),
    "transposed": lambda: chain(nn.ConvTranspose2d(4, 6, 2, 2), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 2, 1)),
    "residual": Residual,
    "shared": Shared,
    "coarse": Coarse,
}
LARGE = {
    "torchvision": lambda: torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3
    ),
    "smp": lambda: smp.Unet("resnet18", encoder_weights=None, classes=3),
    "danet": lambda: intarsia.create_model("danet", classes=3, **CATALOG["danet"].tiny),
    "deeplabv3plus": lambda: intarsia.create_model("deeplabv3plus", "resnet18", 3, auxiliary=True),
}


def trained(net: nn.Module) -> nn.Module:
    """Statistics and weights of batch norms as training leaves them, not as it finds them."""
    generator = torch.Generator().manual_seed(0)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
                if tensor is not None:
                    drawn = torch.rand(tensor.shape, generator=generator)
                    tensor.data.copy_(drawn + 0.5 if tensor is not norm.running_mean else drawn - 0.5)
    for name, parameter in net.named_parameters():
        if name.endswith("gamma"):  # attention that starts as nothing
            nn.init.constant_(parameter, 0.5)
    return net.eval()


def image(channels: int = 4, height: int = 12, width: int = 10) -> Tensor:
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(1))


def operators(net: OptimisedNetwork) -> list[str]:
    ((program, _),) = net._programs.values()
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("name", SMALL)
def test_small_networks_answer_the_same(name: str, plan: Plan) -> None:
    net = trained(SMALL[name]())
    fast = OptimisedNetwork(net, plan)
    for x in (image(), image(height=7, width=16)):
        with torch.no_grad():
            expected = net(x)
        tolerance = 1e-5 if plan.precision == "float32" else 0.03
        scale = float(expected.abs().max())
        answer = fast(x)
        torch.testing.assert_close(answer, expected, rtol=0, atol=tolerance * scale)
        assert answer.is_contiguous()


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("name", LARGE)
def test_whole_networks_answer_the_same(name: str) -> None:
    net = trained(LARGE[name]())
    x = image(3, 64, 96)
    with torch.no_grad():
        expected = net(x)
    for plan, tolerance in ((EXACT, 1e-5), (ROUNDED, 0.1)):
        answer = OptimisedNetwork(net, plan)(x)
        assert type(answer) is type(expected)
        ours, theirs = (a["out"] if isinstance(a, dict) else a for a in (answer, expected))
        assert ours.dtype == torch.float32
        assert float((ours - theirs).norm() / theirs.norm()) < tolerance


COUNTS = {
    "residual": {"native_batch_norm": 0, "aten.relu": 0, "pointwise.default": 1, "pointwise.binary": 1},
    "shared": {"native_batch_norm": 1, "pointwise.default": 2, "pointwise.binary": 1},
    "no bias, grouped, dilated": {"native_batch_norm": 0, "hardtanh": 0},
    "norm without weights": {"native_batch_norm": 0, "silu": 0},
    "norm first": {"native_batch_norm": 1, "aten.relu": 1, "hardswish": 0},
}


@pytest.mark.skipif(not fusion.fusible(), reason="this PyTorch has no oneDNN")
@pytest.mark.parametrize("name", COUNTS)
def test_what_is_folded_and_fused(name: str) -> None:
    fast = OptimisedNetwork(trained(SMALL[name]()), EXACT)
    fast(image())
    found = operators(fast)
    assert {part: sum(part in operator for operator in found) for part in COUNTS[name]} == COUNTS[name]


def test_without_onednn_folding_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fusible", lambda: False)
    net = trained(SMALL["residual"]())
    fast = OptimisedNetwork(net, EXACT)
    torch.testing.assert_close(fast(image()), net(image()).detach(), rtol=1e-5, atol=1e-5)
    assert not any("batch_norm" in operator or "mkldnn" in operator for operator in operators(fast))


def test_logits_are_resized_in_float32() -> None:
    net = SMALL["coarse"]().eval()
    coarse = OptimisedNetwork(net.conv, ROUNDED)(image())
    resized = F.interpolate(coarse, (12, 10), mode="bilinear")
    torch.testing.assert_close(OptimisedNetwork(net, ROUNDED)(image()), resized, rtol=0, atol=0)


def test_sizes_share_weights_and_only_some_are_kept() -> None:
    fast = OptimisedNetwork(trained(SMALL["residual"]()), ROUNDED)
    fast(image())
    made = dict(fast._weights.made)
    for height in range(4, 4 + SIZES_KEPT + 2):
        fast(image(height=height))
    assert len(fast._programs) == SIZES_KEPT
    assert {name: id(tensor) for name, tensor in fast._weights.made.items()} == {n: id(t) for n, t in made.items()}
    assert {name.split(".")[0] for name in made} == {"packed", "folded_bias"}  # no second copy of what is packed


def test_optimise_chooses_by_time_and_leaves_the_network_alone() -> None:
    net = trained(SMALL["residual"]())
    before = copy.deepcopy(net.state_dict())
    expected = net(image()).detach()
    fast = optimise(net, image())
    assert set(fast.milliseconds) == {AS_IT_IS, *map(str, module.plans(torch.device("cpu")))}
    torch.testing.assert_close(net.state_dict(), before)
    assert all(p.requires_grad for p in net.parameters())
    nn.init.zeros_(net.first.weight)
    torch.testing.assert_close(fast(image()), expected, rtol=0, atol=0.03 * float(expected.abs().max()))


def test_bfloat16_is_tried_only_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for has in (True, False):
        monkeypatch.setattr(module, "_rounds_on_cpu", lambda has=has: has)
        monkeypatch.setattr(module, "fusible", lambda: True)
        assert any(plan.precision == "bfloat16" for plan in module.plans(torch.device("cpu"))) == has


def test_bfloat16_must_win_clearly() -> None:
    exact, rounded = PLANS[0], PLANS[3]
    assert fastest({exact: 1.0, rounded: 0.96}) == exact
    assert fastest({exact: 1.0, rounded: 0.94}) == rounded
    assert fastest({exact: 1.0, EXACT: 0.9, rounded: 0.89}) == EXACT
    assert fastest({rounded: 2.0}) == rounded


class Odd(nn.Module):
    """Two convolutions, or one under two names, and what a function makes of them and the image."""

    def __init__(self, answer: Callable[["Odd", Tensor], Any], *, tied: bool = False) -> None:
        super().__init__()
        self.answer, self.first, self.norm = answer, nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.second = self.first if tied else nn.Conv2d(4, 4, 1)
        self.position = nn.Parameter(torch.rand(2, 4, 1, 1))

    def forward(self, x: Tensor) -> Any:
        return self.answer(self, x)


def one_weight(net: Odd) -> Odd:
    net.second.weight = net.first.weight
    return net


def scales(x: Tensor) -> Tensor:
    return torch.tensor([0.5, 1.0, 1.5, float(x.shape[-1])]).view(1, 4, 1, 1)


ODD = {
    "one convolution, two names": lambda: Odd(lambda net, x: net.second(net.first(x).relu()), tied=True),
    "one weight, two convolutions": lambda: one_weight(Odd(lambda net, x: net.second(net.first(x).relu()))),
    "constant of the size": lambda: Odd(lambda net, x: net.second(net.first(x) * scales(x))),
    "constant bias": lambda: Odd(lambda net, x: net.norm(F.conv2d(x, net.first.weight, torch.arange(4.0)))),
    "weights by a formula": lambda: Odd(lambda net, x: net.norm(F.conv2d(x, net.first.weight.tanh()))),
    "weight as a summand": lambda: Odd(lambda net, x: net.first(x[..., :1, :1]) + net.position),
    "None, numbers and text": lambda: Odd(
        lambda net, x: {"out": net.first(x), "aux": None, "width": x.shape[-1], "as": "a"}
    ),
    "classes": lambda: Odd(lambda net, x: net.first(x).argmax(1)),
    "logits and masks": lambda: Odd(lambda net, x: (net.first(x), net.first(x) > 0)),
    "image and weight": lambda: Odd(lambda net, x: (x, net.second(net.first(x)), net.position)),
    "maps that are used again": lambda: Odd(
        lambda net, x: [y := net.first(x), z := F.interpolate(y, scale_factor=2.0), net.second(z)]
    ),
    "spectrum": lambda: Odd(lambda net, x: torch.fft.rfft2(net.first(x))),
}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ODD)
@torch.no_grad()
def test_odd_networks_answer_the_same(name: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16, where it is possible at all, is made the fastest."""
    monkeypatch.setattr(module, "plans", lambda _: PLANS if precision == "bfloat16" else PLANS[:2])
    monkeypatch.setattr(module, "fastest", lambda seconds: max(seconds, key=lambda plan: PLANS.index(plan)))
    net = trained(ODD[name]())
    fast = optimise(net, image())
    for x in (image(), image(height=7, width=16)):
        answer, expected = (pytree.tree_flatten(one(x)) for one in (fast, net))
        assert answer[1] == expected[1]
        for ours, theirs in zip(answer[0], expected[0], strict=True):
            if not isinstance(theirs, Tensor):
                assert ours == theirs
                continue
            assert ours.dtype == theirs.dtype
            if theirs.is_floating_point() or theirs.is_complex():
                assert float((ours - theirs).norm() / theirs.norm()) < (1e-5 if precision == "float32" else 0.03)
            else:
                assert float((ours != theirs).double().mean()) < (1e-9 if precision == "float32" else 0.03)


AGREEMENT = {
    "rounding": (torch.tensor([3.0, 4.001]), torch.tensor([3.0, 4.0]), True),
    "another value": (torch.tensor([3.0, 4.1]), torch.tensor([3.0, 4.0]), False),
    "the same classes": (torch.tensor([3, 4]), torch.tensor([3, 4]), True),
    "another class": (torch.tensor([3, 5]), torch.tensor([3, 4]), False),
    "few other classes": (torch.arange(20_000).clamp(min=1), torch.arange(20_000), True),
    "another number": ({"n": 3}, {"n": 4}, False),
    "another key": ({"n": 3}, {"m": 3}, False),
    "None": ([None], [None], True),
}


@pytest.mark.parametrize("name", AGREEMENT)
def test_agreement(name: str) -> None:
    answer, expected, agree = AGREEMENT[name]
    assert module._agrees(answer, expected, 1e-3) == agree


class Decides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) if x.mean() > 0 else x


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match="`net` is in training mode; call"):
        optimise(Residual().train(), image())
    with pytest.raises(ArgumentError, match=r"`net` \(Decides\) cannot be recorded as a list of operators"):
        optimise(Decides().eval(), image())
    with pytest.raises(ArgumentError, match=r"recorded as a list of operators \(it answers a set\); use it as it is"):
        optimise(Odd(lambda net, x: {net.first(x)}).eval(), image())
    with pytest.raises(ArgumentError, match=r"`net` \(ReLU\) has no 2-D convolution; pass `images`"):
        optimise(nn.ReLU().eval())
    monkeypatch.setattr(module, "_agrees", lambda *_: False)
    with pytest.raises(ArgumentError, match="No recorded form of `net` gives its answer"):
        optimise(Residual().eval(), image())
