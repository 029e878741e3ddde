"""The run folder: everything that training leaves behind, and nothing that needs a pickle to read."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from intarsia.data import RGB, Classes, PixelFormat
from intarsia.data.listing import read_text
from intarsia.errors import RunError
from intarsia.files import write_text
from intarsia.runs.recipe import Recipe
from intarsia.validation import first_mistake


@dataclass(frozen=True)
class NetworkRecord:
    """What it takes to build the network again, and to feed it as it was fed in training.

    ``pixels`` says what the numbers in picture files mean; ``mean`` and ``std`` are per channel for images in [0, 1].
    ``precision`` and ``memory_format`` were the fastest on
    ``device``, by measurement or by the recipe. A depth network (``classes`` 1) takes a channel more than ``mean`` has
    values: depths, measured as ``measuring`` says, or by the data's own sensor if that is ``None``.
    """

    model: str
    backbone: str
    output_stride: int
    form: str
    options: dict[str, Any]
    auxiliary: bool
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights_source: str
    precision: Literal["float32", "bfloat16"]
    memory_format: Literal["contiguous", "channels_last"]
    device: str
    refiner: str | None = None
    refiner_options: dict[str, Any] = field(default_factory=dict)
    pixels: PixelFormat = RGB
    task: Literal["segmentation", "classification", "depth"] = "segmentation"
    measuring: str | None = None


_RECORD = TypeAdapter(NetworkRecord)
_HISTORY = TypeAdapter(list[dict[str, Any]])


@dataclass(frozen=True)
class Run:
    """Paths and small files of one run folder."""

    folder: Path

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """A run that holds trained weights; otherwise one sentence says what is missing."""
        run = cls(Path(folder))
        if not run.folder.is_dir():
            raise RunError(f"There is no run `{folder}`; `intarsia train DATA --out {folder}` makes one.")
        for path in (run.network_path, run.weights_path, run.classes_path):
            if not path.is_file() and not (path == run.classes_path and run.network().task == "depth"):
                raise RunError(
                    f"`{folder}` is not a finished run: `{path.name}` is missing; "
                    f"`intarsia train DATA --out {folder}` makes one, `--resume` finishes one."
                )
        return run

    @property
    def recipe_path(self) -> Path:
        """The recipe as given."""
        return self.folder / "recipe.json"

    @property
    def network_path(self) -> Path:
        """The network as built."""
        return self.folder / "network.json"

    @property
    def classes_path(self) -> Path:
        """Names and colours; a depth run has none."""
        return self.folder / "classes.json"

    @property
    def weights_path(self) -> Path:
        """Weights of the epoch with the best validation score, among those of the last stage."""
        return self.folder / "weights.safetensors"

    @property
    def last_weights_path(self) -> Path:
        """Weights of the last epoch."""
        return self.folder / "last.safetensors"

    @property
    def metrics_path(self) -> Path:
        """One JSON object an epoch."""
        return self.folder / "metrics.jsonl"

    @property
    def checkpoint_path(self) -> Path:
        """The training state, for ``--resume``."""
        return self.folder / "checkpoint.safetensors"

    @property
    def balance_path(self) -> Path:
        """What was told of rare classes before the first step, if anything."""
        return self.folder / "balance.json"

    @property
    def refinement_path(self) -> Path:
        """What is done to the network's answers, if anything: see ``runs/refinement.py``, which is slower to import."""
        return self.folder / "refinement.json"

    @property
    def refinement_curve(self) -> Path:
        """What the search for its settings reached, as a picture."""
        return self.folder / "refinement.svg"

    @property
    def tensorboard_path(self) -> Path:
        """Events for TensorBoard, if they were asked for."""
        return self.folder / "tensorboard"

    def picture_path(self, epoch: int) -> Path:
        """The same validation images after each epoch."""
        return self.folder / "pictures" / f"epoch_{epoch:03d}.png"

    def begin(self, recipe: Recipe, classes: Classes | None) -> None:
        """Make the folder and write what is known before training; depths have no classes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        recipe.write(self.recipe_path)
        if classes is not None:
            write_text(self.classes_path, classes.to_json())

    def write_network(self, record: NetworkRecord) -> None:
        """Write the network's record."""
        write_text(self.network_path, json.dumps(asdict(record), indent=2) + "\n")

    def network(self) -> NetworkRecord:
        """The network's record."""
        try:
            record = _RECORD.validate_json(self.network_path.read_bytes())
        except ValidationError as error:
            raise RunError(f"`{self.network_path}` is damaged: {first_mistake(error)} Train the run again.") from error
        except OSError as error:
            raise RunError(f"`{self.network_path}` cannot be read ({error.strerror}); train the run again.") from error
        if record.pixels.channels != len(record.mean):  # a record from before there were pixel formats
            return replace(record, pixels=PixelFormat(len(record.mean)))
        return record

    def classes(self) -> Classes:
        """Names and colours."""
        return Classes.from_json(read_text(self.classes_path), str(self.classes_path))

    def history(self) -> list[dict[str, Any]]:
        """The epochs so far, oldest first."""
        if not self.metrics_path.is_file():
            return []
        try:
            lines = self.metrics_path.read_text(encoding="utf-8").splitlines()
            return _HISTORY.validate_python([json.loads(line) for line in lines if line])
        except ValueError as error:
            raise RunError(f"`{self.metrics_path}` is damaged: mend or delete its last line.") from error

    def write_history(self, history: list[Mapping[str, Any]] | list[dict[str, Any]]) -> None:
        """Write all epochs, whole or not at all: a resumed run must not hold an epoch twice."""
        write_text(self.metrics_path, "".join(json.dumps(_plain(epoch), allow_nan=False) + "\n" for epoch in history))


def _plain(value: Any) -> Any:
    """JSON has no NaN: the score of an absent class is null."""
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
