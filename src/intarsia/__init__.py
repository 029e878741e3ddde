"""intarsia: semantic segmentation, the whole classic line behind one interface.

Names are imported when they are first used: ``import intarsia`` costs little and brings no torch.

>>> import intarsia
>>> "deeplabv3plus" in intarsia.list_models()
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intarsia.backbones import create_backbone, list_backbones, with_output_stride
    from intarsia.data import open_dataset
    from intarsia.energies import dense_crf, grabcut, graph_cut
    from intarsia.errors import IntarsiaError
    from intarsia.inference import evaluate, load
    from intarsia.inference.depth import load_depth
    from intarsia.models import create_model, list_models, load_weights
    from intarsia.runs import Recipe
    from intarsia.training import train

__version__ = "0.1.0.dev0"

_HOMES = {
    "IntarsiaError": "errors",
    "Recipe": "runs",
    "create_backbone": "backbones",
    "create_model": "models",
    "dense_crf": "energies",
    "evaluate": "inference",
    "grabcut": "energies",
    "graph_cut": "energies",
    "list_backbones": "backbones",
    "list_models": "models",
    "load": "inference",
    "load_depth": "inference.depth",
    "load_weights": "models",
    "open_dataset": "data",
    "train": "training",
    "with_output_stride": "backbones",
}

__all__ = [
    "IntarsiaError",
    "Recipe",
    "create_backbone",
    "create_model",
    "dense_crf",
    "evaluate",
    "grabcut",
    "graph_cut",
    "list_backbones",
    "list_models",
    "load",
    "load_depth",
    "load_weights",
    "open_dataset",
    "train",
    "with_output_stride",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'intarsia' has no attribute {name!r}")
    return getattr(import_module(f"intarsia.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
