"""The recipes of published depth completion: valid, with networks that exist, two steps each on miniatures."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from depth_folders import kitti, needs_h5py, write_nyu

from intarsia.models import DEPTH_CATALOG, create_model
from intarsia.runs import Recipe, make_recipe
from intarsia.training import train

FOLDER = Path(__file__).parents[2] / "recipes"
SIZE = (40, 56)
SMALL = {
    "crop_size": 32,
    "batch_size": 2,
    "epochs": 1,
    "backbone": "resnet18",
    "pretrained": False,
    "measuring": 60,
    "precision": "float32",
    "memory_format": "contiguous",
    "workers": 0,
}


def nyu(root: Path) -> Path:
    """The labelled file without its official split, of whose six images four are for training."""
    root.mkdir()
    return write_nyu(root / "nyu_depth_v2_labeled.mat", 6, SIZE).parent


SETS: dict[str, Callable[[Path], Path]] = {"nyu": nyu, "kitti": lambda root: kitti(root, 4, SIZE)}


@needs_h5py
@pytest.mark.parametrize("name", SETS)
def test_a_recipe_takes_two_steps_on_the_miniature_of_its_set(name: str, tmp_path: Path) -> None:
    whole = Recipe.read(FOLDER / f"{name}_depth_cspn.toml")
    assert (whole.task, whole.measuring, whole.base_learning_rate) == ("depth", "count:500", 0.01)
    recipe = make_recipe(**whole.model_dump() | SMALL | {"data": str(SETS[name](tmp_path / name))})
    run = train(recipe, out=tmp_path / "run", quiet=True)
    (epoch,) = run.history()
    assert epoch["step"] == 2
    assert 0 < epoch["rmse"] < 1000
    assert Recipe.read(run.recipe_path) == recipe


@pytest.mark.parametrize("name", SETS)
def test_its_network_is_the_published_one(name: str) -> None:
    recipe = Recipe.read(FOLDER / f"{name}_depth_cspn.toml")
    assert recipe.model in DEPTH_CATALOG
    with torch.device("meta"):
        net = create_model(recipe.model, recipe.backbone, form=recipe.form, **recipe.options)
        assert sum(p.numel() for p in net.parameters()) == 218_121_920
