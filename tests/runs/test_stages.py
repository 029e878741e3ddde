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
        ([{}, {"crop_size": 8}], r"`stages\[1\].crop_size` .=8.: input should be .* 16; the nearest is 16"),
        ([{}, {"crop_size": 32}], r"`stages\[1\].elastic` .=4.0.: must be at most a 16th of `crop_size`"),
        ([{"batch_size": 0}], r"`stages\[0\].batch_size` .=0.: input should .* the nearest is 1"),
        ([{"schedule": "poli"}], r"`stages\[0\].schedule` .='poli'.: input should be 'poly', .* nearest is 'poly'"),
        (
            [{}, {"loss": "dice", "loss_options": {"gama": 1}}],
            r"`stages\[1\].loss_options` .=.*: there is no option `gama`; dice has power",
        ),
        ([{"loss_options": {"focal": {"gamma": 1}}}], r"`stages\[0\].loss_options` .*belong to focal, which `loss`"),
        ([{"optimiser": "continue"}], r"no optimiser to continue; leave `optimiser` out of stages\[0\]"),
        ([{"optimiser": "adamw"}], r"`stages\[0\].optimiser` .='adamw'.: input should be 'restart' or 'continue'"),
    ],
)
def test_mistakes_name_the_stage(stages: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        make_recipe(data="voc", stages=stages, elastic=4, loss="ohem", loss_options={"threshold": 0.5})


def test_a_stage_has_options_of_its_own(tmp_path: Path) -> None:
    """Those of losses stand under the names of these, however they were given."""
    stages: list[dict[str, Any]] = [
        {"loss": "focal+aaf", "loss_options": {"gamma": 1, "sizes": [3]}, "options": {"rates": "6,12"}},
        {"loss": "dice", "batch_size": 4, "accumulate": 2, "crop_size": 64, "schedule": "constant"},
        {},
    ]
    recipe = make_recipe(data="voc", stages=stages, loss="ohem", loss_options={"threshold": 0.5})
    recipe.write(tmp_path / "recipe.json")
    assert Recipe.read(tmp_path / "recipe.json") == recipe
    first, second, third = recipe.all_stages
    assert (first.options, first.loss_options) == (
        {"rates": (6, 12)},
        {"focal": {"gamma": 1.0}, "aaf": {"sizes": (3,)}},
    )
    assert (second.batch_size, second.accumulate, second.crop_size, second.schedule) == (4, 2, 64, "constant")
    assert (third.loss, third.loss_options, third.options) == ("ohem", {"ohem": {"threshold": 0.5}}, {})


def test_stages_are_not_judged_by_what_was_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^`loss` .='focl'.: there is no loss `focl`[^`]*$"):
        make_recipe(data="voc", loss="focl", loss_options={"gamma": 1}, stages=[{"epochs": 1}])


def test_a_stage_of_depths_has_a_loss_of_depths() -> None:
    with pytest.raises(
        ArgumentError, match=r"`stages\[1\].loss` .='berho'.: there is no loss .*, the nearest is berhu;"
    ):
        make_recipe(data="sample:motorcycle", stages=[{"loss": "l2"}, {"loss": "berho"}])
    with pytest.raises(ArgumentError, match=r"`stages\[0\].loss` .='dice'.: there is no loss of depths `dice`; it is"):
        make_recipe(data="sample:motorcycle", stages=[{"loss": "dice"}])
    assert make_recipe(data="sample:motorcycle", stages=[{"loss": "l2"}]).at_stage(0).loss == "l2"
