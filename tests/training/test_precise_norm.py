"""Batch norm's statistics are those of all values of the batches as one."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from tiny import run_tiny
from torch import Tensor, nn

from intarsia.training import loop
from intarsia.training.precise_norm import measure_statistics


class StillAtTheEnd(nn.Sequential):
    """Convolution, norm, dropout, convolution, and a norm that is frozen."""

    def __init__(self) -> None:
        norms = nn.BatchNorm2d(4), nn.BatchNorm2d(2)
        super().__init__(nn.Conv2d(3, 4, 3), norms[0], nn.Dropout(0.5), nn.Conv2d(4, 2, 1), norms[1])
        self.norms = norms

    def train(self, mode: bool = True) -> "StillAtTheEnd":
        super().train(mode)
        self.norms[1].eval()
        return self


def test_they_are_the_moments_of_all_values() -> None:
    net = StillAtTheEnd()
    torch.manual_seed(0)
    batches = [torch.randn(n, 3, 6, 7) + n for n in (1, 2, 4)]
    random = torch.get_rng_state()
    measure_statistics(net, batches)
    assert torch.equal(torch.get_rng_state(), random), "dropout drew, and training goes on as if it had not"
    values, (norm, still) = net[0](torch.cat(batches)).transpose(0, 1).flatten(1), net.norms
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, values.mean(1))
    torch.testing.assert_close(norm.running_var, values.var(1))
    assert int(norm.num_batches_tracked or 0) == 0
    assert torch.equal(still.state_dict()["running_mean"], torch.zeros(2))


def test_what_is_validated_was_measured_on_the_last_batches(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []

    def measure(net: nn.Module, batches: Iterable[Tensor], add_up: object) -> None:
        counts.append([len(batch) for batch in batches])

    monkeypatch.setattr(loop, "measure_statistics", measure)
    run_tiny(discs, tmp_path / "run", precise_batch_norm=4)
    assert counts == [[2, 2, 2], [2, 2, 2, 2]], "no more than there were in the first epoch"
