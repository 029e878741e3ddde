"""What is typed is the recipe."""

from typing import Any

import pytest

from intarsia.cli.main import main
from intarsia.runs import Recipe, make_recipe
from intarsia.runs.typed import typed

CASES: list[dict[str, Any]] = [
    {"learning_rate": 0.123456789, "weight_decay": 1e-5, "scale": (0.5, 2.0), "rotation": 10.0, "ema": 0.999},
    {"loss": "focal+0.5*dice", "loss_options": {"focal": {"gamma": 1.5}}, "average": "images"},
    {"loss": "cross_entropy+aaf", "loss_options": {"aaf": {"sizes": (3,), "stride": 2}}},
    {"hard_classes": ("moon", "a class"), "class_weights": {"moon": 2.0, "brick": 0.5}},
    {"hard_classes": ("moon",), "class_weights": (1.0, 2.0, 0.25)},
    {"class_weights": "inverse", "freeze": ("backbone.body.layer1", "head"), "freeze_batch_norm": True},
    {"freeze_batch_norm": "statistics", "drops": (0.25, 0.5), "schedule": "step", "pretrained": False},
    {"model": "deeplabv3", "options": {"rates": (1, 2), "multi_grid": (), "image_pooling": False}},
    {"refiner": "cspn", "refiner_options": {"steps": 3}, "best_by": "iou:a class", "auxiliary": True, "freeze": ("x",)},
]


@pytest.mark.parametrize("values", CASES, ids=lambda values: next(iter(values)))
def test_what_is_typed_is_read_back(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Recipe] = []
    monkeypatch.setattr("intarsia.training.train", lambda recipe, **_: taken.append(recipe))
    recipe = make_recipe(data="photos", **values)
    changed = {name: getattr(recipe, name) for name in values}
    assert main(["train", "photos", *typed(changed)]) == 0
    assert taken == [recipe]
