"""Which images a step sees: a pure function of (seed, step), so that a resumed run replays nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intarsia.data import generator_for

Draw = tuple[int, int]  # (epoch, index): together with the seed they fix the augmentation too


@dataclass(frozen=True)
class StepBatches:
    """Batches of (epoch, index) from ``start`` to the last step; each epoch is its own permutation.

    ``batch_size`` is what one process takes in a step. The step's images are the same for any number of processes
    that together take as many: each takes its share of them. A last batch that is not full is dropped, unless it is the
    epoch's only one; then the shares differ by one image at most, and none may be empty.

    ``limit`` is a number of steps in the place of ``epochs``; ``first_epoch`` counts those of earlier stages, so that
    no stage repeats another's order and views.

    >>> batches = StepBatches(images=5, batch_size=2, epochs=2, seed=0)
    >>> len(batches), [len(batch) for batch in batches]
    (4, [2, 2, 2, 2])
    """

    images: int
    batch_size: int
    epochs: int
    seed: int
    start: int = 0
    rank: int = 0
    processes: int = 1
    limit: int | None = None
    first_epoch: int = 0

    @property
    def images_per_step(self) -> int:
        """Images of all processes together."""
        return min(self.images, self.batch_size * self.processes)

    @property
    def steps_per_epoch(self) -> int:
        """Steps a pass over the images takes."""
        return max(1, self.images // (self.batch_size * self.processes))

    @property
    def steps(self) -> int:
        """Steps of the whole stage."""
        return self.epochs * self.steps_per_epoch if self.limit is None else self.limit

    def epochs_after(self, step: int) -> int:
        """How many epochs have been begun within that many steps.

        >>> batches = StepBatches(images=6, batch_size=2, epochs=1, seed=0, limit=4)
        >>> [batches.epochs_after(step) for step in (3, 4)]
        [1, 2]
        """
        return -(-step // self.steps_per_epoch)

    def __len__(self) -> int:
        return self.steps - self.start

    def __iter__(self) -> Iterator[list[Draw]]:
        whole = self.batch_size * self.processes
        for step in range(self.start, self.steps):
            epoch, position = divmod(step, self.steps_per_epoch)
            epoch += self.first_epoch
            order = self._order(epoch)[position * whole : (position + 1) * whole]
            yield [(epoch, int(index)) for index in order[self.rank :: self.processes]]

    def _order(self, epoch: int) -> np.ndarray:
        return generator_for(self.seed, epoch).permutation(self.images)
