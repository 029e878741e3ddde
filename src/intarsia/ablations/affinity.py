"""Three ways of learning an affinity, behind one network and beside it, and what is expected of them."""

from collections.abc import Mapping
from typing import Any

from intarsia.ablations.claim import Claim, Comparison
from intarsia.ablations.scoring import RADII
from intarsia.ablations.variant import Mosaics, Variant

MOSAICS = Mosaics(train=640, val=16, size=256)
SCORED = ("unseen_mean_iou", *(f"boundary_f_{radius}" for radius in RADII), "trimap_iou_3")

FIRST_EPOCHS, MORE_EPOCHS = 3, 4
RATE = 1e-3  # of the second training: what is new in a refiner learns slowly at less
# As a search on such mosaics chose them, most of the times, in docs/refiner.md
CRF_OPTIONS = {"appearance_weight": 5.0, "appearance_sxy": 10.0}


def _trained(label: str, after: Variant | None = None, **settings: Any) -> Variant:
    """FCN-32s, whose borders are coarse, on crops of the papers' size."""
    begun: Mapping[str, Any] = (
        {"epochs": FIRST_EPOCHS} if after is None else {"epochs": MORE_EPOCHS, "learning_rate": RATE}
    )
    return Variant(label, {"model": "fcn32s", "crop_size": 128, **begun, **settings}, SCORED, after)


FIRST = _trained("the network, first training")
LONGER = _trained("trained on", FIRST)
FITTED = Variant("… and a dense CRF behind it, fitted", LONGER.settings, SCORED, LONGER, fitted=True)
CRF = _trained("dense CRF, trained together", FIRST, refiner="crf", refiner_options=CRF_OPTIONS)
SPN_ALONE = _trained("SPN, the network frozen", FIRST, refiner="spn", train="refiner")
SPN = _trained("SPN, trained together", FIRST, refiner="spn")
CSPN_ALONE = _trained("CSPN, the network frozen", FIRST, refiner="cspn", train="refiner")
CSPN = _trained("CSPN, trained together", FIRST, refiner="cspn")
AAF = _trained("AAF in the loss", FIRST, loss="cross_entropy+aaf")

METHODS = (FITTED, CRF, SPN_ALONE, SPN, CSPN_ALONE, CSPN, AAF)

AFFINITY = Claim(
    "Learned affinity",
    "SPN, arXiv:1710.01020; CSPN, arXiv:1808.00150; AAF, arXiv:1803.10335",
    "Affinities that are learned from the image sharpen the borders of a coarse answer.",
    (FIRST, LONGER, *METHODS),
    tuple(Comparison(method.label, LONGER.label, score=score) for method in METHODS for score in SCORED),
)
