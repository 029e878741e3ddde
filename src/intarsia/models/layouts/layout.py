"""What a layout is, and what all of them need to read the names of others."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.models.blueprint import Blueprint

StateDict = Mapping[str, Tensor]
Rule = tuple[str, str | None]


@dataclass(frozen=True)
class Reading:
    """Others' weights, understood: the network that they are for, and its tensors by our names.

    ``note`` says what else a user of these weights has to know, such as the order of the colours; ``untold`` names the
    fields of the blueprint that leave no trace in the weights and are only the repository's defaults.
    """

    blueprint: Blueprint
    tensors: StateDict
    note: str = ""
    untold: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Layout:
    """A repository's names. ``read`` gives ``None`` for weights that are not laid out so."""

    repository: str
    read: Callable[[StateDict], Reading | None]

    def __call__(self, state: StateDict) -> Reading | None:
        """What these names mean, if they are the repository's.

        Raises:
            ArgumentError: they look like it, but a tensor that tells the network is missing or has an odd shape.
        """
        try:
            return self.read(state)
        except KeyError as error:
            what = f"`{error.args[0]}` is missing"
        except (IndexError, ValueError) as error:
            what = f"a tensor has an odd shape ({error})"
        raise ArgumentError(f"The names are those of {self.repository}, but {what}; give the whole file.")


def renamed(state: StateDict, rules: Sequence[Rule]) -> dict[str, Tensor]:
    r"""Each name by the first rule whose pattern matches it from its beginning; ``None`` leaves the tensor out.

    A name that no rule matches stays as it is, so that it is listed when it fits nowhere.

    >>> import torch
    >>> state = {"encoder.conv1.weight": torch.ones(1), "fc.bias": torch.ones(1)}
    >>> list(renamed(state, [(r"encoder\.", "backbone.body."), (r"fc\.", None)]))
    ['backbone.body.conv1.weight']
    """
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        pattern, replacement = next((rule for rule in rules if re.match(rule[0], name)), ("", ""))
        if replacement is not None:
            result[re.sub(f"^(?:{pattern})", replacement, name)] = tensor
    return result


def normalised(theirs: str, ours: str) -> tuple[Rule, Rule]:
    """The rules for a convolution and its batch norm, which others call ``conv`` and ``bn`` and we by their number."""
    return (rf"{theirs}\.conv\.", f"{ours}.0."), (rf"{theirs}\.bn\.", f"{ours}.1.")


def resnet_name(state: StateDict, prefix: str) -> str | None:
    """Which ResNet has its blocks under ``prefix``, by their number, kind and stem; ``None`` if it is no common one.

    >>> import torch
    >>> resnet_name({"layer3.5.conv3.weight": torch.ones(1)}, "")
    'resnet50'
    """
    blocks = {int(m[1]) for name in state if (m := re.match(rf"{re.escape(prefix)}layer3\.(\d+)\.", name))}
    third = any(re.match(rf"{re.escape(prefix)}layer3\.\d+\.conv3\.", name) for name in state)
    depths = {(1, False): 18, (5, False): 34, (5, True): 50, (22, True): 101, (35, True): 152}
    depth = depths.get((max(blocks, default=-1), third))
    stem = "_deep_stem" if f"{prefix}conv1.0.weight" in state else ""
    return None if depth is None else f"resnet{depth}{stem}"


def stem_channels(state: StateDict, prefix: str) -> int:
    """Channels of the image that a ResNet under ``prefix`` takes, by the first convolution of its stem."""
    deep = f"{prefix}conv1.0.weight"
    return state[deep if deep in state else f"{prefix}conv1.weight"].shape[1]
