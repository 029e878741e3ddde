"""Every system of the catalog trains from the command line."""

import json
from pathlib import Path

import pytest
from tiny import write_discs

from intarsia.cli.main import main
from intarsia.models import CATALOG
from intarsia.runs import Run

CROP = 64


def flags(name: str) -> list[str]:
    """The tiny form of a system as it is written on the command line."""
    written: list[str] = []
    for option, value in CATALOG[name].tiny.items():
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        written += [f"--{option}" if option in {"backbone", "form"} else f"--options.{option}", text]
    return written


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_discs(tmp_path_factory.mktemp("discs"), count=8, size=72)


@pytest.mark.parametrize("name", CATALOG)
def test_two_steps_and_a_validation(name: str, discs: Path, tmp_path: Path) -> None:
    arguments = ["--epochs", "1", "--batch-size", "3", "--crop-size", str(CROP)] + ["--auxiliary"] * CATALOG[
        name
    ].auxiliary
    plain = ["--no-pretrained", "--precision", "float32", "--memory-format", "contiguous"]
    out = tmp_path / "run"
    assert main(["train", str(discs), "--out", str(out), "--model", name, *flags(name), *arguments, *plain]) == 0
    (epoch,) = Run(out).history()
    assert epoch["step"] == 2
    assert 0 < epoch["loss"] < 1000
    assert json.loads((out / "network.json").read_text())["model"] == name
    picture = str(discs / "images" / "disc_0.png")
    assert main(["predict", str(out), picture, "--out", str(tmp_path / "masks")]) == 0
    assert (tmp_path / "masks" / "disc_0.png").is_file()
