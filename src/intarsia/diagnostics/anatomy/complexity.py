"""What a network costs: parameters, and multiplications for one image."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from intarsia.backbones.survey import NormsLeftOut, input_channels


@dataclass(frozen=True)
class Complexity:
    """``parameters`` of the whole network, auxiliary heads included; ``gmac``: 10⁹ multiply-adds for one image."""

    parameters: int
    gmac: float


def complexity(net: nn.Module, rows: int = 512, columns: int = 512) -> Complexity:
    """Count, on the meta device, what one image of this size takes in evaluation mode.

    Convolutions and matrix products only, as the papers count: a multiply-add is one. Nothing is computed; ``net`` may
    lie on the meta device, where building it costs nothing either.

    >>> with torch.device("meta"):
    ...     net = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    >>> complexity(net, 100, 100)
    Complexity(parameters=216, gmac=0.00216)
    """
    parameters = sum(p.numel() for p in net.parameters())
    modes = [(module, module.training) for module in net.modules()]  # a frozen network's differ
    probe = net.eval()
    try:
        state = {name: tensor.to("meta") for name, tensor in net.state_dict().items()}
        image = torch.empty(1, input_channels(net), rows, columns, device="meta")
        with FlopCounterMode(display=False) as counter, torch.no_grad(), NormsLeftOut():
            torch.func.functional_call(probe, state, image)
    finally:
        for module, training in modes:
            module.training = training
    return Complexity(parameters, counter.get_total_flops() / 2e9)
