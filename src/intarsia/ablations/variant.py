"""A variant: one network and how it is trained, as `intarsia train` would take it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from shlex import join
from typing import Any

from intarsia.ablations.mosaics import MOSAICS, Mosaics
from intarsia.runs import Recipe, make_recipe
from intarsia.runs.typed import typed

SEEDS = (0, 1, 2)
BASE: dict[str, Any] = {
    "backbone": "tf_efficientnet_lite0",
    "pretrained": "offline",
    "epochs": 1,  # of mosaics that are made for it: no image is seen twice
    "batch_size": 8,
    "learning_rate": 2e-3,
    "scale": (1.0, 1.0),  # the mosaics' textures vary in size themselves
    "precision": "float32",
    "memory_format": "contiguous",  # what is measured anew for each network would not be the same network
    "workers": 0,
}


@dataclass(frozen=True)
class Variant:
    """What a recipe says beside :data:`BASE`, and ``scores`` that are taken beside the training's own.

    ``after`` another variant a training begins with the weights that the other left with the same seed. ``fitted``:
    nothing is trained; a dense CRF is put behind what the other left, its settings chosen on mosaics of their own.
    ``processes``: how many train together, as torchrun starts them.
    """

    label: str
    settings: dict[str, Any]
    scores: tuple[str, ...] = field(default=())  # names in :data:`intarsia.ablations.scoring.SCORES`
    after: "Variant | None" = None
    fitted: bool = False
    processes: int = 1

    def recipe(
        self, mosaics: Mosaics = MOSAICS, data: Path | str = "", seed: int = 0, weights: Path | None = None
    ) -> Recipe:
        """The whole recipe; crops are whole mosaics. ``weights``: the run to begin with."""
        values = BASE | {"crop_size": mosaics.size, "weights": weights and str(weights)} | self.settings
        return make_recipe(**values, data=str(data), seed=seed)

    @property
    def depth(self) -> int:
        """How many others come before it."""
        return 0 if self.after is None else 1 + self.after.depth

    def key(self, mosaics: Mosaics) -> str:
        """The same for variants that are the same training, under whatever label.

        >>> one, same = Variant("FCN-8s", {"model": "fcn8s"}), Variant("fixed", {"model": "fcn8s"})
        >>> one.key(MOSAICS) == same.key(MOSAICS)
        True
        """
        recipe = self.recipe(mosaics).model_dump(mode="json", exclude={"data", "seed"})
        before = [] if self.after is None else [self.after.key(mosaics), self.fitted]
        together = [] if self.processes == 1 else [{"processes": self.processes}]
        content = json.dumps([recipe, *mosaics.key, *before, *together], sort_keys=True)
        return f"{recipe['model']}-{blake2b(content.encode(), digest_size=5).hexdigest()}"

    def command(self, mosaics: Mosaics, data: str, seed: int = 0) -> str:
        """The training as it is typed; stages stand in a file, see :meth:`stages_file`."""
        values: dict[str, Any] = BASE | {"crop_size": mosaics.size} | self.settings | {"seed": seed}
        stages = ["--recipe", "STAGES.toml"] if self.settings.get("stages") else []
        before = [] if self.after is None else ["--weights", "FIRST"]
        launched = f"torchrun --nproc-per-node {self.processes} -m " if self.processes > 1 else ""
        return f"{launched}{join(['intarsia', 'train', data, *stages, *typed(values), *before, '--out', 'RUN'])}"

    def stages_file(self, data: str) -> str:
        """What STAGES.toml holds, or nothing."""
        stages = self.settings.get("stages", ())
        tables = [f"[[recipe.stages]]\n{_toml(stage)}" for stage in stages]
        return "\n\n".join([f"[recipe]\n{_toml({'data': data})}", *tables]) if stages else ""


def _toml(values: Mapping[str, object]) -> str:
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
