"""Names, forms, options, and parameter counts against other implementations."""

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch

from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.models import CATALOG, create_model

COUNTS = [
    # name, backbone, arguments, parameters, where the number comes from (21 classes)
    ("unet", "resnet18", {"form": "smp"}, 14_331_109, "smp 0.6.0 Unet"),
    ("unet", "resnet34", {"form": "smp"}, 24_439_269, "smp 0.6.0 Unet"),
    ("unet", "resnet50", {"form": "smp"}, 32_524_005, "smp 0.6.0 Unet"),
    ("unet", "resnet34", {}, 24_439_269 - 16 * 21 * 8, "the same with the paper's 1×1 convolution at the end"),
]


@pytest.mark.parametrize(("name", "backbone", "arguments", "parameters", "source"), COUNTS)
def test_parameter_counts(name: str, backbone: str, arguments: dict[str, Any], parameters: int, source: str) -> None:
    with torch.device("meta"):
        net = create_model(name, backbone, classes=21, **arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters, source


def test_unet_computes_what_smps_unet_computes() -> None:
    theirs = smp.Unet("resnet18", encoder_weights=None, classes=4).eval()
    ours = create_model("unet", "resnet18", classes=4, form="smp").eval()
    tensors = [t for name, t in theirs.state_dict().items() if not name.startswith("encoder.fc")]
    assert [t.shape for t in tensors] == [t.shape for t in ours.state_dict().values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), tensors, strict=True)))
    image = torch.randn(1, 3, 96, 64)
    torch.testing.assert_close(ours(image), theirs(image), rtol=1e-4, atol=1e-5)


def test_unet_starts_from_the_next_map_where_one_is_missing() -> None:
    with torch.device("meta"):
        decoder = create_model("unet", "convnext_tiny").decoder
    assert decoder.skips == [2, 1, 0, None, None]
    assert decoder.scales == [2, 2, 2, 2, 2]


REFUSED = [
    (
        {"name": "deeplabv3+"},
        UnknownNameError,
        "There is no model `deeplabv3.`; did you mean deeplabv3plus or deeplabv3",
    ),
    ({"name": "unet", "form": "tensorflow"}, UnknownNameError, "There is no form of unet `tensorflow`"),
    ({"name": "unet", "classes": 0}, ArgumentError, "`classes` .=0. must be at least 1"),
    ({"name": "unet", "rates": (1, 2)}, ArgumentError, "`rates` is no option of unet; it has widths, skip, upsampling"),
    ({"name": "unet", "widths": (8, 8)}, ArgumentError, "`widths` .* must have 5 entries"),
    (
        {"name": "unet", "widths": (8, 8, 8, 8, 0)},
        ArgumentError,
        r"`widths\[4\]` \(=0\): input should be greater than 0",
    ),
    ({"name": "deeplabv3plus", "rates": 6}, ArgumentError, r"Option of deeplabv3plus: `rates` \(=6\): input should be"),
    ({"name": "deeplabv3plus", "dropout": 2}, ArgumentError, "`dropout` .=2.: input should be less than 1"),
    (
        {"name": "pspnet", "align_corners": "maybe"},
        ArgumentError,
        "`align_corners` .='maybe'.: input should be a valid",
    ),
    ({"name": "pspnet", "dilation": "none"}, ArgumentError, "input should be 'exact' or 'uniform'"),
    ({"name": "pspnet", "output_stride": 12}, ArgumentError, "must be 8, 16 or 32"),
    ({"name": "pspnet", "output_stride": 0}, ArgumentError, "must be 8, 16 or 32"),
]


@pytest.mark.parametrize(("arguments", "error", "sentence"), REFUSED)
def test_refusals(arguments: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        create_model(**{"backbone": "test_resnet", **arguments})


def test_unet_pads_with_zeros_and_crops() -> None:
    net = create_model("unet", "test_resnet", classes=3, widths=(8, 8, 8, 8, 8)).eval()
    image = torch.randn(1, 3, 50, 70)
    padded = torch.nn.functional.pad(image, (0, 96 - 70, 0, 64 - 50))
    torch.testing.assert_close(net(image), net(padded)[..., :50, :70])


TAKES_ORIGINS = {"fcn32s", "fcn16s", "fcn8s", "unet_paper"}


@pytest.mark.parametrize("name", sorted(CATALOG.keys() - TAKES_ORIGINS))
@pytest.mark.parametrize("backbone", ["test_unet_contracting", "vgg16_fcn"])
def test_maps_that_do_not_tile_the_image_are_refused(name: str, backbone: str) -> None:
    sentence = f"maps of backbone `{backbone}` do not tile the image, as those that {name} takes must; use another one"
    with pytest.raises(ArgumentError, match=sentence), torch.device("meta"):
        create_model(name, backbone, multi_grid=(), rates_at_16=(), rates_at_32=())


# arXiv:1809.02983's code; arXiv:1808.00897, equation 2; torchvision's training; arXiv:1612.01105, section 3.3
AUXILIARY_WEIGHTS = [
    ("danet", (1.0, 1.0)),
    ("bisenet", (1.0, 1.0)),
    ("fcn", (0.5,)),
    *((name, (0.4,)) for name in ("pspnet", "unet", "deeplabv1", "duc", "deeplabv3", "deeplabv3plus")),
]


@pytest.mark.parametrize(("name", "weights"), AUXILIARY_WEIGHTS)
def test_auxiliary_losses_weigh_what_their_papers_say(name: str, weights: tuple[float, ...]) -> None:
    with torch.device("meta"):
        net = create_model(name, classes=3, auxiliary=True, **CATALOG[name].tiny)
    assert net.auxiliary_weights == weights
