"""The planner, by hand-worked cases."""

from dataclasses import replace

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


CEIL = [
    # kernel, padding, output stride → sides of the pooling that lost its stride of 2
    (2, 0, 8, (0, 1)),  # rounding up needs nothing more than keeping the size
    (3, 1, 8, (1, 2)),  # the last sample may lie one pixel outside
    (3, 1, 4, (2, 4)),
    (1, 0, 8, (0, 0)),  # a sample that would start outside is dropped
]


@pytest.mark.parametrize(("kernel", "padding", "os", "sides"), CEIL)
def test_poolings_that_round_up(kernel: int, padding: int, os: int, sides: tuple) -> None:
    pooling = replace(layer(kernel, 2, 8, padding, padding), is_convolution=False, ceil=True)
    (placed,) = plan([pooling], os)
    assert (placed.stride, placed.sides) == (1, Sides(*sides, *sides))


def block(number: int, stride: int, nominal: int) -> list[SpatialLayer]:
    """A bottleneck's 3×3 convolution and, where it strides, the shortcut."""
    conv = SpatialLayer(f"layer.{number}.conv2", (3, 3), stride, (1, 1), Sides(1, 1, 1, 1), nominal)
    shortcut = SpatialLayer(f"layer.{number}.downsample.0", (1, 1), stride, (1, 1), Sides(0, 0, 0, 0), nominal)
    return [conv, shortcut] if stride > 1 else [conv]


STAGE = [*block(0, 2, 16), *block(1, 1, 32), *block(2, 1, 32), *block(3, 1, 32)]

RATES = [
    # output stride, rates → dilation of the four 3×3 convolutions
    (8, (4, 8, 16), [4, 8, 16, 4]),  # taken in turn
    (8, (5, 9, 17, 3), [5, 9, 17, 3]),
    (8, (5, 9, 17, 3, 7, 8), [5, 9, 17, 3]),  # cut
    (8, (2,), [2, 2, 2, 2]),
    (16, (2, 4), [2, 4, 2, 4]),
    (32, (1, 2, 4), [1, 2, 4, 1]),  # stays strided
]


@pytest.mark.parametrize(("os", "given", "expected"), RATES)
def test_rates_are_taken_in_turn(os: int, given: tuple[int, ...], expected: list[int]) -> None:
    placed = {p.name: p for p in plan(STAGE, os, rates={32: given})}
    own = {layer.name: layer for layer in STAGE}
    found = [placed.get(f"layer.{number}.conv2", own[f"layer.{number}.conv2"]).dilation[0] for number in range(4)]
    assert found == expected
    strides = {name: placed.get(name, layer).stride for name, layer in own.items()}
    assert strides["layer.0.conv2"] == strides["layer.0.downsample.0"] == (2 if os == 32 else 1)
    for number, rate in enumerate(expected):
        if f"layer.{number}.conv2" in placed:
            assert placed[f"layer.{number}.conv2"].sides == Sides(rate, rate, rate, rate)


def test_convolutions_of_one_block_share_a_rate() -> None:
    basic = [
        SpatialLayer(f"layer.{n}.conv{c}", (3, 3), 1, (1, 1), Sides(1, 1, 1, 1), 16) for n in (0, 1) for c in (1, 2)
    ]
    assert [p.dilation[0] for p in plan(basic, 16, rates={16: (3, 5)})] == [3, 3, 5, 5]


REFUSED = [
    ({64: (1,)}, r"`rates` .=\{64: \(1,\)\}. names a stage that the network has not; its convolutions give strides 32"),
    ({32: ()}, "must be dilation rates of at least 1"),
    ({32: (2, 0)}, r"\{32: \(2, 0\)\}. must be dilation rates of at least 1; leave the stage out"),
]


@pytest.mark.parametrize(("rates", "sentence"), REFUSED)
def test_rates_that_are_refused(rates: dict, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        plan(STAGE, 8, rates=rates)


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
