"""Three ways of learning an affinity, behind one network and beside it, and what is expected of them."""

from typing import Any

from intarsia.ablations.claim import Claim, Comparison
from intarsia.ablations.mosaics import Mosaics
from intarsia.ablations.scoring import RADII
from intarsia.ablations.variant import Variant

MOSAICS = Mosaics(train=640, val=16, size=256)
SCORED = ("unseen_mean_iou", *(f"boundary_f_{radius}" for radius in RADII), "trimap_iou_3")

FIRST_EPOCHS, MORE_EPOCHS = 3, 4
RATE = 1e-3  # of the second training: what is new in a refiner learns slowly at less
CRF_OPTIONS = {"appearance_weight": 5.0, "appearance_sxy": 10.0}  # which searches of docs/refiner.md chose most often
FITTED_OPTIONS = {  # the middle of what the three searches behind the network found here
    "smoothness_weight": 8.5,
    "smoothness_sxy": 2.7,
    "appearance_weight": 10.8,
    "appearance_sxy": 17.8,
    "appearance_srgb": 5.2,
}
AAF_SETTINGS: dict[str, Any] = {
    "loss": "cross_entropy+aaf",
    "loss_options": {"stride": 2, "weight": 3.0},  # the best of five on other mosaics; with stride 1 or weight 1 less
}


def _trained(label: str, after: Variant | None = None, model: str = "fcn32s", **settings: Any) -> Variant:
    """On crops of the papers' size."""
    begun: dict[str, Any] = (
        {"epochs": FIRST_EPOCHS} if after is None else {"epochs": MORE_EPOCHS, "learning_rate": RATE}
    )
    return Variant(label, {"model": model, "crop_size": 128, **begun, **settings}, SCORED, after)


FIRST = _trained("FCN-32s, first training")
LONGER = _trained("trained on", FIRST)
FITTED = Variant("… and a dense CRF behind it, fitted", LONGER.settings, SCORED, LONGER, fitted=True)
CRF = _trained("dense CRF, trained together", FIRST, refiner="crf", refiner_options=CRF_OPTIONS)
SPN_ALONE = _trained("SPN, the network frozen", FIRST, refiner="spn", train="refiner")
SPN = _trained("SPN, trained together", FIRST, refiner="spn")
CSPN_ALONE = _trained("CSPN, the network frozen", FIRST, refiner="cspn", train="refiner")
CSPN = _trained("CSPN, trained together", FIRST, refiner="cspn")
AAF = _trained("AAF in the loss", FIRST, **AAF_SETTINGS)

# Controls: a CRF that begins where the fitted one ended, and learns slowly, too; guidance with nowhere to carry it;
# a finer grid for a loss that is bound to the grid
CRF_FITTED = _trained("dense CRF, together, as fitted", FIRST, refiner="crf", refiner_options=FITTED_OPTIONS)
CRF_SLOW = Variant("… at a tenth of the rate", CRF_FITTED.settings | {"learning_rate": RATE / 10}, SCORED, FIRST)
CSPN_ONCE = _trained("CSPN of one step, trained together", FIRST, refiner="cspn", refiner_options={"steps": 1})
FINER_FIRST = _trained("FCN-8s, first training", model="fcn8s")
FINER = _trained("FCN-8s, trained on", FINER_FIRST, model="fcn8s")
FINER_AAF = _trained("FCN-8s, AAF in the loss", FINER_FIRST, model="fcn8s", **AAF_SETTINGS)

METHODS = (FITTED, CRF, SPN_ALONE, SPN, CSPN_ALONE, CSPN, AAF)
CONTROLS = (CRF_FITTED, CRF_SLOW, CSPN_ONCE)
AGAINST = (*((method, LONGER) for method in (*METHODS, *CONTROLS)), (FINER_AAF, FINER))

AFFINITY = Claim(
    "Learned affinity",
    "SPN, arXiv:1710.01020; CSPN, arXiv:1808.00150; AAF, arXiv:1803.10335",
    "Affinities that are learned from the image sharpen the borders of a coarse answer.",
    (FIRST, LONGER, *METHODS, *CONTROLS, FINER_FIRST, FINER, FINER_AAF),
    tuple(Comparison(method.label, other.label, score=score) for method, other in AGAINST for score in SCORED),
)
