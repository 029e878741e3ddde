"""`intarsia models`, called in this process."""

import gc
import sys
from pathlib import Path

import pytest
from commands import Capture

from intarsia.cli.main import main


def test_models(capsys: Capture) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert "arXiv:1802.02611" in listed
    assert [line.split()[0] for line in listed.splitlines() if line.endswith("; for depth")] == ["cspn_depth"]
    assert main(["models", "cspn_depth"]) == 0
    assert "for an image of 512 × 512, 4 channels, one map of depths\n" in capsys.readouterr().out
    assert main(["models", "deeplabv3plus"]) == 0
    assert "rates=(6, 12, 18)" in capsys.readouterr().out
    assert main(["models", "--backbones"]) == 0
    assert "resnet50d" in capsys.readouterr().out


def test_the_list_is_kept_while_sources_and_libraries_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path))
    command, made = sys.modules["intarsia.cli.models"], list[str]()
    monkeypatch.setattr(command, "_row", lambda model, row: made.append(model) or f"{model}, {row.year}")
    printed: list[str] = []
    for versions in ("1", "1", "2"):
        monkeypatch.setattr(command, "version", lambda library, versions=versions: versions)
        assert main(["models"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] == printed[2]
    assert "\ndeeplabv3plus, 2018\n" in printed[0]
    assert len(made) == 2 * len(printed[0].splitlines())
    assert gc.isenabled()
