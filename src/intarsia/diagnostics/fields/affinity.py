"""Affinity fields: how much every pixel has to do with a chosen one, and where neighbours hold together weakly."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor

from intarsia.affinity.spatial_propagation import Normalisation
from intarsia.diagnostics.fields.affinity_likeness import Likeness, of_crf, of_features, of_probabilities
from intarsia.diagnostics.fields.affinity_shares import ConvolutionalShares, SpatialShares
from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError

Map = Float[np.ndarray, "H W"]


@dataclass(frozen=True, eq=False)
class AffinityField:
    """The pairwise affinities of the pixels of one image, wherever they come from.

    A propagation's are **shares**: parts of one that each pixel's value has in the chosen pixel's result; they sum to
    one over the image, since constant maps stay, and some are negative where gates are. All others are **likenesses**:
    each pair for itself, 1 for equal pixels.

    Args:
        source: where they come from, with its ``name``, its ``kind`` ("share" or "likeness"), the ``meaning`` of a
            pixel's numbers and of its edge's (``weakness``), each in a sentence.

    >>> field = AffinityField.of_features(np.array([[[1.0, 1.0, 0.0]], [[0.0, 1.0, 2.0]]]))
    >>> field.of_pixel(x=0, y=0).round(2).tolist()
    [[1.0, 0.71, 0.0]]
    """

    source: Likeness | SpatialShares | ConvolutionalShares

    @classmethod
    def of_spn(
        cls, gates: Float[Tensor, "directions ways C H W"], normalisation: Normalisation | None = "where_needed"
    ) -> "AffinityField":
        """Shares in a spatial propagation (arXiv:1710.01020, section 3): its matrix's row, the mean of four directions.

        The row is one pass backward through :func:`intarsia.affinity.spatial_propagation`. Which direction the merge by
        maximum takes depends on the map, not on the gates alone, so directions count alike; so do channels.

        Args:
            gates: in the order of :data:`intarsia.affinity.spatial_propagation.DIRECTIONS`, before they are normalised.
            normalisation: as the propagation has it.

        Raises:
            ArgumentError: there are not four directions of three ways or one.
        """
        return cls(SpatialShares(gates.detach().cpu(), normalisation))

    @classmethod
    def of_cspn(
        cls,
        guidance: Float[Tensor, "neighbours H W"],
        steps: int = 24,
        *,
        norm: Literal["8sum", "8sum_abs"] = "8sum",
        centre: Literal["initial", "current"] = "initial",
        layout: Literal["shifted", "centred"] = "shifted",
        strength: Float[Tensor, "H W"] | None = None,
    ) -> "AffinityField":
        """Shares in a convolutional propagation after all its steps (arXiv:1808.00150, section 3.1).

        The row is one pass backward through :func:`intarsia.affinity.convolutional_propagation`, whose options these
        are but for the last.

        Args:
            guidance: before it is divided by its sums.
            steps: how often a pixel takes from its neighbours.
            norm: as the propagation has it, like ``centre`` and ``layout``.
            centre: what the pixel's own weight multiplies.
            layout: where guidance is read.
            strength: the part of each pixel's result that is propagated, while the rest is its own value, as
                :class:`intarsia.models.cspn.CSPNRefiner` has it; by default all.

        Raises:
            ArgumentError: the guidance is not of 8, 24 or 48 neighbours, or an option is unknown.
        """
        part = None if strength is None else strength.detach().cpu().double()
        return cls(ConvolutionalShares(guidance.detach().cpu(), steps, norm, centre, layout, part))

    @classmethod
    def of_probabilities(
        cls, probabilities: Float[np.ndarray, "K H W"], reach: Literal[1, 2, 3] = 1
    ) -> "AffinityField":
        """Likeness of what a network answers, as adaptive affinity fields train it (arXiv:1803.10335).

        exp(-KL) of the class about which the two differ most, where KL is that of the other pixel's probability from
        the chosen one's, clipped at 1e-4 as in the loss. The loss asks pixels of one class for 1, and of pixels of
        different classes for no less than its margin of 3, which is exp(-3) = 0.05.

        Args:
            probabilities: of K = 2 classes or more.
            reach: how far the neighbours lie that edges are made of: 1, 2 and 3 are the loss's sizes 3, 5 and 7.
        """
        return cls(of_probabilities(probabilities, reach))

    @classmethod
    def of_crf(cls, image: Shaped[np.ndarray, "H W *C"], settings: CRFSettings | None = None) -> "AffinityField":
        """Likeness in the kernels of a dense CRF (Krähenbühl & Koltun, NIPS 2011, equation 3).

        Appearance and smoothness, each times its share of both weights; not divided by row sums.

        Args:
            image: as :func:`intarsia.dense_crf` takes it.
            settings: weights and σ; by default the usual ones.

        Raises:
            ArgumentError: the image is none, or both weights are zero.
        """
        return cls(of_crf(image, settings or CRFSettings()))

    @classmethod
    def of_features(cls, features: Float[np.ndarray, "C H W"], name: str = "Features") -> "AffinityField":
        """Likeness of any features: the cosine of the angle between them, 0 where a vector is zero."""
        return cls(of_features(features, name))

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the field."""
        return self.source.size

    def of_pixel(self, x: int, y: int) -> Map:
        """The affinities of one pixel with all others and itself.

        Args:
            x: the pixel's column, from the left.
            y: its row, from above.

        Raises:
            ArgumentError: it lies outside the field.
        """
        rows, columns = self.size
        if not (0 <= x < columns and 0 <= y < rows):
            raise ArgumentError(
                f"The pixel {x},{y} lies outside the field, which has {columns} columns (x) and {rows} rows (y); "
                "choose one inside."
            )
        return self.source.row(y, x)

    def edges(self) -> Map:
        """How weakly neighbours hold together at each pixel, from 0 to 1."""
        return self.source.edges()
