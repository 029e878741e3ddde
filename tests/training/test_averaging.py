"""Running means of weights: their formula, and that they are what is validated and kept."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import run_tiny
from torch import nn

from intarsia.runs.weights import read_metadata
from intarsia.training import loop
from intarsia.training.averaging import begin_average, begun_anew, follow, in_place
from intarsia.training.state import TrainingState
from intarsia.training.waiting import Watch


def test_it_is_the_exponential_mean_with_a_quick_beginning() -> None:
    net, decay = nn.Linear(1, 1, bias=False), 0.5
    values = [1.0, 5.0, -3.0, 2.0, 8.0, 0.5, 4.0, 3.0, 9.0, 7.0, 2.0]
    expected, kept = values[0], 0.0
    nn.init.constant_(net.weight, values[0])
    average = begin_average(net)
    for step, value in enumerate(values[1:], start=1):
        nn.init.constant_(net.weight, value)
        follow(average, net, step, decay)
        kept = min(decay, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
        assert float(average["weight"]) == pytest.approx(expected)
    assert kept == decay, "the last of the steps have the recipe's decay"


def test_a_mean_that_goes_on_keeps_what_it_learned_and_a_new_one_begins_quickly() -> None:
    old, net = nn.Sequential(nn.Linear(1, 1)), nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    for parameter in (*old.parameters(), *net.parameters()):
        nn.init.zeros_(parameter)
    before = {name: mean + 100 for name, mean in begin_average(old).items()}
    average, begun = begin_average(net, before), begun_anew(begin_average(net), before, step=500)
    assert begun == {"1.weight": 500, "1.bias": 500}
    nn.init.ones_(net.get_parameter("1.weight"))
    follow(average, net, 501, 0.999, begun)
    assert float(average["0.weight"]) == pytest.approx(100 * 502 / 511)
    assert float(average["1.weight"]) == pytest.approx(1 - 2 / 11)


def test_a_stage_that_begins_forgets_no_mean(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, dict[str, int]]] = []
    monkeypatch.setattr(loop, "follow", lambda _average, _net, step, _decay, begun: seen.append((step, begun)))
    stages = [{"model": "fcn32s", "steps": 2}, {"model": "fcn16s", "steps": 1}]
    run = run_tiny(discs, tmp_path / "run", stages=stages, options={}, ema=0.9)
    assert [step for step, _ in seen] == [1, 2, 3]
    assert [bool(begun) for _, begun in seen] == [False, False, True]
    assert all(not name.startswith("backbone.") for name in seen[-1][1])
    assert set(seen[-1][1].values()) == {2}
    state = json.loads(read_metadata(run.checkpoint_path)["state"])
    assert state["average_begun"] == seen[-1][1], "a resumed run knows it, too"


def test_numbers_change_places_and_return_bit_by_bit() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    own = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    average = begin_average(net)
    mean = {name: tensor.copy_(torch.randn_like(tensor)).clone() for name, tensor in average.items()}
    with in_place(average, net):
        assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in mean.items())
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in own.items())
    assert all(torch.equal(average[name], tensor) for name, tensor in mean.items())


def test_a_finer_network_begins_with_what_fits() -> None:
    before = begin_average(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3)))
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 4))
    average = begin_average(net, before)
    assert torch.equal(average["0.weight"], before["0.weight"])
    assert torch.equal(average["1.weight"], net.state_dict()["1.weight"])


def test_the_average_is_validated_and_kept(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = [], loop.Loop._validate

    def validate(self: loop.Loop, state: TrainingState, watch: Watch) -> None:
        seen.append({name: tensor.clone() for name, tensor in state.net.state_dict().items()})
        real(self, state, watch)

    monkeypatch.setattr(loop.Loop, "_validate", validate)
    run = run_tiny(discs, tmp_path / "run", epochs=1, ema=0.5)
    saved, last, state = (load_file(path) for path in (run.weights_path, run.last_weights_path, run.checkpoint_path))
    assert saved.keys() == last.keys()
    for name, tensor in saved.items():
        assert torch.equal(tensor, seen[0][name])
        assert torch.equal(tensor, last[name])
        assert torch.equal(tensor, state.get(f"average.{name}", tensor))
    name = "head.weight"
    assert not torch.equal(saved[name], state[f"net.{name}"]), "training goes on from the weights themselves"
