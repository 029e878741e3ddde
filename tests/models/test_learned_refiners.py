"""Refiners that read affinities from the image: where they begin, what they may change, and that they learn."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones import BackboneSpec
from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.inference import optimise
from intarsia.losses import cross_entropy
from intarsia.models import CATALOG, SegmentationNetwork, create_model, load_weights, warm_start
from intarsia.models.cspn import CSPN, CSPNRefiner
from intarsia.models.guidance import ImageGuidance
from intarsia.models.refined import REFINERS
from intarsia.models.refiner import GuidedRefiner, Refiner
from intarsia.models.spn import SPN, SPNRefiner
from intarsia.models.spn_paper import PaperSPNRefiner

UNET: dict[str, Any] = {"name": "unet", "backbone": "test_resnet", "widths": (8, 8, 8, 8, 8)}
SPEC = BackboneSpec("net", (6, 5, 4), (2, 4, 8), (2, 4, 8), (0.5,) * 3, (0.5,) * 3)

LIGHT: dict[str, dict[str, Any]] = {
    "spn": {"refiner": "spn"},
    "spn_own_gates": {"refiner": "spn", "refiner_options": {"channels": 8, "shared": False}},
    "spn_one_way": {
        "refiner": "spn",
        "refiner_options": {"channels": 5, "ways": 1, "merge": "learned"},
    },
    "cspn": {"refiner": "cspn"},
    "cspn_5": {"refiner": "cspn", "refiner_options": {"kernel_size": 5, "steps": 2, "norm": "8sum", "source": "image"}},
}
ALL = {**LIGHT, "spn_paper": {"refiner": "spn", "refiner_options": {"form": "paper"}}}
Net = TypeVar("Net", bound=torch.nn.Module)
SYSTEMS = ("fcn8s", "unet_paper", "deeplabv2", "bisenet")  # every kind of frame, and every forward of its own


def unet(classes: int = 4, **more: Any) -> SegmentationNetwork:
    torch.manual_seed(0)
    return create_model(**UNET, classes=classes, **more)


def images(rows: int = 33, columns: int = 47, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, rows, columns, generator=torch.Generator().manual_seed(1))


def stirred(net: Net) -> Net:
    """As if its refiner had learned: nothing there is zero any longer."""
    generator = torch.Generator().manual_seed(3)
    refiner = net.refiner if isinstance(net, SegmentationNetwork) else net
    assert refiner is not None
    with torch.no_grad():
        for parameter in refiner.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return net


@pytest.mark.parametrize(("size", "classes"), [((33, 47), 5), ((7, 5), 1), ((1, 1), 2)])
@pytest.mark.parametrize("kind", LIGHT)
def test_a_new_one_changes_no_bit(kind: str, size: tuple[int, int], classes: int) -> None:
    net, plain = unet(classes, **LIGHT[kind]).eval(), unet(classes).eval()
    with torch.no_grad():
        logits = net(images(*size))
        assert torch.equal(logits, plain(images(*size)))
        changed = stirred(net)(images(*size))
    assert changed.shape == logits.shape
    assert changed.dtype == torch.float32
    assert changed.isfinite().all()
    assert size == (1, 1) or not torch.equal(changed, logits)


@pytest.mark.parametrize("classes", [1, 5])
def test_nor_does_the_papers(classes: int) -> None:
    net, plain = unet(classes, **ALL["spn_paper"]).eval(), unet(classes).eval()
    with torch.no_grad():
        assert torch.equal(net(images(33, 7)), plain(images(33, 7)))
        assert not torch.equal(stirred(net)(images(33, 7)), plain(images(33, 7)))


@pytest.mark.parametrize("kind", ["spn", "cspn"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_behind_every_kind_of_network(name: str, kind: str) -> None:
    net = stirred(create_model(name, classes=3, **LIGHT[kind], **CATALOG[name].tiny)).eval()
    with torch.no_grad():
        assert net(images()).shape == (2, 3, 33, 47)
    trunk = net.refiner.trunk
    assert isinstance(trunk, ImageGuidance)
    assert bool(trunk.places) == (net.backbone.spec.own_origins is None)


@pytest.mark.parametrize("kind", ALL)
def test_every_parameter_has_a_gradient(kind: str) -> None:
    net = stirred(unet(**ALL[kind])).train()
    target = torch.randint(0, 4, (2, 33, 47), generator=torch.Generator().manual_seed(2))
    cross_entropy(net(images()), target).backward()
    assert net.refiner is not None
    learned = {name: p for name, p in net.refiner.named_parameters() if p.requires_grad}
    assert [name for name, p in learned.items() if p.grad is None or not p.grad.any()] == []


def border(seed: int) -> tuple[Tensor, Tensor]:
    """Pictures of two halves in two colours, and which half is where; the border is a wave."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    phases = torch.rand(4, 1, 1, generator=generator) * 6.3
    truth = (columns > 12 + 4 * torch.sin(rows / 3 + phases)).long()
    pictures = (2.0 * truth - 1)[:, None] + 0.3 * torch.randn(4, 3, 24, 24, generator=generator)
    return pictures, truth


@pytest.mark.parametrize(
    "make",
    [
        lambda: SPNRefiner(2, SPEC, SPN(channels=8, source="image")),
        lambda: CSPNRefiner(2, SPEC, CSPN(channels=8, source="image")),
    ],
    ids=["spn", "cspn"],
)
def test_it_learns_where_borders_are(make: Callable[[], GuidedRefiner]) -> None:
    torch.manual_seed(0)
    refine = make().train()

    def coarse(truth: Tensor) -> Tensor:
        return F.interpolate(F.avg_pool2d(F.one_hot(truth, 2).movedim(3, 1) * 6.0, 8), scale_factor=8, mode="bilinear")

    def wrong(logits: Tensor, truth: Tensor) -> float:
        return float((logits.argmax(1) != truth).float().mean())

    optimiser = torch.optim.AdamW(refine.parameters(), lr=1e-2)
    for step in range(40):
        pictures, truth = border(step)
        optimiser.zero_grad()
        cross_entropy(refine(coarse(truth), pictures), truth).backward()
        optimiser.step()
    pictures, truth = border(1000)
    with torch.no_grad():
        refined = refine.eval()(coarse(truth), pictures)
    assert wrong(refined, truth) < wrong(coarse(truth), truth) / 3


def test_the_backbones_maps_lie_where_the_image_lies() -> None:
    guidance = ImageGuidance(SPEC, 2, channels=1)
    for place, stride in guidance.places:
        rows, columns = (torch.arange(side) * stride + (stride - 1) / 2 for side in (40 // stride, 48 // stride))
        ramp = (rows[:, None] + 3 * columns)[None, None]  # of an image that was extended to 40 × 48
        fitted = guidance._fitted(ramp, stride, (17, 21))
        expected = (torch.arange(17) * 2 + 0.5)[:, None] + 3 * (torch.arange(21) * 2 + 0.5)
        torch.testing.assert_close(fitted[0, 0, 2:, 2:], expected[2:, 2:])
        assert SPEC.strides[place] == stride
    assert guidance._fitted(torch.ones(1, 1, 1, 1), 4, (5, 3)).eq(1).all()  # of a backbone that dropped the last rows


def test_diffusion_reaches_as_far_as_it_says_and_keeps_within_range() -> None:
    torch.manual_seed(0)
    refine = CSPNRefiner(1, SPEC, CSPN(steps=3, kernel_size=5, source="image")).eval()
    with torch.no_grad():
        refine.strength.bias.fill_(1.0)
        logits, pictures = torch.randn(1, 1, 25, 25), torch.randn(1, 3, 25, 25)
        before = refine(logits, pictures)
        logits[0, 0, 12, 12] += 1
        reached = (refine(logits, pictures) != before).nonzero()[:, 2:]
    assert refine.reach == 6
    assert (reached.min(), reached.max()) == (12 - 6, 12 + 6)
    assert logits.min() < before.min()
    assert before.max() < logits.max()


def test_propagation_reaches_whole_rows_and_columns() -> None:
    torch.manual_seed(0)
    refine = SPNRefiner(1, SPEC, SPN(channels=4, ways=1, source="image")).eval()
    with torch.no_grad():
        refine.gates.bias.fill_(0.9)
        logits, pictures = torch.zeros(1, 1, 40, 40), torch.randn(1, 3, 40, 40)
        logits[0, 0, 20, 20] = 9
        found = refine(logits, pictures)[0, 0]
    assert found[19:22, 39].abs().max() > 0.01
    assert found[39, 19:22].abs().max() > 0.01
    assert found[30:, 30:].abs().max() < 1e-6  # one way at a time


def test_the_papers_parameters() -> None:
    def convolution(of: int, to: int, size: int = 3) -> int:
        return (of * size**2 + 1) * to

    with torch.device("meta"):
        refine = PaperSPNRefiner(21, SPEC)
    mask, gates = convolution(21, 32, 4), convolution(256, 384)
    vgg = (
        *(convolution(3, 64) + convolution(64, 64), convolution(64, 128) + convolution(128, 128)),
        *(convolution(128, 256) + 2 * convolution(256, 256), convolution(256, 512) + 2 * convolution(512, 512)),
        3 * convolution(512, 512),
    )
    back = convolution(512, 512, 1) + 2 * convolution(512, 512) + convolution(512, 256)
    after = convolution(32, 64) + convolution(64, 21)
    assert sum(vgg) == 14_714_688  # without its classifier
    learned = sum(p.numel() for p in refine.parameters() if p.requires_grad)
    assert learned == mask + sum(vgg) + back + gates + after == 21_803_381


def test_the_papers_gates_are_at_half_resolution() -> None:
    with torch.device("meta"):
        refine = PaperSPNRefiner(21, SPEC)
        assert refine.guidance(torch.empty(1, 3, 128, 128)).shape == (1, 384, 64, 64)
        assert refine.guidance(torch.empty(1, 3, 7, 5)).shape == (1, 384, 4, 3)


class Small(torch.nn.Module):
    """A refiner behind the smallest network."""

    def __init__(self, refiner: Refiner) -> None:
        super().__init__()
        self.coarse, self.maps, self.refiner = torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(3, 6, 2, 2), refiner

    def forward(self, images: Tensor) -> Tensor:
        features = self.maps(images), F.avg_pool2d(self.maps(images), 2)[:, :5], images
        return self.refiner(self.coarse(images).float(), images, features)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("kind", ["spn", "cspn"])
def test_compiled_exported_and_optimised_it_answers_the_same(kind: str) -> None:
    refiner = stirred(REFINERS[kind].build(4, SPEC))
    net = Small(refiner).eval()
    with torch.no_grad():
        expected = net(images(17, 24))
        torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(images(17, 24)), expected)
        torch.testing.assert_close(torch.export.export(net, (images(17, 24),)).module()(images(17, 24)), expected)
        torch.testing.assert_close(optimise(net, images(17, 24))(images(17, 24)), expected, rtol=0.05, atol=0.3)


@pytest.mark.parametrize("kind", ALL)
def test_bfloat16_autocast_gives_float32_logits(kind: str) -> None:
    net = stirred(unet(**ALL[kind])).eval()
    with torch.no_grad():
        reference = net(images())
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(images())
    assert logits.dtype == torch.float32
    assert (logits - reference).norm() < 0.1 * reference.norm()


@pytest.mark.parametrize("kind", ["spn", "cspn"])
def test_a_plain_networks_weights_start_it(kind: str) -> None:
    plain, started, filled = unet(), unet(**LIGHT[kind]), unet(**LIGHT[kind])
    with torch.no_grad():
        plain.head.bias.add_(1)
    assert {name.split(".")[0] for name in warm_start(started, plain)} == {"refiner"}
    with pytest.warns(IntarsiaWarning, match="The weights have no refiner; that of the network stays as it is"):
        load_weights(filled, plain.state_dict())
    with torch.no_grad():
        expected = plain.eval()(images())
        assert torch.equal(started.eval()(images()), expected)
        assert torch.equal(filled.eval()(images()), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"refiner": "spn", "refiner_options": {"steps": 3}},
            r"`steps` is no option of refiner spn; it has .*channels",
        ),
        ({"refiner": "spn", "refiner_options": {"ways": 2}}, r"Option of refiner spn: `ways` .=2.: .*1 or 3"),
        (
            {"refiner": "spn", "refiner_options": {"form": "paper", "ways": 1}},
            r"Option of refiner spn: `ways` .=1.: has no effect in form 'paper', .* or take form 'light'\.$",
        ),
        ({"refiner": "spn", "refiner_options": {"source": "image", "form": "paper"}}, r"`source` .='image'.: has no"),
        ({"refiner": "spn", "refiner_options": {"form": "caffe"}}, r"`form` .='caffe'.: .*'light' or 'paper'"),
        ({"refiner": "cspn", "refiner_options": {"steps": 0}}, r"Option of refiner cspn: `steps` .=0.: .*greater than"),
        ({"refiner": "cspn", "refiner_options": {"kernel_size": 4}}, r"`kernel_size` .=4.: .*3, 5 or 7"),
        ({"refiner": "spn+crf"}, r"There is no refiner `spn\+crf`"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        unet(**options)


def test_maps_that_lie_elsewhere_are_refused() -> None:
    with pytest.raises(
        ArgumentError, match=r"`source` .* maps that tile the image, and .*`test_unet_contracting` do not"
    ):
        create_model("unet_paper", "test_unet_contracting", refiner="spn", refiner_options={"source": "both"})
