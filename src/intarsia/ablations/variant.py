"""A variant: one network and how it is trained, as `intarsia train` would take it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from intarsia.data import Dataset, Sample
from intarsia.data.samples.materials import materials
from intarsia.runs import Recipe, make_recipe

SEEDS = (0, 1, 2)
CHOOSING, JUDGING = 1, 2  # seeds of mosaics that no training sees: for choosing settings, and for scores
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
class Mosaics:
    """The data of all trainings: so many mosaics of ``size`` × ``size`` pixels to train on, and to validate on."""

    train: int = 800
    val: int = 64
    size: int = 96

    @property
    def name(self) -> str:
        """Of the folder that holds them: different for different data."""
        return f"mosaics_{self.train}_{self.val}_{self.size}"

    def dataset(self) -> Dataset:
        """The mosaics themselves."""
        return materials(train=self.train, val=self.val, size=self.size)

    def at_scale(self, scale: float) -> Dataset:
        """As many validation mosaics whose regions are larger by a factor; their textures are as large as before."""
        return materials(train=1, val=self.val, size=round(scale * self.size))

    def unseen(self, seed: int, count: int) -> Sequence[Sample]:
        """Other mosaics than those of any training, of the validation's parts of the photographs."""
        return materials(train=1, val=count, size=self.size, seed=seed).split("val")


MOSAICS = Mosaics()


@dataclass(frozen=True)
class Variant:
    """What a recipe says beside :data:`BASE`, and ``scores`` that are taken beside the training's own.

    ``after`` another variant a training begins with the weights that the other left with the same seed. ``fitted``:
    nothing is trained; a dense CRF is put behind what the other left, its settings chosen on mosaics of their own.
    """

    label: str
    settings: dict[str, Any]
    scores: tuple[str, ...] = field(default=())  # names in :data:`intarsia.ablations.scoring.SCORES`
    after: "Variant | None" = None
    fitted: bool = False

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
        content = json.dumps([recipe, mosaics.train, mosaics.val, *before], sort_keys=True)
        return f"{recipe['model']}-{blake2b(content.encode(), digest_size=5).hexdigest()}"

    def command(self, mosaics: Mosaics, data: str, seed: int = 0) -> str:
        """The training as it is typed."""
        values: dict[str, Any] = BASE | {"crop_size": mosaics.size} | self.settings | {"seed": seed}
        nested = {name: values.pop(name, {}) for name in ("options", "refiner_options", "loss_options")}
        flags = [_flag(name, value) for name, value in values.items()]
        flags += [
            f"--{kind.replace('_', '-')}.{name} {_text(value)}"
            for kind, o in nested.items()
            for name, value in o.items()
        ]
        if self.after is not None:
            flags.append("--weights FIRST")
        return f"intarsia train {data} {' '.join(flags)} --out RUN"


def _flag(name: str, value: object) -> str:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag} {' '.join(map(_text, value)) if isinstance(value, tuple) else _text(value)}"


def _text(value: object) -> str:
    """Of one option, as the command line reads it: rates ``1,2,3``, a single one ``2,``, and none ``""``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value)) + ("," if len(value) == 1 else "") or '""'
    return f"{value:g}" if isinstance(value, float) else str(value)
