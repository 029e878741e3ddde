"""What the tests of other repositories' weights share."""

from typing import TypeVar

import torch
from goldens import fill
from torch import Tensor, nn

from intarsia.models import SegmentationNetwork

Net = TypeVar("Net", bound=nn.Module)


def fill_at_random(net: Net) -> Net:
    """Weights by the goldens' rule, batch statistics included, in evaluation mode."""
    net.load_state_dict({name: fill(name, tuple(tensor.shape)) for name, tensor in net.state_dict().items()})
    return net.eval()


def same(ours: Tensor, theirs: Tensor) -> None:
    """Equal to 1e-5 of the standard deviation, in float32."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * theirs.std().item())


def all_maps(net: SegmentationNetwork, image: Tensor) -> list[Tensor]:
    """The logits and the auxiliary ones before they are fitted, with batch norm and dropout as in evaluation."""
    net.eval().training = True
    try:
        return net.maps(image)
    finally:
        net.training = False
