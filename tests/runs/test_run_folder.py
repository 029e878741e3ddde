"""The run folder and its weights: whole, or one sentence."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
import torch
from torch import nn

from intarsia.errors import ArgumentError, RunError
from intarsia.files import atomic, clear_partial_files, write_text
from intarsia.inference import load
from intarsia.runs import Run, make_recipe
from intarsia.runs.weights import load_into, read_tensors, save_tensors


def test_a_finished_run_opens(disc_run: Path) -> None:
    run = Run.open(disc_run)
    record = run.network()
    assert (record.model, record.backbone, record.classes) == ("unet", "test_resnet", 2)
    assert run.classes().count == 2
    assert [epoch["epoch"] for epoch in run.history()] == [1, 2]
    assert run.picture_path(2).is_file()
    assert not list(disc_run.rglob("*.p*kl")) + list(disc_run.rglob("*.pt*")), "no pickle in a run"


def test_what_is_no_run(tmp_path: Path, disc_run: Path) -> None:
    with pytest.raises(RunError, match=r"There is no run .*; `intarsia train DATA --out"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"`network.json` is missing"):
        Run.open(tmp_path)
    copy = copytree(disc_run, tmp_path / "copy")
    record = (copy / "network.json").read_text()
    (copy / "network.json").write_text("{}")
    with pytest.raises(RunError, match=r"network\.json` is damaged: `model` is missing"):
        Run.open(copy).network()
    (copy / "network.json").write_text(record)
    for name in ("weights.safetensors", "classes.json"):
        (copy / name).rename(copy / "aside")
        with pytest.raises(RunError, match=rf"not a finished run: `{name}` is missing; .*--resume"):
            Run.open(copy)
        (copy / "aside").rename(copy / name)


def test_a_depth_run_has_no_classes(tmp_path: Path, disc_run: Path) -> None:
    run = Run(tmp_path / "depth")
    run.begin(make_recipe(data="sample:motorcycle"), None)
    run.write_network(replace(Run(disc_run).network(), task="depth", classes=1, measuring="grid:16"))
    with pytest.raises(RunError, match=r"not a finished run: `weights\.safetensors` is missing"):
        Run.open(run.folder)
    run.weights_path.touch()
    assert Run.open(run.folder).network().measuring == "grid:16"
    assert not run.classes_path.exists()


def test_blank_lines_in_the_history_are_no_epochs(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_history([{"epoch": 1}, {"epoch": 2}])
    run.metrics_path.write_text("\n" + run.metrics_path.read_text().replace("\n", "\n\n"))
    assert [epoch["epoch"] for epoch in run.history()] == [1, 2]


def test_history_of_a_run_without_one(tmp_path: Path) -> None:
    assert Run(tmp_path).history() == []


def test_weights_go_round(tmp_path: Path) -> None:
    net, other = nn.Linear(3, 2), nn.Linear(3, 2)
    save_tensors(tmp_path / "w.safetensors", net.state_dict(), {"note": "x"})
    load_into(other, tmp_path / "w.safetensors")
    torch.testing.assert_close(other.weight, net.weight)
    assert read_tensors(tmp_path / "w.safetensors")[1] == {"note": "x"}


@pytest.mark.parametrize(
    ("other", "name"), [(nn.Linear(3, 2, bias=False), "bias"), (nn.Linear(4, 2), "weight"), (nn.PReLU(), "bias")]
)
def test_other_networks_weights(tmp_path: Path, other: nn.Module, name: str) -> None:
    save_tensors(tmp_path / "w.safetensors", nn.Linear(3, 2).state_dict())
    with pytest.raises(RunError, match=f"weights of another network: .* the first is `{name}`"):
        load_into(other, tmp_path / "w.safetensors")


def test_damaged_and_missing_weights(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"x" * 30)
    with pytest.raises(RunError, match="is damaged"):
        read_tensors(tmp_path / "w.safetensors")
    with pytest.raises(RunError, match="There is no file"):
        read_tensors(tmp_path / "none.safetensors")


def test_a_failed_writer_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with suppress(ZeroDivisionError), atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_leftovers_of_killed_writers_are_cleared(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), atomic(tmp_path / "deep" / "a.txt") as temporary:
        (tmp_path / temporary.name).write_text("as a killed process leaves it")
        raise KeyboardInterrupt
    (tmp_path / ".hidden").write_text("somebody else's")
    clear_partial_files(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hidden", "deep"]


def test_what_safetensors_leaves_when_it_is_killed_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes to a file beside its target under a name of its own: 172 MB stayed in the run's folder for ever."""
    run, killed = tmp_path / "run", tmp_path / "killed"

    def save_file(tensors: object, path: Path, metadata: object) -> None:
        (path.parent / ".tmpa1B2c3").write_bytes(b"half")
        shutil.copytree(run, killed)  # as the folder is found after a kill at this moment
        path.write_bytes(b"whole")

    monkeypatch.setattr("intarsia.runs.weights.save_file", save_file)
    save_tensors(run / "checkpoint.safetensors", {})
    assert list(killed.rglob(".tmp*"))
    clear_partial_files(killed)
    assert not list(killed.iterdir())
    assert [path.name for path in run.iterdir()] == ["checkpoint.safetensors"]


def test_files_are_as_readable_as_others(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("x")
    write_text(tmp_path / "ours.txt", "x")
    assert (tmp_path / "ours.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


def test_a_record_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"network\.json` cannot be read \(No such file or directory\)"):
        Run(tmp_path).network()


def test_a_record_from_before_pixel_formats_takes_its_channels_from_the_normalisation(
    disc_run: Path, tmp_path: Path
) -> None:
    values = json.loads((disc_run / "network.json").read_text())
    del values["pixels"]
    values |= {"mean": [0.5] * 5, "std": [0.5] * 5}
    (tmp_path / "network.json").write_text(json.dumps(values))
    assert Run(tmp_path).network().pixels.channels == 5


@pytest.mark.parametrize("text", ["{", "[]\n"])
def test_damaged_metrics_are_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(RunError, match=r"metrics\.jsonl` is damaged: mend or delete its last line"):
        Run(tmp_path).history()


def test_classes_of_another_network_are_said(disc_run: Path, tmp_path: Path) -> None:
    copy = Path(copytree(disc_run, tmp_path / "copy"))
    (copy / "classes.json").write_text('[{"name": "a"}, {"name": "b"}, {"name": "c"}]')
    with pytest.raises(RunError, match=r"classes\.json` names 3 classes, but the network has 2"):
        load(copy)
    with pytest.raises(ArgumentError, match=r"`max_pixels` \(=0\) must be at least 1"):
        load(disc_run, max_pixels=0)
