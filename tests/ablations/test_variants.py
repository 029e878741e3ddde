"""Every variant is a network that can be built and trained, differs from its siblings, and can be typed."""

import shlex
from collections import defaultdict
from typing import Any

import pytest
import torch

from intarsia.ablations.claims import CLAIMS
from intarsia.ablations.mosaics import MOSAICS, Mosaics
from intarsia.ablations.systems import SYSTEMS
from intarsia.ablations.variant import Variant
from intarsia.cli.main import main
from intarsia.models import CATALOG, create_model
from intarsia.runs import Recipe
from intarsia.training.networks import check_crop

VARIANTS = {variant.key(MOSAICS): variant for claim in CLAIMS.values() for variant in claim.variants}
VARIANTS |= {variant.key(MOSAICS): variant for variant in SYSTEMS.values()}


@pytest.mark.parametrize("key", VARIANTS)
def test_every_variant_can_be_built_and_trained(key: str) -> None:
    """On a backbone that is quickly built; the crop and the rates are those of the recipe."""
    recipe = VARIANTS[key].recipe()
    with torch.device("meta"):
        net = create_model(
            recipe.model,
            "test_unet_contracting" if recipe.model == "unet_paper" else "test_resnet",
            8,
            recipe.output_stride,
            form=recipe.form,
            auxiliary=recipe.auxiliary,
            **recipe.options,
        )
        assert net.eval()(torch.empty(1, 3, recipe.crop_size, recipe.crop_size)).shape == (1, 8, 96, 96)
    check_crop(recipe, net)


@pytest.mark.parametrize("name", CLAIMS)
def test_the_variants_of_a_claim_differ(name: str) -> None:
    keys = [variant.key(MOSAICS) for variant in CLAIMS[name].variants]
    assert len(set(keys)) == len(keys) > 1


def test_one_training_under_several_labels_has_one_key() -> None:
    labels: dict[str, set[str]] = defaultdict(set)
    for claim in CLAIMS.values():
        for variant in claim.variants:
            labels[variant.key(MOSAICS)].add(variant.label)
    assert {"FCN-8s", "fixed, bilinear"} in labels.values()
    assert {"output stride 16", "none"} in labels.values()


@pytest.mark.parametrize(
    "settings", [{"model": "fcn16s"}, {"model": "fcn8s", "learning_rate": 1e-3}, {"model": "fcn8s", "form": "at_once"}]
)
def test_what_changes_the_training_changes_the_key(settings: dict[str, Any]) -> None:
    plain = Variant("one", {"model": "fcn8s"})
    assert Variant("one", settings).key(MOSAICS) != plain.key(MOSAICS)


@pytest.mark.parametrize("mosaics", [Mosaics(train=801), Mosaics(val=65), Mosaics(size=128)])
def test_other_data_change_the_key(mosaics: Mosaics) -> None:
    plain = Variant("one", {"model": "fcn8s"})
    assert plain.key(mosaics) != plain.key(MOSAICS)


@pytest.mark.parametrize("key", VARIANTS)
def test_the_command_is_the_recipe(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed, it gives the very recipe that the bench trains."""
    taken: list[Recipe] = []
    monkeypatch.setattr("intarsia.training.train", lambda recipe, **_: taken.append(recipe))
    words = shlex.split(VARIANTS[key].command(MOSAICS, "mosaics", seed=2))
    assert words[0] == "intarsia"
    assert main(words[1:]) == 0
    assert taken == [VARIANTS[key].recipe(MOSAICS, "mosaics", seed=2)]


def test_every_system_is_among_the_systems() -> None:
    assert list(SYSTEMS) == list(CATALOG)
    assert all(variant.settings["model"] == name for name, variant in SYSTEMS.items())


def test_other_mosaics_have_another_folder() -> None:
    kinds = [Mosaics(), Mosaics(train=8), Mosaics(val=8), Mosaics(size=64)]
    assert len({mosaics.name for mosaics in kinds}) == len(kinds)
