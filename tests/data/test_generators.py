import re

import numpy as np
import pytest

from intarsia.data import generator_for
from intarsia.errors import ArgumentError


def test_the_same_numbers_give_the_same_draws():
    np.testing.assert_array_equal(generator_for(7, 1, 2).random(5), generator_for(7, 1, 2).random(5))


def test_generators_of_neighbours_differ():
    firsts = {generator_for(s, e, i).random() for s in range(3) for e in range(3) for i in range(3)}
    assert len(firsts) == 27


def test_negative_numbers_seed_nothing():
    with pytest.raises(ArgumentError, match=re.escape("The numbers (0, -1, 2) cannot seed a random generator")):
        generator_for(0, -1, 2)
