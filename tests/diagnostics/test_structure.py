"""The structure that is read off the code is the one that was written."""

import xml.etree.ElementTree as ET

import pytest
import torch

from intarsia.diagnostics.anatomy.complexity import Complexity, complexity
from intarsia.diagnostics.anatomy.structure import Block, describe, structure
from intarsia.diagnostics.anatomy.structure_picture import layout, picture
from intarsia.models import CATALOG, create_model


def of(name: str, backbone: str = "resnet18", **more: object) -> tuple[Block, ...]:
    with torch.device("meta"):
        return structure(create_model(name, backbone, classes=5, **more))  # pyright: ignore[reportArgumentType]


def test_unets_skips_are_edges() -> None:
    blocks = of("unet")
    named = {block.name: block for block in blocks}
    feeding = {name: {blocks[i].name for i in block.sources} for name, block in named.items()}
    assert feeding["stages.0"] == {"stage 32", "stage 16"}
    assert feeding["stages.3"] == {"stages.2", "stage 2"}
    assert feeding["stages.4"] == {"stages.3"}
    assert feeding["logits"] == {"head"}
    assert [named[f"stages.{i}"].stride for i in range(5)] == [16, 8, 4, 2, 1]


def test_pyramids_are_shown_branch_by_branch() -> None:
    blocks = of("deeplabv3plus", auxiliary=True)
    branches = [b for b in blocks if b.name.startswith("aspp.branches")]
    assert [b.does for b in branches] == ["1×1", "3×3, rate 6", "3×3, rate 12", "3×3, rate 18"]
    last = next(i for i, b in enumerate(blocks) if b.part == "backbone" and b.channels == 512)
    assert {b.sources for b in branches} == {(last,)}
    (auxiliary,) = [b for b in blocks if b.part == "auxiliary"]
    assert auxiliary.sources == (last - 1,)


def test_a_block_stands_right_of_all_that_feed_it_and_on_no_other() -> None:
    blocks = of("pspnet", auxiliary=True)
    places, lanes = layout(blocks)
    assert len(set(places)) == len(blocks)
    assert all(
        places[source].x < place.x for block, place in zip(blocks, places, strict=True) for source in block.sources
    )
    assert [stride for stride, _ in lanes] == sorted({stride for stride, _ in lanes})


@pytest.mark.parametrize("name", CATALOG)
def test_every_system_can_be_drawn(name: str) -> None:
    with torch.device("meta"):
        net = create_model(name, **{"classes": 5, "auxiliary": CATALOG[name].auxiliary, **CATALOG[name].tiny})
    blocks = structure(net)
    drawing = ET.fromstring(picture(blocks, "a <title>"))
    texts = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("logits") == 1
    assert len(texts) > 2 * len(blocks)
    assert all(block.sources for block in blocks[1:])


def test_a_named_block_says_its_name() -> None:
    class Odd(torch.nn.Module):
        pass

    assert describe(Odd()) == "Odd"
    assert describe(torch.nn.ConvTranspose2d(4, 4, 16, 8)) == "16×16, up 8"


def test_complexity_counts_multiply_adds() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1, bias=False), torch.nn.ConvTranspose2d(8, 4, 2, 2)).train()
    assert complexity(net, 64, 32) == Complexity(3 * 8 * 9 + 8 * 4 * 4 + 4, 1e-9 * (3 * 8 * 9 + 8 * 4 * 4) * 32 * 16)
    assert net.training
    assert not any(p.is_meta for p in net.parameters())


def test_complexity_of_torchvisions_deeplab_is_the_stated_one() -> None:
    segmentation = pytest.importorskip("torchvision.models.segmentation")
    with torch.device("meta"):
        net = segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None)
    cost = complexity(net, 520, 520)
    assert cost.parameters == 39_638_869
    assert cost.gmac == pytest.approx(168.73, abs=0.005)
