"""Colours for classes: a formula for any number of them, and the one of PASCAL VOC."""

import colorsys

Colour = tuple[int, int, int]

IGNORE_COLOUR: Colour = (232, 232, 232)

_GOLDEN = 0.6180339887498949  # steps of the golden ratio never fall close to an earlier hue
# (saturation, value), cycled; found by a search for the largest smallest difference in CIELAB among 21 classes
_TONES = ((0.72, 0.68), (0.76, 0.78), (0.71, 0.99), (0.45, 0.96))


def default_colour(index: int) -> Colour:
    """The colour of class `index`: a hue by the golden ratio, in one of four tones; distinct for 256 classes.

    >>> default_colour(0), default_colour(1)
    ((49, 113, 173), (170, 199, 48))
    """
    saturation, value = _TONES[index % len(_TONES)]
    red, green, blue = colorsys.hsv_to_rgb((0.58 + index * _GOLDEN) % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def voc_colour(index: int) -> Colour:
    """PASCAL VOC's colour of class `index`: the bits 0, 1, 2 of each octal digit are the high bits of red, green, blue.

    >>> voc_colour(15)
    (192, 128, 128)
    """
    channels = [0, 0, 0]
    for place in range(8):
        digit = index >> 3 * place & 7
        for channel in range(3):
            channels[channel] |= (digit >> channel & 1) << 7 - place
    return channels[0], channels[1], channels[2]
