"""BiSeNet: counts, the originals' outputs, how its paths are put together, refusals."""

from typing import Any

import pytest
import torch
from goldens import golden
from published import all_maps
from torch import nn

from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.layers import resize
from intarsia.models import SegmentationNetwork, create_model, load_weights

COUNTS = [
    # form, backbone, options, parameters, where the number comes from (19 classes)
    ("coincheung", "resnet18", {"auxiliary": True}, 13_425_721, "CoinCheung/BiSeNet in training"),
    ("coincheung", "resnet18", {}, 13_275_539, "CoinCheung/BiSeNet in evaluation"),
    ("torchseg", "xception39", {"auxiliary": True}, 1_842_289, "TorchSeg cityscapes.bisenet.X39.speed in training"),
    ("torchseg", "xception39", {}, 1_541_963, "TorchSeg cityscapes.bisenet.X39.speed in evaluation"),
    ("torchseg", "resnet18", {"auxiliary": True}, 13_194_489, "TorchSeg cityscapes.bisenet.R18.speed in training"),
    ("torchseg", "resnet18", {}, 12_894_163, "TorchSeg cityscapes.bisenet.R18.speed in evaluation"),
    (
        "torchseg",
        "resnet18",
        {"auxiliary": True, "auxiliary_channels": 256},
        13_494_777,
        "TorchSeg cityscapes.bisenet.R18",
    ),
    (
        "torchseg",
        "resnet101_deep_stem",
        {"auxiliary": True, "auxiliary_channels": 256, "head_channels": 256},
        48_239_417,
        "TorchSeg cityscapes.bisenet.R101",
    ),
    (
        "paper",
        "resnet18",
        {},
        12_894_163 - (64 * 64 * 9 + 64 * 128 + 2 * (64 + 128)) + (64 * 128 * 9 + 2 * 128),
        "TorchSeg's, with the last of three spatial convolutions as wide as its 1×1",
    ),
]


@pytest.mark.parametrize(("form", "backbone", "options", "parameters", "source"), COUNTS)
def test_parameter_counts(form: str, backbone: str, options: dict[str, Any], parameters: int, source: str) -> None:
    with torch.device("meta"):
        net = create_model("bisenet", backbone, classes=19, form=form, **options)
    assert sum(p.numel() for p in net.parameters()) == parameters, source


def loaded(name: str) -> SegmentationNetwork:
    with pytest.warns(IntarsiaWarning, match="bisenet on .*, 19 classes, form (coincheung|torchseg), auxiliary"):
        return load_weights(create_model("bisenet", "test_resnet").double(), golden(name).state_dict()).eval()


def test_coincheungs_weights_give_coincheungs_outputs() -> None:
    original, net = golden("bisenetv1_coincheung"), loaded("bisenetv1_coincheung")
    image = original.image()
    for name, logits in zip(("main", "aux2", "aux1"), all_maps(net, image), strict=True):  # theirs: the finer one first
        original.check(name, resize(logits, image.shape[-2:]))
    original.check("main", net(image))


@pytest.mark.parametrize("name", ["bisenet_torchseg_x39", "bisenet_torchseg_x39_speed"])
def test_the_authors_weights_give_the_authors_outputs(name: str) -> None:
    """The "speed" networks give their logits at an eighth of the image; ours go on to its size."""
    original, net = golden(name), loaded(name)
    image = original.image()
    size = tuple(original.output("main")["shape"][-2:])
    logits = [resize(logits, size, align_corners=True) for logits in all_maps(net, image)]
    for output, computed in zip(("main", "aux1", "aux2"), logits, strict=True):
        original.check(output, computed)
    original.check("log_softmax", logits[0].log_softmax(1))
    torch.testing.assert_close(net(image), resize(net.maps(image)[0], image.shape[-2:], align_corners=True))


def test_weights_without_training_heads_fill_a_network_without_them() -> None:
    for name, heads in (
        ("bisenetv1_coincheung", ("conv_out16", "conv_out32")),
        ("bisenet_torchseg_x39", ("heads.0", "heads.1")),
    ):
        state = {n: t for n, t in golden(name).state_dict().items() if not n.startswith(heads)}
        with pytest.warns(IntarsiaWarning):
            net = load_weights(create_model("bisenet", "test_resnet").double(), state)
        assert not net.blueprint.auxiliary
        original = golden(name)
        original.check("main", net.eval()(original.image()))


@pytest.mark.parametrize("form", ["paper", "coincheung", "torchseg"])
@pytest.mark.parametrize("size", [(97, 65), (33, 100)])
def test_every_form_runs_at_any_size(form: str, size: tuple[int, int]) -> None:
    """CoinCheung's code runs where ceil(H / 8) = 4 ceil(H / 32) only."""
    net = create_model("bisenet", "test_resnet", classes=3, form=form, channels=8, auxiliary=True)
    assert net.eval()(torch.randn(1, 3, *size)).shape == (1, 3, *size)
    assert [tuple(logits.shape[-2:]) for logits in all_maps(net, torch.randn(1, 3, 97, 65))] == [
        (13, 9),
        (7, 5),
        (13, 9),
    ]


def test_refinement_multiplies_or_adds() -> None:
    torch.manual_seed(0)
    nets = [
        create_model("bisenet", "test_resnet", classes=2, channels=8, residual_refinement=residual).eval()
        for residual in (False, True)
    ]
    nets[1].load_state_dict(nets[0].state_dict())
    for net in nets:
        for refine in net.decoder.refine:
            nn.init.zeros_(refine.attention[0].weight)
            nn.init.constant_(refine.attention[1].bias, 50.0)  # an attention of one
    x = torch.randn(1, nets[0].backbone.spec.channels[-1], 5, 4)
    product, total = (net.decoder.refine[0](x) for net in nets)
    torch.testing.assert_close(total, 2 * product)


def test_fusion_adds_the_map_or_not() -> None:
    torch.manual_seed(0)
    nets = [
        create_model("bisenet", "test_resnet", classes=2, channels=8, residual_fusion=r).eval() for r in (False, True)
    ]
    nets[1].load_state_dict(nets[0].state_dict())
    spatial, context = torch.randn(1, 128, 5, 4), torch.randn(1, 8, 5, 4)
    product, total = (net.decoder.fusion(spatial, context) for net in nets)
    y = nets[0].decoder.fusion.fuse(torch.cat([spatial, context], dim=1))
    torch.testing.assert_close(total, product + y)
    assert not torch.equal(product, y)


REFUSED = [
    ({"deepest": 16}, "`test_resnet` has no feature map at stride 32, only at 2, 4, 8, 16; choose a backbone"),
    ({"gate": "three"}, "`gate` .='three'.: input should be 'two_convolutions' or 'one_normalised'"),
    ({"spatial_projection": -3}, r"`spatial_projection` \(=-3\): input should be greater than or equal to 0"),
    ({"spatial_channels": (64, 64)}, r"`spatial_channels\[2\]` is missing"),
    ({"upsampling": "cubic"}, "`upsampling` .='cubic'.: input should be 'bilinear' or 'nearest'"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_refusals(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        create_model("bisenet", **{"backbone": "test_resnet", **arguments})
