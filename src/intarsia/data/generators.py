"""Random numbers that depend on a few integers alone, whatever the order of work."""

import numpy as np

from intarsia.errors import ArgumentError


def generator_for(*numbers: int) -> np.random.Generator:
    """The random generator of, say, (seed, epoch, index): independent of the generator of any other numbers.

    Raises:
        ArgumentError: a number is negative.

    >>> int(generator_for(0, 1, 2).integers(1000))
    555
    """
    if min(numbers) < 0:
        raise ArgumentError(f"The numbers {numbers} cannot seed a random generator: none of them may be negative.")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(numbers)))
