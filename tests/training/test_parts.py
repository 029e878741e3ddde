"""The parts of training: order, schedule, state, precision."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from intarsia.errors import RunError
from intarsia.inference import Execution
from intarsia.runs.weights import read_tensors, save_tensors
from intarsia.training.allocator import keep_freed_memory, release_freed_memory
from intarsia.training.precision import executions, fastest
from intarsia.training.samplers import StepBatches
from intarsia.training.schedule import polynomial
from intarsia.training.state import TrainingState


def test_each_epoch_is_its_own_permutation() -> None:
    batches = list(StepBatches(images=10, batch_size=5, epochs=2, seed=3))
    first, second = ([i for batch in batches[k : k + 2] for _, i in batch] for k in (0, 2))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


@pytest.mark.parametrize("start", [1, 3, 7])
def test_a_resumed_order_is_the_rest_of_the_order(start: int) -> None:
    whole = list(StepBatches(images=9, batch_size=2, epochs=3, seed=0))
    assert list(StepBatches(images=9, batch_size=2, epochs=3, seed=0, start=start)) == whole[start:]


def test_processes_share_each_global_batch() -> None:
    alone = list(StepBatches(images=13, batch_size=6, epochs=2, seed=0))
    parts = [list(StepBatches(images=13, batch_size=3, epochs=2, seed=0, rank=r, processes=2)) for r in (0, 1)]
    for whole, left, right in zip(alone, *parts, strict=True):
        assert Counter(whole) == Counter(left + right)


def test_fewer_images_than_a_batch_still_make_a_step() -> None:
    assert [len(batch) for batch in StepBatches(images=3, batch_size=8, epochs=2, seed=0)] == [3, 3]


def test_the_rate_falls_to_nothing() -> None:
    rates = [polynomial(step, 100, 0.1) for step in range(100)]
    assert rates[0] == 0.1
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.002


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_a_restored_state_goes_on_as_if_nothing_happened(tmp_path: Path, kind: type[torch.optim.Optimizer]) -> None:
    def make() -> TrainingState:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        arguments = {"momentum": 0.9} if kind is torch.optim.SGD else {}
        return TrainingState(net, kind(net.parameters(), lr=0.1, **arguments))

    def steps(state: TrainingState, count: int) -> None:
        for _ in range(count):
            state.net(torch.randn(8, 4)).square().mean().backward()
            state.optimiser.step()
            state.optimiser.zero_grad()
            state.step += 1

    state = make()
    steps(state, 3)
    state.history.append({"epoch": 1})
    state.save(tmp_path / "c.safetensors")
    steps(state, 3)
    other = make()
    other.restore(tmp_path / "c.safetensors")
    assert (other.step, other.history) == (3, [{"epoch": 1}])
    steps(other, 3)
    for ours, theirs in zip(other.net.parameters(), state.net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_checkpoints_from_before_there_were_other_scores(tmp_path: Path) -> None:
    net = torch.nn.Linear(2, 2)
    state = TrainingState(net, torch.optim.SGD(net.parameters(), lr=1), best_score=0.5)
    state.save(tmp_path / "c.safetensors")
    tensors, metadata = read_tensors(tmp_path / "c.safetensors")
    save_tensors(tmp_path / "old", tensors, {"state": metadata["state"].replace("best_score", "best_mean_iou")})
    other = TrainingState(net, torch.optim.SGD(net.parameters(), lr=1))
    other.restore(tmp_path / "old")
    assert other.best_score == 0.5


def test_another_file_is_no_checkpoint(tmp_path: Path) -> None:
    save_tensors(tmp_path / "w.safetensors", {"a": torch.zeros(1)})
    net = nn.Linear(1, 1)
    with pytest.raises(RunError, match="is not a checkpoint"):
        TrainingState(net, torch.optim.SGD(net.parameters(), lr=1)).restore(tmp_path / "w.safetensors")


def test_auto_admits_all_and_a_choice_one() -> None:
    assert len(executions("cpu", "auto", "auto")) == 4
    assert executions("cpu", "bfloat16", "channels_last") == [Execution("cpu", "bfloat16", "channels_last")]


def test_the_fastest_execution_is_chosen_and_nothing_changes() -> None:
    net, images = nn.Conv2d(3, 4, 3), torch.randn(1, 3, 16, 16)
    before, random_state = net.weight.clone(), torch.get_rng_state()

    def loss(trial: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_autocast_enabled("cpu"):
            for _ in range(30):  # float32 does needless work
                trial(x.repeat(8, 1, 8, 8))
        return trial(x).square().mean()

    assert fastest(executions("cpu", "auto", "auto"), net, images, loss).precision == "bfloat16"
    torch.testing.assert_close(net.weight, before, rtol=0, atol=0)
    assert net.weight.grad is None
    torch.testing.assert_close(torch.get_rng_state(), random_state, rtol=0, atol=0)


def test_the_allocator_keeps_memory_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert not keep_freed_memory()
    release_freed_memory()
