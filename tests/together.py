"""Several processes that train together, as torchrun starts them, but quickly: children of one fork server."""

import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["intarsia.training.train"])  # imported once for all children
TIMEOUT = 120  # seconds, after which a process that waits for another is a failure


class Killed(Exception):
    """A process ended without a word."""


def together(work: Callable[..., Any], *arguments: Any, processes: int = 2) -> list[Any]:
    """``work(rank, *arguments)`` in each of the processes: what each gave back, or the exception that it raised.

    ``work`` is a function of a module that children can import, and what it gives can be pickled.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(processes):
        receiver, sender = _CONTEXT.Pipe(duplex=False)
        child = _CONTEXT.Process(target=_run, args=(sender, rank, processes, port, work, arguments), daemon=True)
        child.start()
        sender.close()
        children.append((child, receiver))
    try:
        return [_outcome(child, receiver) for child, receiver in children]
    finally:
        for child, _ in children:
            child.kill()


def _outcome(child: Any, receiver: Connection) -> Any:
    if not wait([receiver], TIMEOUT):
        return TimeoutError("a process waits for ever")
    try:
        return pickle.loads(receiver.recv_bytes())
    except EOFError:
        child.join()
        return Killed(f"exit code {child.exitcode}")


def _run(
    sender: Connection, rank: int, processes: int, port: int, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes), LOCAL_WORLD_SIZE=str(processes),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1",
    )  # fmt: skip
    import torch

    torch.set_num_threads(1)
    try:
        outcome = work(rank, *arguments)
    except BaseException as error:
        traceback.print_exc()
        outcome = error
    sender.send_bytes(pickle.dumps(outcome))  # by value: tensors that are shared would end with this process
    sender.close()
