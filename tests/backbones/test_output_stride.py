"""The planner, by hand-worked cases."""

import pytest

from intarsia.backbones.output_stride import SpatialLayer, check_output_stride, plan
from intarsia.errors import ArgumentError
from intarsia.layers.padding import Sides


def layer(kernel: int, stride: int, nominal: int, left: int, right: int, dilation: int = 1) -> SpatialLayer:
    sides = Sides(left, right, left, right)
    return SpatialLayer("x", (kernel, kernel), stride, (dilation, dilation), sides, nominal)


CASES = [
    # kernel, stride, nominal, left, right, own dilation, output stride → stride, dilation, sides
    (3, 2, 16, 1, 1, 1, 16, 1, 1, (1, 1)),  # loses its stride, keeps the previous dilation
    (3, 1, 32, 1, 1, 1, 16, 1, 2, (2, 2)),  # behind it, dilation doubles
    (3, 1, 32, 1, 1, 1, 8, 1, 4, (4, 4)),
    (3, 2, 16, 1, 1, 1, 8, 1, 2, (2, 2)),  # loses its stride behind a loss
    (3, 2, 16, 0, 1, 1, 16, 1, 1, (0, 2)),  # TensorFlow's SAME: nothing before, the rest behind
    (5, 2, 16, 1, 2, 1, 8, 1, 2, (2, 6)),
    (2, 2, 16, 0, 0, 1, 8, 1, 2, (0, 2)),  # ConvNeXt's patches
    (1, 2, 16, 0, 0, 1, 8, 1, 2, (0, 0)),  # a shortcut
    (4, 4, 4, 0, 0, 1, 8, 2, 1, (0, 2)),  # half of a stride stays
    (3, 1, 16, 2, 2, 2, 8, 1, 4, (4, 4)),  # an own dilation is multiplied
    (3, 1, 16, 0, 0, 1, 8, 1, 2, (0, 0)),  # a valid convolution stays valid
]


@pytest.mark.parametrize(("kernel", "stride", "nominal", "left", "right", "own", "os", "to", "rate", "sides"), CASES)
def test_placements(
    kernel: int, stride: int, nominal: int, left: int, right: int, own: int, os: int, to: int, rate: int, sides: tuple
) -> None:
    (placed,) = plan([layer(kernel, stride, nominal, left, right, own)], os)
    assert (placed.stride, placed.dilation, placed.sides) == (to, (rate, rate), Sides(*sides, *sides))


def test_layers_before_the_output_stride_stay() -> None:
    assert plan([layer(7, 2, 1, 3, 3), layer(3, 2, 2, 1, 1), layer(3, 1, 8, 1, 1)], 8) == ()


@pytest.mark.parametrize(("given", "nearest"), [(12, 16), (7, 8), (0, 8), (64, 32), (24, 32)])
def test_other_output_strides_are_refused(given: int, nearest: int) -> None:
    with pytest.raises(ArgumentError, match=rf"\(={given}\) must be 8, 16 or 32; the nearest is {nearest}\."):
        check_output_stride(given)


@pytest.mark.usefixtures("unchecked_shapes")
def test_unknown_dilation_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'exact' or 'uniform'"):
        plan([], 8, "other")  # pyright: ignore[reportArgumentType]
