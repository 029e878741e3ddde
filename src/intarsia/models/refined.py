"""A refiner behind any system: full-size logits and the image that they are for → better logits, all learned."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from intarsia.errors import UnknownNameError
from intarsia.models.crf import CRF
from intarsia.models.cspn import CSPN
from intarsia.models.options import replaced
from intarsia.models.segmentation_network import SegmentationNetwork
from intarsia.models.spn import SPN

REFINERS: Mapping[str, CRF | SPN | CSPN] = MappingProxyType({"crf": CRF(), "spn": SPN(), "cspn": CSPN()})


def refine(net: SegmentationNetwork, refiner: str, classes: int, options: Mapping[str, Any]) -> None:
    """Put a refiner behind a network; ``options`` replace single fields of how it begins.

    The names of all other tensors stay, so that a network that was trained without goes on with it (Zheng et al., ICCV
    2015, section 5.1, begin so too). Auxiliary heads, which help the backbone, are not refined.

    Raises:
        UnknownNameError: there is no such refiner.
        ArgumentError: there is no such option, its value breaks a rule, or it does not go with the backbone.
    """
    if refiner not in REFINERS:
        raise UnknownNameError("refiner", refiner, REFINERS, "`intarsia train --help`")
    chosen = replaced(f"refiner {refiner}", REFINERS[refiner], options)
    net.refiner = chosen.build(classes, net.backbone.spec)
