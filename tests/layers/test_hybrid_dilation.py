"""The rule of hybrid dilated convolution and the count of holes: numbers of arXiv:1702.08502 and of a count by hand."""

import pytest
import torch
import torch.nn.functional as F

from intarsia.errors import ArgumentError
from intarsia.layers import coverage, hdc_maximum_distance

CASES = {
    (1, 2, 5): (2, (17, 17)),
    (1, 2, 9): (5, (21, 25)),
    (2, 2, 2): (2, (7, 13)),
    (2, 4, 8): (4, None),
    (1, 2, 3): (2, (13, 13)),
    (1, 2, 5, 9): (2, (35, 35)),
    (3, 4, 5): (4, (21, 25)),
    (5, 9, 17): (9, (27, 63)),
    (6, 12, 18): (12, (13, 73)),
}


@pytest.mark.parametrize("rates", CASES)
def test_published_numbers(rates: tuple[int, ...]) -> None:
    distance, seen = CASES[rates]
    assert hdc_maximum_distance(rates) == distance
    if seen is not None:
        assert coverage(rates) == seen


@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize("rates", [(1,), (2, 2, 2), (1, 2, 5), (2, 4, 8), (3, 1)])
def test_coverage_is_what_convolutions_see(rates: tuple[int, ...], kernel: int) -> None:
    response = torch.zeros(1, 1, 201, dtype=torch.float64)
    response[..., 100] = 1
    for rate in rates:
        response = F.conv1d(F.pad(response, (rate * (kernel - 1), 0)), torch.ones(1, 1, kernel).double(), dilation=rate)
    places = response.flatten().nonzero()
    assert coverage(rates, kernel) == (len(places), int(places.max() - places.min()) + 1)


def test_the_distance_of_one_rate_is_the_rate() -> None:
    assert hdc_maximum_distance((4,)) == 4


@pytest.mark.parametrize("function", [hdc_maximum_distance, coverage])
@pytest.mark.parametrize("rates", [(), (1, 0, 2)])
def test_rates_are_refused(function: object, rates: tuple[int, ...]) -> None:
    assert callable(function)
    with pytest.raises(ArgumentError, match=r"`rates` .* must be one or more numbers from 1 on"):
        function(rates)


def test_an_empty_kernel_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"`kernel` \(=0\) must be at least 1"):
        coverage((1, 2), kernel=0)
