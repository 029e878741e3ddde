"""What a trained network is scored by, beside the mean IoU that its training ends with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from statistics import fmean, median
from types import MappingProxyType

from intarsia.ablations.mosaics import JUDGING, Mosaics
from intarsia.inference import Borders, Segmenter, evaluate_samples
from intarsia.metrics import BoundaryScores, Scores

RADII = (1, 2, 3, 5)  # pixels
UP = 2  # the stride of U-Net's last upsampling, whose pattern nothing behind it resamples


@dataclass(frozen=True)
class Score:
    """A name for people, the unit, its factor, and how to take it (``None``: the training does)."""

    title: str
    unit: str = "per cent"
    factor: float = 100
    decimals: int = 1
    take: Callable[[Segmenter, Mosaics], float] | None = None


def mean_iou_at(scale: float, segmenter: Segmenter, mosaics: Mosaics) -> float:
    """On mosaics whose regions are so many times as large, of the same textures."""
    return evaluate_samples(segmenter, mosaics.at_scale(scale).split("val")).mean_iou


def checkerboard(segmenter: Segmenter, mosaics: Mosaics) -> float:
    """How far the logits' spectrum stands out at the upsampling's stride, the median over the validation mosaics."""
    import torch

    from intarsia.diagnostics.fields.spectrum import artefact

    results = (segmenter.predict(sample.image()) for sample in mosaics.dataset().split("val"))
    return median(artefact(torch.from_numpy(result.logits)[None], UP) for result in results)


@lru_cache(maxsize=1)
def judged(segmenter: Segmenter, mosaics: Mosaics) -> tuple[Scores, BoundaryScores]:
    """On mosaics that neither trained, nor chose a training's best epoch, nor settings."""
    borders = Borders(segmenter.classes, RADII)
    return evaluate_samples(segmenter, mosaics.unseen(JUDGING, mosaics.judged), borders.watch), borders.scores


def unseen_mean_iou(segmenter: Segmenter, mosaics: Mosaics) -> float:
    """Of all pixels of these mosaics together."""
    return judged(segmenter, mosaics)[0].mean_iou


def unseen_rare_iou(segmenter: Segmenter, mosaics: Mosaics) -> float:
    """The mean over the rare classes."""
    return _of_rare(judged(segmenter, mosaics)[0].per_class_iou, mosaics)


def unseen_rare_accuracy(segmenter: Segmenter, mosaics: Mosaics) -> float:
    """Of the rare classes' pixels, those that are found; the mean over the classes."""
    return _of_rare(judged(segmenter, mosaics)[0].per_class_accuracy, mosaics)


def _of_rare(scores: Mapping[str, float], mosaics: Mosaics) -> float:
    return fmean(scores[name] for name in mosaics.rare)


def boundary_f(radius: float, segmenter: Segmenter, mosaics: Mosaics) -> float:
    """Of all borders of these mosaics together."""
    return judged(segmenter, mosaics)[1].boundary_f[radius]


def trimap_iou(radius: float, segmenter: Segmenter, mosaics: Mosaics) -> float:
    """Of the pixels of these mosaics near a border."""
    return judged(segmenter, mosaics)[1].trimap_iou[radius]


SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "mean_iou": Score("mean IoU"),
        "pixel_accuracy": Score("pixel accuracy"),
        "mean_iou_at_0.5": Score("mean IoU, objects half as large", take=partial(mean_iou_at, 0.5)),
        "mean_iou_at_2": Score("mean IoU, objects twice as large", take=partial(mean_iou_at, 2.0)),
        "checkerboard": Score("checkerboard in the logits", "times the power beside", 1, 2, checkerboard),
        "unseen_mean_iou": Score("mean IoU", take=unseen_mean_iou),
        "unseen_rare_iou": Score("IoU of the rare classes", take=unseen_rare_iou),
        "unseen_rare_accuracy": Score("of their pixels found", take=unseen_rare_accuracy),
        **{f"boundary_f_{r}": Score(f"boundary F, {r} px", take=partial(boundary_f, r)) for r in RADII},
        "trimap_iou_3": Score("IoU within 3 px", take=partial(trimap_iou, 3)),
    }
)
