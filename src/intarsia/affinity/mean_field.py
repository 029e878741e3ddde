"""Mean field of the dense CRF as a layer: the steps of the inference are operations that gradients go through.

Zheng et al., "Conditional Random Fields as Recurrent Neural Networks", ICCV 2015 (arXiv:1502.03240), sections 4 and 5,
over Krähenbühl & Koltun, NIPS 2011 (arXiv:1210.5644).
"""

from numbers import Integral

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.affinity.iterations import Sigmas, mean_field
from intarsia.errors import ArgumentError


class MeanField(nn.Module):
    """Logits and the images they are for → logits whose softmax is Q of the dense CRF after some iterations.

    With the unary logits U and normalised kernels K̃, an iteration is Q ← softmax(U − μ Σₘ wₘ K̃ₘ Q), where m is
    smoothness, exp(−½ |p_i − p_j|² / σ²), or appearance, which also compares colours. Learned are μ, the
    ``compatibility`` (K, K): what class k pays where others are k'; and ``smoothness_weight`` and
    ``appearance_weight`` (K,), one weight a class as in the paper's section 4.3. The σ are not. μ begins as Potts'
    [k ≠ k'] and all weights of a kernel alike: the layer begins as :func:`intarsia.dense_crf`, but for probabilities
    below 1e-5, where that one cuts them off; no gradient would come from behind that.

    Differences from the paper: a pixel's own share stays in its message, as in Krähenbühl's code, and messages are
    normalised symmetrically, as is that code's default since 2013. Images get no gradient.

    Args:
        classes: K, from 2 on.
        mean, std: of the images' channels, as :class:`BackboneSpec` has them: images are (x / 255 − mean) / std.
        smoothness_weight, smoothness_sxy: wₘ at the start, and σ in pixels.
        appearance_weight, appearance_sxy, appearance_srgb: likewise; ``srgb`` in levels of 255.
        iterations_in_training: the paper's 5, against vanishing and exploding gradients and for speed.
        iterations: in evaluation mode.

    Raises:
        ArgumentError: a number is out of its range.

    >>> crf = MeanField(3, mean=(0.5,), std=(0.25,))
    >>> images, logits = torch.zeros(1, 1, 6, 7), torch.zeros(1, 3, 6, 7)
    >>> logits[:, 0], logits[:, 1, 3, 3] = 1.0, 3.0  # one pixel says otherwise
    >>> crf.eval()(logits, images).argmax(1).unique()
    tensor([0])
    """

    levels: Tensor
    darkest: Tensor

    def __init__(
        self,
        classes: int,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        smoothness_weight: float = 3.0,
        smoothness_sxy: float = 3.0,
        appearance_weight: float = 10.0,
        appearance_sxy: float = 80.0,
        appearance_srgb: float = 13.0,
        iterations_in_training: int = 5,
        iterations: int = 10,
    ) -> None:
        super().__init__()
        if classes < 2:
            raise ArgumentError(
                f"`classes` (={classes}) must be at least 2; for one logit z give the logits 0 and z of two classes."
            )
        _check_weights(smoothness_weight=smoothness_weight, appearance_weight=appearance_weight)
        _check_whole(classes=classes, iterations_in_training=iterations_in_training, iterations=iterations)
        _check_positive(
            smoothness_sxy=smoothness_sxy,
            appearance_sxy=appearance_sxy,
            appearance_srgb=appearance_srgb,
            iterations_in_training=iterations_in_training,
            iterations=iterations,
        )
        self.sigmas = Sigmas(smoothness_sxy, appearance_sxy, appearance_srgb)
        self.iterations_in_training, self.iterations = iterations_in_training, iterations
        self.smoothness_weight = nn.Parameter(torch.full((classes,), float(smoothness_weight)))
        self.appearance_weight = nn.Parameter(torch.full((classes,), float(appearance_weight)))
        self.compatibility = nn.Parameter(1 - torch.eye(classes))
        self.register_buffer("levels", 255 * torch.tensor(std))  # a normalised image times this and …
        self.register_buffer("darkest", 255 * torch.tensor(mean))  # … plus this has levels from 0 to 255

    def forward(self, logits: Float[Tensor, "B K H W"], images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """Refined logits, float32 or float64, for normalised images.

        Raises:
            ArgumentError: logits and images do not belong together, or an image is not finite.
        """
        self._check(logits, images)
        exact = torch.promote_types(logits.dtype, torch.float32)
        levels = images.detach().to(exact) * self.levels[:, None, None] + self.darkest[:, None, None]
        weights = torch.stack([self.smoothness_weight, self.appearance_weight]).to(exact)
        iterations = self.iterations_in_training if self.training else self.iterations
        return mean_field(logits.to(exact), levels, weights, self.compatibility.to(exact), self.sigmas, iterations)

    def _check(self, logits: Tensor, images: Tensor) -> None:
        classes, channels = len(self.compatibility), len(self.levels)
        maps, pictures = tuple(logits.shape), tuple(images.shape)
        fits = len(maps) == 4 and maps[1] == classes and pictures == (maps[0], channels, *maps[2:]) and 0 not in maps
        if not fits:
            raise ArgumentError(
                f"`logits` (of shape {maps}) and `images` (of shape {pictures}) must be (B, {classes}, H, W) and (B, "
                f"{channels}, H, W), with the same B, H and W above 0: resize one of them, or make another layer."
            )

    def extra_repr(self) -> str:
        """What is not learned."""
        sigmas = ", ".join(f"{name}={value:g}" for name, value in self.sigmas._asdict().items())
        return f"{len(self.compatibility)} classes, {sigmas}, {self.iterations} iterations"


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ArgumentError(f"`{name}` (={value}) must be a positive number.")


def _check_weights(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ArgumentError(f"`{name}` (={value}) must be finite and not negative; 0 leaves its kernel out.")


def _check_whole(**values: int) -> None:
    for name, value in values.items():
        if not isinstance(value, Integral):
            raise ArgumentError(f"`{name}` (={value}) must be a whole number.")
