import re
from dataclasses import replace

import pytest
from views import plain

from intarsia.errors import ArgumentError


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"crop_size": (0, 5)}, "`crop_size` (=(0, 5)) must be at least one row"),
        ({"scale": (0.0, 1.0)}, "`scale` (=(0.0, 1.0)) must be (smallest, largest)"),
        ({"scale": (2.0, 1.0)}, "`scale` (=(2.0, 1.0)) must be (smallest, largest)"),
        ({"scale": (1.0, float("inf"))}, "`scale` (=(1.0, inf)) must be (smallest, largest)"),
        ({"scale": (1.0, float("nan"))}, "`scale` (=(1.0, nan)) must be (smallest, largest)"),
        ({"blur": (2.0, 1.0)}, "`blur` (=(2.0, 1.0)) must be (smallest, largest) with 0 ≤ smallest"),
        ({"blur": (-1.0, 1.0)}, "`blur` (=(-1.0, 1.0)) must be (smallest, largest)"),
        ({"blur": (0.0, float("inf"))}, "`blur` (=(0.0, inf)) must be (smallest, largest)"),
        ({"blur_probability": 2.0}, "`blur_probability` (=2.0) must lie between 0 and 1"),
        ({"rotation": 181.0}, "`rotation` (=181.0) must lie between 0 and 180 degrees"),
        ({"elastic": -1.0}, "`elastic` (=-1.0) must lie between 0 and a 16th of the crop's shorter side (=2)"),
        ({"elastic": 2.1}, "`elastic` (=2.1) must lie between 0 and a 16th of the crop's shorter side (=2)"),
        ({"flip": 1.5}, "`flip` (=1.5) must lie between 0 and 1"),
        ({"contrast": -0.1}, "`contrast` (=-0.1) must lie between 0 and 1"),
    ],
)
def test_impossible_augmentations_are_refused(change, sentence):
    with pytest.raises(ArgumentError, match=re.escape(sentence)):
        replace(plain((64, 32)), **change)
