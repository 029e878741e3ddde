"""Which weights learn how fast, and which decay."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from intarsia.runs import Recipe

FACTOR = "factor"  # of a group's learning rate
REFINER_RATE = 0.02  # its numbers are from 1 to 10, and a step of Adam is as large as the rate
BODIES = ("backbone.", "network.")  # of a segmentation network, and of a classifier, which is one whole
BIASED = (nn.modules.conv._ConvNd, nn.Linear)


def create_optimiser(recipe: Recipe, net: nn.Module, beside: Sequence[nn.Parameter] = ()) -> torch.optim.Optimizer:
    """AdamW or SGD; vectors (biases and norms) are not decayed unless the recipe says so.

    ``head_factor`` multiplies the rate of everything behind the backbone, ``bias_factor`` that of biases, and both that
    of the head's biases (DeepLab's code: 10 and 2, so 20). The numbers that a refiner calls its own are a group of
    their own: zero means nothing to them, and they begin with ``REFINER_RATE``, however slowly the network learns; it
    decays like the other. What is learned ``beside`` the network, by its loss, has the network's rate and no decay.
    """
    refiner = getattr(net, "refiner", None)
    own = [] if refiner is None else refiner.own_numbers()
    groups = _groups(recipe, net, own)
    if own:
        groups.append({"params": own, "weight_decay": 0.0, FACTOR: REFINER_RATE / recipe.base_learning_rate})
    if beside:
        groups.append({"params": list(beside), "weight_decay": 0.0})
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.base_learning_rate, momentum=recipe.momentum)
    return torch.optim.AdamW(groups, lr=recipe.base_learning_rate, fused=True)


def _groups(recipe: Recipe, net: nn.Module, own: Sequence[nn.Parameter]) -> list[dict[str, object]]:
    """Weights of one rate and one decay together, in the order of their first."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter, is_bias in _parameters(net):
        if any(parameter is number for number in own):
            continue
        factor = (1.0 if name.startswith(BODIES) else recipe.head_factor) * (recipe.bias_factor if is_bias else 1.0)
        decay = recipe.decay if parameter.ndim > 1 or recipe.decay_vectors else 0.0
        groups.setdefault((factor, decay), []).append(parameter)
    return [{"params": params, "weight_decay": decay, FACTOR: f} for (f, decay), params in groups.items()]


def _parameters(net: nn.Module) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Name, weight, and whether it is a bias of a convolution or a linear layer; each weight once."""
    biases = {id(module.bias) for module in net.modules() if isinstance(module, BIASED) and module.bias is not None}
    for name, parameter in net.named_parameters():
        yield name, parameter, id(parameter) in biases
