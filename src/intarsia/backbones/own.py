"""The backbones that timm has not: one dict, plain imports."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from intarsia.backbones import drn, resnet_variants, vgg
from intarsia.backbones.body import Body, load
from intarsia.backbones.detnet import detnet59
from intarsia.backbones.pretrained import Weights
from intarsia.backbones.unet_contracting import unet_contracting, unet_contracting_bn
from intarsia.backbones.xception39 import xception39

OWN: Mapping[str, Callable[[int], Body]] = MappingProxyType(
    {
        **{name: partial(drn.drn, name) for name in drn.FORMS},
        "detnet59": detnet59,
        "detnet59_256": partial(detnet59, channels=256),
        "xception39": xception39,
        "vgg16_fcn": vgg.vgg16_fcn,
        "vgg16_largefov": vgg.vgg16_largefov,
        "resnet50_deep_stem": partial(resnet_variants.deep_stem, 50),
        "resnet101_deep_stem": partial(resnet_variants.deep_stem, 101),
        "unet_contracting": unet_contracting,
        "unet_contracting_bn": unet_contracting_bn,
        "unet_contracting_16": partial(unet_contracting, width=16),  # a quarter of the channels
        "test_unet_contracting": partial(unet_contracting, width=4),
        "resnet101_caffe": partial(resnet_variants.caffe, 101),
    }
)


def own_body(name: str, in_channels: int, weights: Weights) -> Body:
    """Build one of ``OWN`` and fill it if there are weights.

    Raises ``LookupError`` for weights from the hub, which has none for these.
    """
    if weights.source == "hub":
        raise LookupError(f"There are no weights for `{name}` on timm's hub.")
    body = OWN[name](in_channels)
    if weights.state is not None:
        load(name, body.network, weights)
    return body
