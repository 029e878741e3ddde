"""`intarsia explain`, called in this process."""

from pathlib import Path

import pytest

from intarsia.cli.main import main
from intarsia.diagnostics import KINDS

Capture = pytest.CaptureFixture[str]


def complaint(capsys: Capture, *arguments: str | Path) -> str:
    assert main(["explain", *map(str, arguments)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_page_and_its_numbers(disc_run: Path, discs: Path, tmp_path: Path, capsys: Capture) -> None:
    image, mask, out = discs / "images" / "disc_0.png", discs / "masks" / "disc_0.png", tmp_path / "page"
    asked = ["explain", str(disc_run), str(image), "--what", "uncertainty", "--mask", str(mask), "--out", str(out)]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    assert "Entropy, mean" in printed
    assert "Wrong pixels" in printed
    assert printed.endswith(f"The page is `{out / 'index.html'}`.\n")
    assert "Where the network hesitates" in (out / "index.html").read_text()


def test_one_stage_in_the_place_that_is_chosen_by_default(
    disc_run: Path, discs: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    image = str(discs / "images" / "disc_0.png")
    assert main(["explain", str(disc_run), image, "--what", "features", "--stage", "8"]) == 0
    assert "Stage 2 at stride 8" in capsys.readouterr().out
    assert (tmp_path / "explanations" / "features" / "stage-2-stride-8.png").is_file()


def test_help_names_every_kind(capsys: Capture) -> None:
    assert main(["explain", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert [kind for kind in KINDS if kind not in printed] == []


def test_mistakes(disc_run: Path, discs: Path, tmp_path: Path, capsys: Capture) -> None:
    image, out = discs / "images" / "disc_0.png", tmp_path / "page"
    shown = (disc_run, image, "--out", out, "--what")
    assert "`unet` on backbone `test_resnet` has no attention" in complaint(capsys, *shown, "attention")
    assert "has no stage at stride 5; name one of 2, 4, 8, 16, 32" in complaint(
        capsys, *shown, "features", "--stage", "5"
    )
    assert "point 40,0 lies outside the picture" in complaint(capsys, *shown, "attention", "--at", "40,0")
    assert "There is no explanation `fields`" in complaint(capsys, *shown, "fields")
    for wrong in ("12", "1,2,3", "a,b", "1.5,2"):
        assert f"`--at {wrong}` is no pixel; write column and row" in complaint(
            capsys, *shown, "attention", "--at", wrong
        )
    assert "holds `images`, which is no part of an explanation" in complaint(
        capsys, disc_run, image, "--what", "features", "--out", discs
    )
    assert "cannot be read" in complaint(capsys, disc_run, tmp_path / "no.png", "--what", "features", "--out", out)
    (tmp_path / "text.png").write_text("no picture")
    assert "text.png" in complaint(capsys, disc_run, tmp_path / "text.png", "--what", "features", "--out", out)
    assert (
        "`--stage` has no use in the explanation `attention`; leave it out, or ask for receptive-field or features"
        in (complaint(capsys, *shown, "attention", "--stage", "8"))
    )
    assert not out.exists()
