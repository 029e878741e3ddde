"""What is asked of training: one stage or two, whose norm, which weights, which average; and what is compared for it.

Mosaics and pyramids' rates are those of :mod:`intarsia.ablations.claims`, and mosaics are twice as many.
"""

from dataclasses import dataclass
from typing import Any

from intarsia.ablations.claim import Claim, Comparison
from intarsia.ablations.claims import RATES
from intarsia.ablations.mosaics import Mosaics
from intarsia.ablations.variant import Variant

TRAIN, JUDGED = 1600, 256  # mosaics
PLAIN = Mosaics(TRAIN, judged=JUDGED)
RARE = Mosaics(TRAIN, judged=1024, rare=("moon", "tissue"))  # a rare class is in one of fifteen
IN_PARTS = Mosaics(TRAIN, judged=JUDGED, in_parts=True)

SCORE = "unseen_mean_iou"
OF_RARE = (SCORE, "unseen_rare_iou", "unseen_rare_accuracy")

STEPS = 200  # of eight mosaics: each is seen once
SECOND_RATE = 5e-4  # of a second stage, a quarter of the first's


@dataclass(frozen=True)
class Question:
    """A claim, and on which mosaics it is tried."""

    name: str
    claim: Claim
    mosaics: Mosaics = PLAIN

    @property
    def scores(self) -> tuple[str, ...]:
        """Of all of its variants."""
        return self.claim.variants[0].scores


def _variant(label: str, model: str, scores: tuple[str, ...] = (SCORE,), processes: int = 1, **more: Any) -> Variant:
    return Variant(label, {"model": model, **more}, scores, processes=processes)


def _v3(label: str, processes: int = 1, **more: Any) -> Variant:
    """DeepLab v3 as in the claims, at output stride 16."""
    options = {"multi_grid": (), "rates": RATES}
    return _variant(label, "deeplabv3", processes=processes, **{"output_stride": 16, "options": options} | more)


def _two_stages(label: str, second: dict[str, Any]) -> Variant:
    first = {"steps": STEPS // 2}
    return _v3(label, stages=(first, {"steps": STEPS // 2, "learning_rate": SECOND_RATE, **second}))


ONE_STAGE = _v3("one stage, output stride 16")
ONE_FINER = _v3("one stage, output stride 8", output_stride=8)
TWO = _two_stages("16, then 8 with norms frozen", {"output_stride": 8, "freeze_batch_norm": True})
TWO_LIVE = _two_stages("16, then 8", {"output_stride": 8})
TWO_SAME_LIVE = _two_stages("16, then 16", {})
TWO_SAME = _two_stages("16, then 16 with norms frozen", {"freeze_batch_norm": True})

SYNCHRONISED = _v3("norm over all processes", processes=4, batch_size=2)
EACH_ALONE = _v3("norm of each process alone", processes=4, batch_size=2, norm_statistics="process")

AS_IT_IS = _variant("as it is", "fcn8s", OF_RARE)
BALANCED = (
    *(
        _variant(f"weights, {how.replace('_', ' ')}", "fcn8s", OF_RARE, class_weights=how)
        for how in ("inverse", "median_frequency", "effective_number")
    ),
    _variant("hard pixels only (OHEM)", "fcn8s", OF_RARE, loss="ohem"),
    _variant("hard classes twice", "fcn8s", OF_RARE, hard_classes=RARE.rare),
    _variant("images by their rarest class", "fcn8s", OF_RARE, image_weights="rarity"),
    _variant("half of the crops by class", "fcn8s", OF_RARE, class_crops=0.5, crop_size=64),
    _variant("… all crops at random", "fcn8s", OF_RARE, crop_size=64),
)

WITH_AUXILIARY = _variant("with auxiliary loss", "pspnet", auxiliary=True)
WITHOUT = _variant("without", "pspnet")

OVER_PIXELS = _variant("mean over pixels", "fcn8s")
OVER_IMAGES = _variant("mean over images", "fcn8s", average="images")

QUESTIONS = (
    Question(
        "stages",
        Claim(
            "One stage or two",
            "DeepLab v3, arXiv:1706.05587, section 4.1",
            "Trained at output stride 16, then on at 8 with batch norm frozen and a smaller rate: cheaper than output "
            "stride 8 throughout, and better than 16 throughout.",
            (ONE_STAGE, ONE_FINER, TWO, TWO_SAME, TWO_LIVE, TWO_SAME_LIVE),
            (
                Comparison(TWO.label, ONE_STAGE.label, score=SCORE),
                Comparison(TWO.label, ONE_FINER.label, "no worse", SCORE),
                Comparison(TWO.label, TWO_SAME.label, score=SCORE),
                Comparison(TWO_LIVE.label, TWO_SAME_LIVE.label, score=SCORE),
                Comparison(TWO.label, TWO_LIVE.label, score=SCORE),
            ),
            f"All take {STEPS} steps, in two stages half of them each; the second rate is a quarter of the first, and "
            "each stage's falls to zero. The paper trains each stage to its end. Rows that stay at 16 show what the "
            "second stage itself changes, and those without frozen norms what freezing does.",
        ),
    ),
    Question(
        "norms",
        Claim(
            "Batch norm in several processes",
            "PSPNet, arXiv:1612.01105, section 4.1; its authors' code synchronises",
            "With few images in each process, batch norm must take its statistics over all of them.",
            (SYNCHRONISED, EACH_ALONE),
            (Comparison(SYNCHRONISED.label, EACH_ALONE.label, score=SCORE),),
            "Four processes of two mosaics each, started by `torchrun`. DeepLab v3 also normalises the mean of each "
            "image: alone, a process has two numbers for the statistics of a channel there.",
        ),
    ),
    Question(
        "rare",
        Claim(
            "Rare classes",
            "median frequencies: arXiv:1411.4734; effective numbers: arXiv:1901.05555; OHEM: arXiv:1604.03540; hard "
            "classes twice: arXiv:1706.05587, section 4; repeat factors: arXiv:1908.03195",
            "Where some classes are seldom seen, weights, hard pixels or a choice of images find more of them, and the "
            "mean IoU gains.",
            (AS_IT_IS, *BALANCED),
            tuple(
                Comparison(first.label, second.label, score=score)
                for first, second in (*((v, AS_IT_IS) for v in BALANCED[:-2]), BALANCED[-2:])
                for score in OF_RARE
            ),
            f"{' and '.join(RARE.rare)} are rare, for training and judging alike: each is in one mosaic of fifteen, "
            "where the other six classes are in eleven, and has 1.5 per cent of the pixels. Crops are whole mosaics, "
            "but for the last two rows, whose crops of 64 × 64 show nearly half of one: there a choice of crops has "
            "little to choose, and the rare classes' share of the pixels that are seen stays the same.",
        ),
        RARE,
    ),
    Question(
        "auxiliary",
        Claim(
            "An auxiliary loss",
            "PSPNet, arXiv:1612.01105, section 3.3 and its ablation on ADE20K",
            "A second classifier on the fourth stage, weight 0.4, makes the deep network learn better.",
            (WITH_AUXILIARY, WITHOUT),
            (Comparison(WITH_AUXILIARY.label, WITHOUT.label, score=SCORE),),
            f"As in [the claims](claims.md), with {STEPS} steps instead of 100.",
        ),
    ),
    Question(
        "average",
        Claim(
            "Mean over pixels or over images",
            "a matter of code: many average over each process or image, and the mean of these",
            "Where images have very different numbers of labelled pixels, a loss that is a mean over all valid pixels "
            "of the batch learns better than a mean over images, in which a pixel counts the more the fewer there are.",
            (OVER_PIXELS, OVER_IMAGES),
            (Comparison(OVER_PIXELS.label, OVER_IMAGES.label, score=SCORE),),
            "Of each mosaic to train on a disc is labelled, from a hundredth of its pixels to all of them, the "
            "logarithm of the share drawn evenly. The judged ones are labelled wholly.",
        ),
        IN_PARTS,
    ),
)
