"""A block of attention behind the decoder of any system, or behind any stage of its backbone, by an option."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from intarsia.backbones.insertion import insert_after_stage
from intarsia.layers import ChannelAttention, NonLocal, PositionAttention, SqueezeExcitation
from intarsia.models.options import Attention, Place
from intarsia.models.segmentation_network import SegmentationNetwork

BLOCKS: Mapping[Attention, Callable[[int], nn.Module]] = MappingProxyType(
    {
        "squeeze_excitation": lambda channels: SqueezeExcitation(channels, min(16, channels)),
        "non_local": NonLocal,
        "position": PositionAttention,
        "channel": lambda _: ChannelAttention(),
    }
)


def insert_attention(net: SegmentationNetwork, attention: Attention, after: Place) -> None:
    """Put the block between decoder and head, or behind the backbone's stage of a nominal stride.

    All but squeeze-and-excitation start as the identity, so that pretrained weights keep their worth.

    Raises:
        ArgumentError: the backbone has no stage of that stride.
    """
    if after == "decoder":
        net.head = nn.Sequential(BLOCKS[attention](_channels_into(net.head)), net.head)
    else:
        spec = net.backbone.spec
        insert_after_stage(net.backbone, after, BLOCKS[attention](spec.channels[spec.index_of(after)]))


def _channels_into(head: nn.Module) -> int:
    """Of the map that the first convolution of the head takes."""
    return next(m.in_channels for m in head.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)))
