"""What the processes of one training tell each other, gradients apart; alone, a process tells nothing."""

import itertools
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from jaxtyping import Float64
from torch import Tensor, nn

from intarsia.data import generator_for
from intarsia.errors import EndedElsewhere

T = TypeVar("T")

_trainings = itertools.count()  # every process begins as many


def process_count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def process_rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def total(number: Tensor) -> Float64[Tensor, ""]:
    """The sum of a number over all processes, the same bits in each.

    >>> total(torch.tensor(3))
    tensor(3., dtype=torch.float64)
    """
    summed = number.detach().double()
    if process_count() > 1:
        summed = summed.cpu()
        dist.all_reduce(summed, group=_line())
    return summed.to(number.device)


def anywhere(flag: bool) -> bool:
    """Whether it holds in any process."""
    return bool(total(torch.tensor(int(flag))) > 0)


def everywhere(work: Callable[[], T]) -> list[T]:
    """What ``work`` gives in each process, in their order; an error in one is raised in all.

    >>> everywhere(lambda: 5)
    [5]
    """
    if process_count() == 1:
        return [work()]
    try:
        own: tuple[T | None, Exception | None] = work(), None
    except Exception as error:
        own = None, _that_travels(error)
    outcomes: list[Any] = [None] * process_count()
    dist.all_gather_object(outcomes, own, group=_line())
    for _, error in (own, *outcomes):
        if error is not None:
            raise error
    return [given for given, _ in outcomes]


def from_first(work: Callable[[], T]) -> T:
    """What ``work`` gives in the first process, which alone does it; an error there is raised in all."""
    given = everywhere(lambda: work() if process_rank() == 0 else None)[0]
    return cast(T, given)


def first_before_others(work: Callable[[], T]) -> T:
    """What ``work`` gives here; the first process does it before the others, which find what it has kept on disk."""
    found: list[T] = []
    for turn in (process_rank() == 0, process_rank() > 0):
        everywhere(lambda turn=turn: found.append(work()) if turn else None)
    return found[0]


def in_step(items: Iterable[T]) -> Iterator[T]:
    """The items of this process, one whenever all others have theirs; an error in one is raised in all."""
    if process_count() == 1:
        yield from items
        return
    own = iter(items)
    while True:
        item, error = None, None
        try:
            item = next(own, None)
        except Exception as failure:
            error = failure
        if anywhere(error is not None):
            everywhere(lambda error=error: _raise(error))
        if item is None:
            return
        yield item


def share_buffers(net: nn.Module) -> None:
    """Give all processes the first one's buffers: statistics that each takes of its own images drift apart."""
    if process_count() > 1:
        for buffer in net.buffers():
            dist.broadcast(buffer, src=0)


def seed_step(seed: int, step: int) -> None:
    """Let each of several processes draw its own numbers, such as dropout's: a pure function of seed, step and rank."""
    if process_count() > 1:
        torch.manual_seed(int(generator_for(seed, step, process_rank()).integers(2**62)))


@contextmanager
def one_voice() -> Iterator[None]:
    """Of all processes that end by an error, the first raises it; the others, who follow, raise ``EndedElsewhere``."""
    training = next(_trainings)
    try:
        yield
    except BaseException as error:
        if not _is_first(f"intarsia/ended/{training}"):
            raise EndedElsewhere(f"Process {process_rank()} ends with another one, which says why.") from error
        raise


def _is_first(what: str) -> bool:
    """Whether no process has said this before: a counter in the store by which the processes found each other.

    Before they did, all make the same mistake, and the first on each machine speaks.
    """
    if not dist.is_initialized():
        return int(os.environ.get("LOCAL_RANK", "0")) <= 0
    try:
        return dist.distributed_c10d._get_default_store().add(what, 1) == 1  # pyright: ignore[reportPrivateUsage]
    except dist.DistError:  # it went with the process that held it
        return True


@lru_cache(maxsize=1)
def _line() -> dist.ProcessGroup:
    """A connection for what lies in main memory; that of GPUs carries only what lies there."""
    everyone = dist.group.WORLD
    assert everyone is not None
    return everyone if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")  # pyright: ignore[reportReturnType]


def _that_travels(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error
