"""Probabilities of classes, sharpened to an image's own borders: the fully connected CRF by mean field.

Krähenbühl, Koltun: Efficient inference in fully connected CRFs with Gaussian edge potentials, NIPS 2011.
"""

import math
from collections.abc import Sequence
from numbers import Integral

import numpy as np
from jaxtyping import Float, Float32, Shaped

from intarsia.energies.crf_general import GeneralMeanField
from intarsia.energies.crf_inputs import Size, check_beside, check_shapes, checked_planes, levels_on_grid, size_of
from intarsia.energies.crf_kernels import FeatureKernel
from intarsia.energies.crf_settings import CRFSettings, Normalisation, compatibility_of
from intarsia.errors import ArgumentError
from intarsia.kernels.mean_field.fast import Appearance, FastMeanField, Smoothness, is_fast
from intarsia.kernels.memory import require_memory


def dense_crf(
    probabilities: Float[np.ndarray, "K *size"],
    image: Shaped[np.ndarray, "..."] | None = None,
    *,
    iterations: int = 10,
    smoothness_weight: float = 3.0,
    smoothness_sxy: float = 3.0,
    appearance_weight: float = 10.0,
    appearance_sxy: float = 80.0,
    appearance_srgb: float = 13.0,
    compatibility: Float[np.ndarray, "K K"] | Sequence[Sequence[float]] | None = None,
    normalisation: Normalisation = "symmetric",
    kernels: Sequence[FeatureKernel] = (),
    n_threads: int = 1,
) -> Float32[np.ndarray, "K *size"]:
    """Move the borders of classes to where an image changes.

    Every two positions are linked: their labels x cost μ(x_i, x_j) Σ_m w_m k_m(f_i, f_j) (eq. 1 to 3), with the
    smoothness kernel exp(-½ |p_i - p_j|² / sxy²) and the appearance kernel exp(-½ |p_i - p_j|² / sxy² - ½ |I_i - I_j|²
    / srgb²), each with its own σs. Mean field starts from Q = p and repeats (algorithm 1)

        Q_i(l) ∝ p_i(l) · exp(-Σ_l′ μ(l, l′) Σ_m w_m Σ_j k̃_m(i, j) Q_j(l′)),

    where k̃_ij = k_ij / √(n_i n_j) and n are the row sums of k. The same arguments give the same answer.

    Where this differs from the paper: a position's message to itself stays in (as in the authors' code and in
    pydensecrf, whose parameters can be kept); kernels are normalised; probabilities below 1e-5 are taken for that.

    Args:
        probabilities: Of K = 2 to 255 classes at each position of a grid of one, two or three dimensions; finite, not
            negative, sums within 0.01 of one.
        image: (*size) or (*size, C) with any number of channels, 8 or 16 bits (divided by 256) or others (spread from
            the least to the largest over 0 … 255). Without one there is no appearance kernel.
        iterations: Of mean field.
        smoothness_weight: Of the kernel of positions alone; 0 leaves it out.
        smoothness_sxy: Its σ, pixels.
        appearance_weight: Of the kernel of positions and colours; 0 leaves it out.
        appearance_sxy: Its σ, pixels.
        appearance_srgb: Its σ, levels of 255.
        compatibility: μ, used as it is; None is Potts.
        normalisation: "symmetric", "before", "after" or "none": see `CRFSettings`.
        kernels: More kernels of any features.
        n_threads: How many threads to use for images of up to five channels, with symmetric normalisation and without
            more kernels; all else takes one. Answers differ by less than 1e-5.

    Raises:
        ArgumentError: An argument breaks a rule, or memory does not suffice.

    >>> image = np.repeat([[0, 200]], 8, axis=1).astype(np.uint8).repeat(10, axis=0)
    >>> unsure = np.full((2, 10, 16), 0.5)
    >>> unsure[:, 5, 3], unsure[:, 5, 12] = (0.9, 0.1), (0.1, 0.9)
    >>> dense_crf(unsure, image).argmax(axis=0)[0].tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    if image is not None and isinstance(probabilities, np.ndarray):
        check_beside(probabilities.shape, image := np.asarray(image))
    check_shapes(probabilities, None)
    settings = CRFSettings(
        iterations,
        smoothness_weight,
        smoothness_sxy,
        appearance_weight,
        appearance_sxy,
        appearance_srgb,
        normalisation,
        compatibility_of(compatibility),
    )
    return DenseCRF(image, probabilities.shape[1:], n_threads)(probabilities, settings, kernels=kernels)


class DenseCRF:
    """`dense_crf` of one image, again and again: what depends on the image alone is kept.

    Other probabilities or weights cost the iterations, other σs a lattice. One object serves one thread at a time.

    Args:
        image: (H, W) or (H, W, C), or on another grid with its `size`; None for kernels without appearance.
        size: Of the grid; needed without an image, and for grids of one or three dimensions.
        n_threads: See `dense_crf`.

    Attributes:
        size: Of the grid.
        divergences: Of the last call with a `tolerance`: Σ Q (log Q - log p + ½ μ Σ_m w_m K̃_m Q) of the Q that each
            iteration started from, in nats; the Kullback–Leibler divergence from the CRF up to a constant.

    Raises:
        ArgumentError: An argument breaks a rule.

    >>> crf = DenseCRF(np.zeros((4, 6), np.uint8))
    >>> probabilities = crf(np.full((3, 4, 6), 1 / 3), CRFSettings(iterations=2))
    >>> probabilities.shape
    (3, 4, 6)
    """

    size: Size
    divergences: tuple[float, ...] = ()

    def __init__(
        self, image: Shaped[np.ndarray, "..."] | None = None, size: Size | None = None, n_threads: int = 1
    ) -> None:
        self.size = size_of(size, image)
        if not isinstance(n_threads, Integral) or n_threads < 1:
            raise ArgumentError(f"`n_threads` (={n_threads}) must be at least 1.")
        self._channels = 0
        self._general = GeneralMeanField(self.size)
        self._fast = FastMeanField(None, self.size, n_threads) if len(self.size) == 2 else None
        if image is not None:
            self.next_image(image)

    def next_image(self, image: Shaped[np.ndarray, "..."]) -> "DenseCRF":
        """Go on with another image of the same size, such as the next frame, of which it keeps a copy; returns itself.

        Raises:
            ArgumentError: It is of another size, or holds what are no finite numbers.
        """
        given = np.asarray(image)
        require_memory(given.nbytes, f"A copy of an image of shape {given.shape}")
        levels = levels_on_grid(np.array(given), self.size)
        self._channels = levels.values.shape[2]
        self._general.next_image(levels)
        if self._fast:
            self._fast.next_image(levels.values)
        return self

    def __call__(
        self,
        probabilities: Float[np.ndarray, "K *size"],
        settings: CRFSettings = CRFSettings(),  # noqa: B008, it is frozen
        *,
        kernels: Sequence[FeatureKernel] = (),
        tolerance: float | None = None,
    ) -> Float32[np.ndarray, "K *size"]:
        """Probabilities of the same shape, float32; `dense_crf` says how.

        Args:
            probabilities: See `dense_crf`.
            settings: All parameters.
            kernels: More kernels. What belongs to one is kept until a call comes without it: features must not change.
            tolerance: Iterate no further once the divergence falls by less than this at a position on average; 0 only
                keeps the `divergences`.

        Raises:
            ArgumentError: An argument breaks a rule, or memory does not suffice.
        """
        check_shapes(probabilities, self.size)
        if tolerance is not None and not 0 <= tolerance < math.inf:
            raise ArgumentError(
                f"`tolerance` (={tolerance}) must be finite and not negative; 1e-4 is usual, 0 only keeps "
                "`divergences`."
            )
        _check(settings, kernels, len(probabilities), self.size)
        K, what = len(probabilities), f"A CRF of {math.prod(self.size):,} positions and {len(probabilities)} classes"
        plain = tolerance is None and not kernels and is_fast(self.size, self._channels, settings.normalisation)
        fast = self._fast if plain else None
        require_memory(self._fast_bytes(probabilities, settings) if fast else self._general.bytes(K), what)
        planes = checked_planes(probabilities)
        if fast:
            if (result := _run_fast(fast, planes, settings)) is not None:
                self.divergences = ()
                return result
            require_memory(self._general.bytes(K), what)
        result = self._general.run(planes, settings, kernels, tolerance)
        self.divergences = tuple(self._general.divergences)
        return result

    def _fast_bytes(self, probabilities: Float[np.ndarray, "K *size"], settings: CRFSettings) -> int:
        """What a call takes before it knows the lattice's corners: while that is built, or while it is used.

        A pixel has weights, a simplex (of several pixels: corners), and corners itself with more than two classes;
        first keys, and its part of the tables where they are looked up; then rows of classes, two sums of the grid, and
        the answer. Probabilities are copied unless they lie as they are read.
        """
        K, flags = len(probabilities), probabilities.flags
        lanes = 1 if K == 2 and settings.compatibility is None else -(-K // 8) * 8
        lattice = 44 if self._channels and settings.appearance_weight else 0
        cells = 1 if settings.smoothness_weight and settings.smoothness_sxy < 2 else 1 / 4  # of the grid, for a pixel
        used = 4 * (K + lanes + 2 * math.ceil(lanes * cells)) + (32 if lattice and lanes > 1 else 0)
        copied = 0 if probabilities.dtype == np.float32 and flags.c_contiguous and flags.writeable else 4 * K
        return math.prod(self.size) * (copied + lattice + max(37 if lattice else 0, used))


def _run_fast(
    fast: FastMeanField, planes: Float32[np.ndarray, "K H W"], settings: CRFSettings
) -> Float32[np.ndarray, "K H W"] | None:
    """By the kernels that know images only; None if the lattice is too wide for them."""
    appearance = Appearance(settings.appearance_weight, settings.appearance_sxy, settings.appearance_srgb)
    if not fast.prepare(appearance):
        return None
    # A kernel without weight is computed all the same; σ = 2 is the quickest.
    smoothness = Smoothness(settings.smoothness_weight, settings.smoothness_sxy if settings.smoothness_weight else 2.0)
    matrix = None if settings.compatibility is None else np.array(settings.compatibility, np.float32)
    return fast.run(planes, settings.iterations, smoothness, appearance, matrix)


def _check(settings: CRFSettings, kernels: Sequence[FeatureKernel], K: int, size: Size) -> None:
    if not isinstance(settings, CRFSettings):
        raise ArgumentError(f"`settings` (={settings}) must be a `CRFSettings`, such as CRFSettings(iterations=5).")
    if isinstance(kernels, FeatureKernel):
        raise ArgumentError("`kernels` is one kernel and must be several: put it into a list, [kernel].")
    if settings.compatibility is not None and len(settings.compatibility) != K:
        raise ArgumentError(
            f"`compatibility` has {len(settings.compatibility)} rows for {K} classes; pass one penalty for each pair."
        )
    for kernel in kernels:
        if kernel.features.shape[:-1] != size:
            raise ArgumentError(
                f"`features` of a kernel (of shape {kernel.features.shape}) must be ({', '.join(map(str, size))}, d), "
                "as `probabilities`; those of pydensecrf, (d, N), are features.T.reshape(H, W, d)."
            )
