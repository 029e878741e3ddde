"""Between a network's logits and the dense CRF, which knows probabilities only."""

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from intarsia.data import as_rgb
from intarsia.energies.crf_settings import CRFSettings
from intarsia.energies.dense_crf import DenseCRF
from intarsia.inference.result import probabilities_of
from intarsia.shapes import Picture, Probabilities


def refined(
    logits: Float[Tensor, "K H W"], image: UInt8[Tensor, "H W C"], settings: CRFSettings
) -> Float[Tensor, "K H W"]:
    """Logits whose softmax is what the CRF answers; of one logit its sigmoid.

    >>> refined(torch.zeros(1, 4, 5), torch.zeros(4, 5, 3, dtype=torch.uint8), CRFSettings()).abs().max() < 1e-5
    tensor(True)
    """
    answer = torch.from_numpy(refined_probabilities(probabilities_of(logits), image.numpy(), settings))
    logs = answer.clamp_(min=torch.finfo(torch.float32).tiny).log_()
    return logs if len(logits) > 1 else (logs[1] - logs[0])[None]


def refined_probabilities(
    probabilities: Float[np.ndarray, "K H W"], image: Picture, settings: CRFSettings
) -> Float[np.ndarray, "_ H W"]:
    """What the CRF answers for an image of 8 bits; for one probability both classes, the ground first.

    Appearance is made of the channels that are shown: of more than three the first three. Three equal ones, as grey
    files are read, are taken once, for a distance of √3 times the length: the same kernel in two dimensions less.
    """
    shown = image if image.shape[2] <= 3 else as_rgb(image)
    if shown.shape[2] == 3 and (shown[..., :1] == shown[..., 1:]).all():
        shown, settings = shown[..., 0], replace(settings, appearance_srgb=settings.appearance_srgb / math.sqrt(3))
    crf = DenseCRF(shown, n_threads=torch.get_num_threads())
    return crf(with_ground(probabilities), settings)


def with_ground(probabilities: Probabilities) -> Float[np.ndarray, "_ H W"]:
    """Of one probability both classes: the ground and the object."""
    return probabilities if len(probabilities) > 1 else np.concatenate([1 - probabilities, probabilities])
