"""Every system of the catalog, as it is trained beside the others."""

from collections.abc import Mapping
from types import MappingProxyType

from intarsia.ablations.claims import BISENET, DANET, FCN8S, FCN16S, FCN32S, OS8, PSPNET, UNET, V3, V3PLUS, variant
from intarsia.ablations.variant import Variant

RATES_AT_8 = (2, 4, 5, 7)  # DeepLab v2's 6, 12, 18, 24 times 12 / 41, the positions of its maps here and there
HYBRID = {"rates_at_16": (1, 2, 3), "rates_at_32": (3, 4, 5)}  # the paper's for maps that are not large
OWN_BACKBONE = "unet_contracting_16"  # nothing but the contracting path fits U-Net's paper; 16 of its 64 channels

SYSTEMS: Mapping[str, Variant] = MappingProxyType(
    {
        "fcn32s": FCN32S,
        "fcn16s": FCN16S,
        "fcn8s": FCN8S,
        "fcn": OS8,
        "deeplabv1": variant("deeplabv1", "deeplabv1"),
        "unet_paper": variant("unet_paper", "unet_paper", backbone=OWN_BACKBONE, pretrained=False),
        "unet": UNET,
        "deeplabv2": variant("deeplabv2", "deeplabv2", options={"rates": RATES_AT_8}),
        "pspnet": PSPNET,
        "drn": variant("drn", "drn"),
        "duc": variant("duc", "duc", options=HYBRID),
        "deeplabv3": V3,
        "deeplabv3plus": V3PLUS,
        "danet": DANET,
        "bisenet": BISENET,
    }
)
