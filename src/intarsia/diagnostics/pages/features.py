"""`--what features`: the stages in colours, and what each stride keeps."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64

from intarsia.data import overlay
from intarsia.diagnostics.feature_maps import kept, principal_components, stage_maps
from intarsia.diagnostics.grid import grid_of
from intarsia.diagnostics.pages.drawing import enlarged, in_colours
from intarsia.diagnostics.pages.explanation import Explanation, Figure
from intarsia.diagnostics.subject import Subject
from intarsia.layers import resize
from intarsia.metrics import Scores, confusion_matrix
from intarsia.shapes import Mask, RGBImage

STRIDES = (2, 4, 8, 16, 32)  # those of the pyramids of all common backbones

_READ = (
    "Each map's channels are reduced to the three directions in which they differ most, shown as red, green, blue: "
    "places of one colour look alike to the network at this stage; colours of two stages do not compare. Below, "
    "picture and mask are averaged over cells of each stride and resized back: about what an answer on such a grid "
    "can keep."
)


def explain_features(subject: Subject) -> Explanation:
    """Each stage of the backbone, or the one that was asked for, and what the strides of the pyramid keep.

    Raises:
        ArgumentError: the backbone has no such stage.
    """
    chosen = subject.stages()
    maps = stage_maps(subject.network, subject.image)
    figures = [Figure("picture", enlarged(subject.picture), "The picture", heading="Stages")]
    facts = []
    for index in chosen:
        figure, share = _stage(subject, index, maps[index])
        figures.append(figure)
        facts.append((figure.caption, f"{100 * share:.0f} % of the variance in three components"))
    mask, whose = (subject.mask(), "predicted") if subject.truth is None else (subject.truth, "true")
    masks = []
    for stride in STRIDES:
        picture, after, iou = _stride(subject, mask, whose, stride)
        figures.append(picture)
        masks.append(after)
        facts.append((f"The {whose} mask at stride {stride}", f"mean IoU {iou:.3f}"))
    return Explanation("What the stages see, and what their strides keep", _READ, [*figures, *masks], facts)


def _stage(subject: Subject, index: int, features: Float[np.ndarray, "C h w"]) -> tuple[Figure, float]:
    spec, (rows, columns) = subject.network.backbone.spec, subject.picture.shape[:2]
    stride, nominal = spec.strides[index], spec.nominal_strides[index]
    grid = grid_of(subject.network, stride, (rows, columns), (features.shape[1], features.shape[2]))
    components, shares = principal_components(features)
    drawn = in_colours(np.stack([grid.spread(component, rows, columns) for component in components]))
    dilated = "" if stride == nominal else f", nominally {nominal}"
    figure = Figure(
        f"stage-{index}-stride-{stride}",
        enlarged(drawn),
        f"Stage {index} at stride {stride}{dilated}",
        f"{spec.channels[index]} channels; red, green and blue hold {_per_cent(shares)} of their variance.",
        "Stages",
    )
    return figure, float(shares.sum())


def _per_cent(shares: Float64[np.ndarray, "3"]) -> str:
    red, green, blue = (f"{100 * share:.0f}" for share in shares)
    return f"{red}, {green} and {blue} %"


def _stride(subject: Subject, mask: Mask, whose: str, stride: int) -> tuple[Figure, Figure, float]:
    """Picture and mask after a grid of this stride."""
    left = kept(mask, stride, subject.classes.count)
    scores = Scores(confusion_matrix(mask, left, subject.classes.count, subject.classes.ignore), subject.classes.names)
    picture, heading = _averaged(subject.picture, stride), "What each stride keeps of the"
    after = Figure(f"kept-{stride}", enlarged(picture), f"At stride {stride}", "", f"{heading} picture")
    drawn = enlarged(overlay(picture, left, subject.classes))
    sentence = f"Mean IoU {scores.mean_iou:.3f} with the whole one."
    of_mask = Figure(f"kept-{stride}-mask", drawn, f"At stride {stride}", sentence, f"{heading} {whose} mask")
    return after, of_mask, scores.mean_iou


def _averaged(picture: RGBImage, stride: int) -> RGBImage:
    rows, columns, _ = picture.shape
    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
    extended = F.pad(pixels, (0, -columns % stride, 0, -rows % stride), mode="replicate")
    back = resize(F.avg_pool2d(extended, stride), extended.shape[-2:])[0, :, :rows, :columns]
    return back.round().byte().permute(1, 2, 0).numpy()
