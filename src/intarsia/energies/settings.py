"""What GrabCut and its session can be told."""

from dataclasses import dataclass

import numpy as np

from intarsia.errors import ArgumentError


@dataclass(frozen=True)
class Settings:
    """The arguments of `grabcut` that name the energy and how it is lowered.

    Raises:
        ArgumentError: one breaks a rule.
    """

    iterations: int
    components: int
    gamma: float
    connectivity: int
    data_term: str
    seed: int

    def __post_init__(self) -> None:
        for name, value in (("iterations", self.iterations), ("components", self.components)):
            if value < 1:
                raise ArgumentError(f"`{name}` (={value}) must be at least 1.")
        if not 0 <= self.gamma < np.inf:
            raise ArgumentError(f"`gamma` (={self.gamma}) must be a number from 0 on; the paper's is 50.")
        if self.connectivity not in (4, 8):
            raise ArgumentError(f"`connectivity` (={self.connectivity}) must be 4 or 8.")
        if self.data_term not in ("component", "mixture"):
            raise ArgumentError(f"`data_term` (={self.data_term!r}) must be 'component' or 'mixture'.")
        if self.seed < 0:
            raise ArgumentError(f"`seed` (={self.seed}) must be a whole number from 0 on.")

    @property
    def mixed(self) -> bool:
        """Whether a pixel costs -log of the whole mixture."""
        return self.data_term == "mixture"
