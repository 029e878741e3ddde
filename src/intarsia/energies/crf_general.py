"""Mean field on any grid, with any kernels and normalisation: plain passes over all positions, one thread."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from intarsia.energies.crf_inputs import Size, appearance_features, log_probabilities
from intarsia.energies.crf_kernels import FeatureKernel, GridKernel, LatticeKernel
from intarsia.energies.crf_settings import CRFSettings
from intarsia.energies.levels import Levels
from intarsia.kernels.mean_field.update import divergence, mix_classes, update


class GeneralMeanField:
    """Of one image, again and again: kernels and buffers are kept as long as they serve.

    Attributes:
        divergences: Of the last run with a tolerance.
    """

    divergences: list[float]

    def __init__(self, size: Size) -> None:
        self._size = size
        self._levels: Levels | None = None
        self._grid: tuple[object, GridKernel] | None = None
        self._appearance: tuple[object, LatticeKernel] | None = None
        self._others: list[tuple[FeatureKernel, LatticeKernel]] = []
        self._room: tuple[Float32[np.ndarray, "N K"], ...] = ()

    def next_image(self, levels: Levels) -> None:
        """Of the same size."""
        self._levels, self._appearance = levels, None

    def bytes(self, K: int) -> int:
        """What K classes take: as they are read, three buffers, what goes from axis to axis, and the answer."""
        return 4 * math.prod(self._size) * K * (4 + len(self._size))

    def run(
        self,
        planes: Float32[np.ndarray, "K *size"],
        settings: CRFSettings,
        kernels: Sequence[FeatureKernel],
        tolerance: float | None,
    ) -> Float32[np.ndarray, "K *size"]:
        """Probabilities in, probabilities out.

        Raises:
            ArgumentError: memory does not suffice, or features are too large.
        """
        self.divergences = []
        unary, messages, Q = self._buffers(len(planes))
        self._prepare(settings, kernels, len(planes))
        log_probabilities(planes, unary)
        messages[:] = 0
        update(unary, messages, Q)
        for _ in range(settings.iterations):
            self._send(Q, settings, messages)
            if tolerance is not None:
                self.divergences.append(divergence(unary, messages, Q))
            update(unary, messages, Q)
            if tolerance and self._falls_less_than(tolerance * len(Q)):
                break
        return np.ascontiguousarray(Q.T).reshape(planes.shape)

    def _falls_less_than(self, least: float) -> bool:
        return len(self.divergences) > 1 and self.divergences[-2] - self.divergences[-1] < least

    def _buffers(self, K: int) -> tuple[Float32[np.ndarray, "N K"], ...]:
        N = math.prod(self._size)
        if not self._room or self._room[0].shape != (N, K):
            self._room = ()
            self._room = tuple(np.empty((N, K), np.float32) for _ in range(3))
        return self._room

    def _prepare(self, settings: CRFSettings, kernels: Sequence[FeatureKernel], K: int) -> None:
        """Build what is not there from the last call."""
        key = (settings.smoothness_sxy, settings.normalisation)
        if settings.smoothness_weight and (self._grid is None or self._grid[0] != key):
            self._grid = (key, GridKernel(self._size, *key))
        key = (settings.appearance_sxy, settings.appearance_srgb)
        if self._levels and settings.appearance_weight and (self._appearance is None or self._appearance[0] != key):
            self._appearance = None
            self._appearance = (key, LatticeKernel(appearance_features(self._levels, self._size, *key), K))
        known = {id(kernel): lattice for kernel, lattice in self._others}
        self._others = [
            (kernel, known.get(id(kernel)) or LatticeKernel(kernel.features.reshape(-1, kernel.features.shape[-1]), K))
            for kernel in kernels
        ]

    def _send(self, Q: Float32[np.ndarray, "N K"], settings: CRFSettings, messages: Float32[np.ndarray, "N K"]) -> None:
        """-μ Σ_m w_m K̃_m Q at each position."""
        messages[:] = 0
        if self._grid and settings.smoothness_weight:
            self._grid[1].add(Q, settings.smoothness_weight, messages)
        if self._appearance and settings.appearance_weight:
            self._appearance[1].add(Q, settings.appearance_weight, settings.normalisation, messages)
        for kernel, lattice in self._others:
            lattice.add(Q, kernel.weight, settings.normalisation, messages)
        if settings.compatibility is not None:
            mix_classes(messages, np.array(settings.compatibility, np.float32).T.copy())
