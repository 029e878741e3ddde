"""Batch norm over several processes is batch norm over all their images in one."""

from typing import Any

import pytest
import torch
import torch.distributed as dist
from timm.layers.norm_act import BatchNormAct2d
from together import together
from torch import Tensor, nn

from intarsia.layers import PooledBatchNorm2d
from intarsia.layers.synchronised_norm import SynchronisedBatchNorm, synchronised

STEPS = 3
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-4}
CASES = {  # images of the first and the second process, and a norm
    "even": ((2, 2), (5, 4), lambda: nn.BatchNorm2d(3)),
    "uneven": ((3, 1), (5, 4), lambda: nn.BatchNorm2d(3)),
    "one position": ((1, 1), (1, 1), lambda: PooledBatchNorm2d(3)),
    "vectors": ((4, 2), (), lambda: nn.BatchNorm1d(3)),
    "cumulative": ((2, 1), (3, 3), lambda: nn.BatchNorm2d(3, momentum=None)),
    "untracked": ((2, 1), (3, 3), lambda: nn.BatchNorm2d(3, track_running_stats=False)),
    "without weights": ((2, 1), (3, 3), lambda: nn.BatchNorm2d(3, affine=False)),
    "frozen": ((2, 1), (3, 3), lambda: nn.BatchNorm2d(3).eval()),
    "with its activation": ((2, 2), (3, 3), lambda: BatchNormAct2d(3)),
}


def trained(name: str, dtype: torch.dtype, rank: int | None) -> dict[str, Tensor]:
    """Outputs, gradients and statistics after some steps, of one process's share or of all images."""
    shares, size, make = CASES[name]
    torch.manual_seed(0)
    norm: nn.Module = make().to(dtype)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    chosen = slice(None) if rank is None else slice(*((0, shares[0]), (shares[0], None))[rank])
    if rank is not None:
        norm = synchronised(norm)
    found: dict[str, Tensor] = {}
    for step in range(STEPS):
        every = torch.Generator().manual_seed(step)
        images, slopes = (torch.randn(sum(shares), 3, *size, generator=every, dtype=dtype) for _ in range(2))
        own = (images[chosen] * 0.1 + 7).requires_grad_()
        output = norm(own)
        output.backward(slopes[chosen])
        assert own.grad is not None
        found |= {f"output {step}": output.detach(), f"slopes {step}": own.grad}
    return (
        found
        | {f"sum {n}": p.grad for n, p in norm.named_parameters() if p.grad is not None}
        | dict(norm.named_buffers())
    )


HALF = (torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(0)) + 3).bfloat16()


def all_cases(rank: int) -> dict[Any, dict[str, Tensor]]:
    dist.init_process_group("gloo")
    half = SynchronisedBatchNorm(3)
    half(HALF[:2] if rank == 0 else HALF[2:])
    exact = {(name, dtype): trained(name, dtype, rank) for name in CASES for dtype in TOLERANCES}
    return {**exact, "half": dict(half.named_buffers())}


@pytest.fixture(scope="module")
def both() -> list[Any]:
    return together(all_cases)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_two_processes_are_one_with_all_images(name: str, dtype: torch.dtype, both: list[Any]) -> None:
    first, second = (outcome[name, dtype] for outcome in both)
    for key, expected in trained(name, dtype, None).items():
        if key.startswith("sum"):
            found = first[key] + second[key]
        elif key.startswith(("output", "slopes")):
            found = torch.cat([first[key], second[key]])
        else:
            assert torch.equal(first[key], second[key]), "processes must not drift apart"
            found = first[key]
        torch.testing.assert_close(found, expected, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


def test_statistics_of_bfloat16_are_as_exact_as_those_of_float32(both: list[Any]) -> None:
    plain = nn.BatchNorm2d(3)
    plain(HALF.float())
    for name, expected in plain.named_buffers():
        torch.testing.assert_close(both[0]["half"][name], expected, rtol=1e-5, atol=1e-6)


def test_one_value_in_all_has_no_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.ones(1, 3, 1, 1)
    with pytest.raises(ValueError, match="more than 1 value per channel") as library:
        nn.BatchNorm2d(3)(images)
    found = 1, torch.ones(3).double(), torch.zeros(3).double()
    monkeypatch.setattr("intarsia.layers.synchronised_norm._statistics", lambda _: found)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    with pytest.raises(ValueError, match="more than 1 value per channel") as ours:
        SynchronisedBatchNorm(3)(images)
    assert str(ours.value) == str(library.value)


def test_alone_it_is_plain_batch_norm() -> None:
    images, plain = torch.randn(4, 3, 5, 5), nn.BatchNorm2d(3)
    ours = SynchronisedBatchNorm(3)
    for _ in range(2):
        torch.testing.assert_close(ours(images), plain(images), rtol=0, atol=0)
    torch.testing.assert_close(ours.eval()(images), plain.eval()(images), rtol=0, atol=0)
    assert ours.state_dict().keys() == plain.state_dict().keys()


def test_parameters_buffers_and_mode_are_taken_over() -> None:
    norms = nn.Sequential(nn.BatchNorm2d(4).eval(), BatchNormAct2d(4))
    net = nn.Sequential(nn.Conv2d(3, 4, 1), norms, nn.GroupNorm(2, 4))
    before = net.state_dict(keep_vars=True)
    assert synchronised(net) is net
    assert isinstance(net[2], nn.GroupNorm)
    frozen, active = norms
    assert isinstance(frozen, SynchronisedBatchNorm)
    assert isinstance(active, SynchronisedBatchNorm)
    assert (frozen.training, active.training) == (False, True)
    assert isinstance(active.act, nn.ReLU)
    after = net.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[name] is tensor for name, tensor in before.items())


@pytest.mark.gpu
def test_on_a_gpu_it_is_the_librarys() -> None:
    """Both between two processes that share one GPU."""
    for library, ours in together(on_a_gpu):
        for name, expected in library.items():
            torch.testing.assert_close(ours[name], expected, rtol=1e-4, atol=1e-4)


def on_a_gpu(rank: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    library, ours = synchronised(nn.Sequential(nn.BatchNorm2d(3)).cuda()), SynchronisedBatchNorm(3).cuda()
    assert isinstance(library.get_submodule("0"), nn.SyncBatchNorm)
    images, slopes = torch.randn(2, 3 - rank, 3, 5, 5, device="cuda").unbind()
    found = []
    for norm in (library, ours):
        own = images.clone().requires_grad_()
        norm(own).backward(slopes)
        assert own.grad is not None
        buffers = {name.removeprefix("0."): buffer for name, buffer in norm.named_buffers()}
        found.append({name: t.cpu() for name, t in (buffers | {"slopes": own.grad}).items()})
    return found[0], found[1]
