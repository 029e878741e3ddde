"""Stages in a recipe: what they replace, how they are written and read, and one sentence for each mistake."""

from pathlib import Path
from typing import Any

import pytest

from intarsia.errors import ArgumentError
from intarsia.runs import Recipe, Stage, make_recipe

PAPER: list[dict[str, Any]] = [
    {"split": "trainaug", "output_stride": 16, "steps": 30000, "learning_rate": 0.007},
    {"split": "trainval", "output_stride": 8, "steps": 30000, "learning_rate": 0.001, "freeze_batch_norm": True},
]


def test_a_recipe_with_stages_is_written_and_read_back(tmp_path: Path) -> None:
    recipe = make_recipe(data="voc", stages=PAPER, freeze="backbone.body.layer1,backbone.body.layer2")
    assert recipe.freeze == ("backbone.body.layer1", "backbone.body.layer2")
    recipe.write(tmp_path / "recipe.json")
    assert Recipe.read(tmp_path / "recipe.json") == recipe
    assert make_recipe(**recipe.model_dump()) == recipe


def test_the_recipe_of_a_stage_is_the_whole_with_what_it_replaces() -> None:
    recipe = make_recipe(data="voc", stages=PAPER, optimiser="sgd", power=0.5)
    second = recipe.at_stage(1)
    assert recipe.stage_count == 2
    assert (second.optimiser, second.power, second.freeze_batch_norm) == ("sgd", 0.5, True)
    assert {name: getattr(second, name) for name in PAPER[1]} == PAPER[1]
    assert not recipe.at_stage(0).freeze_batch_norm
    assert make_recipe(data="voc").at_stage(0) == make_recipe(data="voc")


def test_epochs_of_a_stage_replace_the_steps_of_the_recipe() -> None:
    recipe = make_recipe(data="voc", steps=7, stages=[Stage(epochs=2), Stage()])
    assert [(stage.epochs, stage.steps) for stage in map(recipe.at_stage, (0, 1))] == [(2, None), (20, 7)]


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        ([{}, {"output_stride": 12}], r"`stages\[1\].output_stride` .=12.: input should be 8, 16 or 32"),
        ([{"lr": 1}], r"`stages\[0\].lr` .=1.: there is no such field; the nearest is `learning_rate`"),
        ([{"epochs": 1, "steps": 2}], r"`stages\[0\].steps` .=2.: .*so does `epochs`; give one of them"),
        ([{"loss": "ce"}], r"`stages\[0\].loss` .='ce'.: there is no loss `ce`"),
        (
            [{}, {"loss": "l1"}],
            r"`stages\[1\].loss` .='l1'.: `l1` is a loss of depths, and there are none in a segment",
        ),
        ([{"optimiser": "continue"}], r"no optimiser to continue; leave `optimiser` out of stages\[0\]"),
        ([{"optimiser": "adamw"}], r"`stages\[0\].optimiser` .='adamw'.: input should be 'restart' or 'continue'"),
    ],
)
def test_mistakes_name_the_stage(stages: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        make_recipe(data="voc", stages=stages)


def test_a_stage_of_depths_has_a_loss_of_depths() -> None:
    with pytest.raises(
        ArgumentError, match=r"`stages\[1\].loss` .='berho'.: there is no loss .*, the nearest is berhu;"
    ):
        make_recipe(data="sample:motorcycle", stages=[{"loss": "l2"}, {"loss": "berho"}])
    with pytest.raises(ArgumentError, match=r"`stages\[0\].loss` .='dice'.: there is no loss of depths `dice`; it is"):
        make_recipe(data="sample:motorcycle", stages=[{"loss": "dice"}])
    assert make_recipe(data="sample:motorcycle", stages=[{"loss": "l2"}]).at_stage(0).loss == "l2"
