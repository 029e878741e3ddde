"""CSPN's depth completion with and without its propagation, and by how many depths are measured: what is compared."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any

from intarsia.data.depth import Measuring
from intarsia.runs import Recipe, make_recipe

COUNTS = (100, 500, 1000)  # measured depths of a picture of 114 × 152 pixels
JUDGED = 500  # of which all forms are compared, and pictures drawn
BASE: Mapping[str, Any] = MappingProxyType(
    {
        "task": "depth",
        "model": "cspn_depth",
        "form": "filled",
        "backbone": "resnet18",
        "pretrained": False,
        "epochs": 1,  # of cuttings that are written for it: nothing is chosen by what is judged
        "batch_size": 4,
        "precision": "float32",
        "memory_format": "contiguous",  # what is measured anew for each network would not be the same network
        "workers": 0,
    }
)


@dataclass(frozen=True)
class DepthVariant:
    """What a recipe says beside :data:`BASE`, and with how many measured depths it is trained and judged."""

    label: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    counts: tuple[int, ...] = COUNTS

    def recipe(self, count: int, data: Path | str = "", seed: int = 0) -> Recipe:
        """The whole recipe."""
        values = {**BASE, **self.settings}
        return make_recipe(**values, data=str(data), measuring=str(Measuring("count", count)), seed=seed)

    def key(self, count: int, train: int) -> str:
        """The same for variants that are the same training on so many cuttings, under whatever label.

        >>> DepthVariant("with", {}).key(500, 8) == DepthVariant("24 steps", {"form": "filled"}).key(500, 8)
        True
        """
        recipe = self.recipe(count).model_dump(mode="json", exclude={"data", "seed"})
        content = json.dumps([recipe, train], sort_keys=True)
        return f"{recipe['model']}-{count}-{blake2b(content.encode(), digest_size=5).hexdigest()}"


CSPN = DepthVariant("network with CSPN")
PLAIN = DepthVariant("network without CSPN", {"options": {"steps": 0}})
PAPER = DepthVariant("the paper's form", {"form": "paper"}, (JUDGED,))
PAPER_PLAIN = DepthVariant("the paper's form without CSPN", {"form": "paper", "options": {"steps": 0}}, (JUDGED,))
VARIANTS = (CSPN, PLAIN, PAPER, PAPER_PLAIN)
FILLS = MappingProxyType({"nearest": "nearest fill", "linear": "linear fill", "bilateral": "guided bilateral fill"})
AGAINST = ((CSPN, PLAIN), (PAPER, PAPER_PLAIN), (CSPN, PAPER))
