"""`intarsia bench` from end to end, tiny; its page and charts; refusals."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from intarsia import __version__
from intarsia.ablations import costs, evidence, network_bench, variant
from intarsia.ablations.claims import CLAIMS
from intarsia.ablations.claims_page import claims_page, pictures
from intarsia.ablations.costs import Cost
from intarsia.ablations.dots import Panel, Row, dot_chart
from intarsia.ablations.evidence import Evidence
from intarsia.ablations.mosaics import MOSAICS, Mosaics
from intarsia.ablations.network_bench import NetworkBench, distinct
from intarsia.ablations.systems import SYSTEMS
from intarsia.ablations.systems_page import with_measured
from intarsia.ablations.variant import SEEDS, Variant
from intarsia.ablations.work import Result
from intarsia.cli.main import main
from intarsia.errors import ArgumentError, RunError, UnknownNameError
from intarsia.files import write_text

COST = Cost(3_190_056, 0.95, 12.3, 45.6, "resnet50", 33_000_000, 138.3)


def made_up() -> Evidence:
    """Scores that make the first of all variants the best."""
    found = {key: place for place, key in enumerate(distinct(all_variants(), MOSAICS))}
    scores = ("mean_iou", "pixel_accuracy", "mean_iou_at_0.5", "mean_iou_at_2", "checkerboard")
    results = {
        key: [Result(dict.fromkeys(scores, 0.9 - 0.02 * place + 0.001 * seed), 1.0, 2.0) for seed in SEEDS]
        for key, place in found.items()
    }
    return Evidence(MOSAICS, results, dict.fromkeys(found, COST))


def all_variants() -> list[Variant]:
    return [v for claim in CLAIMS.values() for v in claim.variants] + list(SYSTEMS.values())


def test_one_claim_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps a training, on a tiny backbone; a second call trains nothing."""
    monkeypatch.setattr(variant, "BASE", variant.BASE | {"backbone": "test_resnet", "pretrained": False})
    monkeypatch.setattr(costs, "_measure", lambda *_: COST)
    lines: list[str] = []
    made = NetworkBench(tmp_path / "runs", 1, lines.append, Mosaics(train=16, val=2, size=32))
    out = tmp_path / "docs" / "claims.md"
    made.claims(out, only=["fcn_deconvolution"])
    assert lines[0] == "6 trainings, 0 of them done before."
    text = out.read_text()
    assert text.count("\n## ") == 1
    assert (
        f"bench claims --only fcn_deconvolution --out {out} --runs {made.runs}` (intarsia {__version__}, torch " in text
    )
    assert re.search(r"fixed, bilinear ≥ learned: [+-]\d\.\d \(seeds .*\)\. The claim \*\*", text)
    for picture in re.findall(r"\]\((pictures/.*?)\)", text):
        assert (out.parent / picture).is_file()
    made.claims(out, only=["fcn_deconvolution"])
    assert "6 trainings, 6 of them done before." in lines


def test_the_systems_page_and_each_systems_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkBench, "_evidence", lambda *_: made_up())
    for name in ("unet", "danet"):
        write_text(tmp_path / "models" / f"{name}.md", f"# {name}\n\n## Measured here\n\nold\n\n## Last\n\nend\n")
    NetworkBench(tmp_path / "runs", say=lambda _: None).models(tmp_path / "systems.md", only=["unet", "fcn16s"])
    text = (tmp_path / "systems.md").read_text()
    assert text.startswith("# 2 of 15 systems on one backbone\n\nSystems that the command below names, trained")
    assert f"`intarsia bench models --only unet fcn16s --out {tmp_path}/systems.md --runs {tmp_path}/runs`" in text
    assert "(results of older versions, which do not say)" in text
    assert re.findall(r"^\| \[(\w+)\]\(models/(\w+)\.md\)", (tmp_path / "systems.md").read_text(), re.MULTILINE) == [
        ("fcn16s", "fcn8s"),
        ("unet", "unet"),
    ]
    assert (tmp_path / "pictures" / "claims" / "systems.svg").is_file()
    own = (tmp_path / "models" / "unet.md").read_text()
    assert own.startswith("# unet\n\n## Last\n\nend\n\n## Measured here\n\nHeld-out mean IoU **")
    assert own.count("## Measured here") == 1
    assert "old" not in own
    assert "old" in (tmp_path / "models" / "danet.md").read_text()  # was not asked for
    assert not (tmp_path / "models" / "fcn8s.md").exists()


def test_a_claim_about_patterns_gets_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkBench, "_evidence", lambda *_: made_up())
    monkeypatch.setattr(network_bench, "logits_picture", lambda trials: np.full((4, len(trials), 3), 7, np.uint8))
    NetworkBench(tmp_path / "runs", say=lambda _: None).claims(tmp_path / "claims.md", only=["checkerboard", "gates"])
    with Image.open(tmp_path / "pictures" / "claims" / "checkerboard_logits.png") as picture:
        assert picture.size == (len(CLAIMS["checkerboard"].variants), 4)
    assert {path.name for path in (tmp_path / "pictures" / "claims").iterdir()} == {
        "checkerboard.svg",
        "checkerboard_checkerboard.svg",
        "checkerboard_logits.png",
        "gates.svg",
    }


def test_a_page_keeps_its_section_once() -> None:
    once = with_measured("# unet\n", SYSTEMS["unet"], made_up())
    assert with_measured(once, SYSTEMS["unet"], made_up()) == once


def test_the_whole_page_holds_together() -> None:
    found = made_up()
    text = claims_page(CLAIMS, found, "command")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [claim.title for claim in CLAIMS.values()]
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#(.*?)\)", text)) == anchors
    shown = {Path(path).name for path in re.findall(r"\]\((pictures/claims/.*?)\)", text)}
    assert shown == {*pictures(CLAIMS, found), "checkerboard_logits.png"}
    assert "checkerboard_checkerboard.svg" in shown
    judged = re.findall(r"The claim \*\*(.*?)\*\*", text)
    assert len(judged) == sum(len(claim.comparisons) for claim in CLAIMS.values())
    # made up so that each variant is worse than the one before it, by more than its seeds differ
    assert "output stride 8 > output stride 16: +2.0 (seeds +2.0, +2.0, +2.0). The claim **holds here**." in text
    assert "three rates > 1×1 alone: -2.0 (seeds -2.0, -2.0, -2.0). The claim **is reversed**." in text


def test_numbers_as_they_are_written() -> None:
    found = made_up()
    first = next(iter(CLAIMS["output_stride"].variants))
    assert found.scores(first, "mean_iou") == pytest.approx((90.0, 90.1, 90.2))
    assert found.written(first, "mean_iou") == "90.1 (90.0–90.2)"
    assert evidence.cost_columns(COST) == ["3.19 M", "0.95", "12", "46", "33.0 M (resnet50)", "138.3"]


def test_a_chart_shows_every_seed_and_every_mean() -> None:
    rows = (Row("one <1>", (10.0, 20.0, 30.0)), Row("two", (40.0, 40.0, 43.0)))
    root = ElementTree.fromstring(dot_chart([Panel("a", rows), Panel("b", rows[:1])], "a & b", "per cent"))
    space = "{http://www.w3.org/2000/svg}"
    dots = root.findall(f".//{space}circle")
    bars = [line for line in root.findall(f".//{space}line") if line.get("class") == "mean"]
    assert (len(dots), len(bars)) == (9, 3)
    places = [float(dot.get("cx", "nan")) for dot in dots]
    assert places[0] < places[1] < places[2] < places[3] == places[4] < places[5]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2)
    assert float(bars[0].get("x1", "nan")) == pytest.approx(places[1], abs=0.1)
    texts = [text.text for text in root.iter(f"{space}text")]
    assert texts.count("one <1>") == 2
    assert {"20.0", "41.0", "per cent"} <= set(texts)


def test_a_page_says_what_its_results_were_taken_with_not_what_reads_them() -> None:
    one, other, old = (Result({}, 1.0, 2.0, text) for text in ("torch 1", "torch 2", ""))
    assert Evidence(MOSAICS, {"a": [one, one], "b": [one]}, {}).taken_with == "torch 1"
    assert Evidence(MOSAICS, {"a": [one, other]}, {}).taken_with == "torch 1; torch 2"
    assert "older versions, which do not say" in Evidence(MOSAICS, {"a": [one, old]}, {}).taken_with


def test_a_chart_leaves_out_what_is_no_number() -> None:
    nan = float("nan")
    svg = dot_chart([Panel("a", (Row("one", (10.0, nan, 30.0)), Row("two", (20.0, 21.0, 22.0))))], "a", "per cent")
    assert (svg.count('class="dot"'), svg.count('class="mean"')) == (5, 1)
    assert svg.count("nan") == 1  # the mean in words
    nothing = dot_chart([Panel("a", (Row("one", (nan,) * 3),))], "a", "per cent")
    assert (nothing.count('class="dot"'), nothing.count('class="mean"')) == (0, 0)


def test_costs_are_counted_measured_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, in a process of its own, and read back the next time."""
    tiny = Variant("tiny", {"model": "fcn", "backbone": "test_resnet", "pretrained": False, "auxiliary": True})
    first = costs.measure_all({"one": tiny}, tmp_path)
    cost = first["one"]
    assert cost.full_backbone == "resnet50"
    assert cost.full_parameters == 32_957_013  # torchvision's fcn_resnet50 without the auxiliary head
    assert 0 < cost.parameters < 1e6
    assert 0 < cost.gmac < 1
    assert cost.milliseconds > 0
    assert 1 < cost.megabytes < 100
    monkeypatch.setattr(costs, "_measure", lambda *_: pytest.fail("measured again"))
    assert costs.measure_all({"one": tiny}, tmp_path) == first


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["claims", "--only", "fcn_skip"], "There is no claim `fcn_skip`; did you mean fcn_skips"),
        (["models", "--only", "unett"], "There is no model `unett`; did you mean unet"),
        (["claims", "--processes", "0"], "`processes` (=0) must be at least 1"),
        (["claims", "--runs", "FILE"], "is no folder that can be written to; choose another --runs or --out"),
        (["claims", "--out", "FOLDER"], "`FOLDER` is a folder; name a file in it for --out, such as FOLDER/page.md"),
        (["models", "--out", "FOLDER"], "`FOLDER` is a folder; name a file in it for --out, such as FOLDER/page.md"),
        (["models", "--out", "FILE/page.md"], "is no folder that can be written to; choose another --runs or --out"),
    ],
)
def test_refusals(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(network_bench, "perform_all", lambda *_: pytest.fail("trained before it refused"))
    file = tmp_path / "FILE"
    file.write_text("")
    (tmp_path / "FOLDER").mkdir()
    assert main(["bench", *arguments]) == 1
    assert sentence in capsys.readouterr().err


def test_refusals_are_errors_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="must be at least 1; 2 suit two cores"):
        NetworkBench(tmp_path, processes=0)
    with pytest.raises(UnknownNameError, match="There is no claim `skips`"):
        NetworkBench(tmp_path).claims(tmp_path / "page.md", only=["skips"])
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is no folder that can be written to"):
        NetworkBench(tmp_path / "file").claims(tmp_path / "page.md")


def test_the_command_of_a_page_names_its_places_as_a_shell_takes_them(tmp_path: Path) -> None:
    words = ["intarsia", "bench", "models", "--only", "unet", "--out", "p.md", "--runs", str(tmp_path / "my runs")]
    assert shlex.split(NetworkBench(tmp_path / "my runs").command("models", Path("p.md"), ["unet"])) == words


def test_a_variant_of_several_claims_takes_the_scores_of_all() -> None:
    plain, judged = Variant("a", {"model": "unet"}), Variant("b", {"model": "unet"}, ("checkerboard",))
    (both,) = distinct([plain, judged], MOSAICS).values()
    assert both == replace(plain, scores=("checkerboard",))
