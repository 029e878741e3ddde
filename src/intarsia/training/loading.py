"""Augmented samples as batches of tensors."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import connection, forkserver

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from intarsia.data import Augmentation, Sample, generator_for, plan_view
from intarsia.data.augmentation.focus import draw_focus
from intarsia.errors import IntarsiaError
from intarsia.training.mishaps import LoaderDied
from intarsia.training.places import Places
from intarsia.training.samplers import Draw, StepBatches

Batch = tuple[UInt8[Tensor, "B H W C"], Tensor]  # masks (B, H, W), or what else a task learns from
Item = tuple[Tensor, Tensor] | IntarsiaError

STREAM = 2  # the last of the numbers that seed the choice of a pixel, apart from those of views and places


class AugmentedSamples(Dataset[Item]):
    """(epoch, place) → image (H, W, C) and mask (H, W), a pure function of the seed.

    ``places`` says which image stands in a place, by default that of the same number; ``class_crops`` is the share of
    views around a pixel of a class drawn evenly. For these the mask is read whole, the image as ever in a window.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        augmentation: Augmentation,
        seed: int,
        places: Places | None = None,
        class_crops: float = 0.0,
    ) -> None:
        self.samples = samples
        self.augmentation = augmentation
        self.seed = seed
        self.places = places
        self.class_crops = class_crops

    def strengths(self, sample: Sample) -> Augmentation:
        """Of the augmentation of one sample."""
        del sample  # all alike
        return self.augmentation

    def __getitem__(self, draw: Draw) -> Item:
        epoch, place = draw
        sample = self.samples[place if self.places is None else self.places.image(epoch, place)]
        try:
            focus = self._focus(sample, generator_for(self.seed, epoch, place, STREAM))
            view = plan_view(sample.shape(), self.strengths(sample), generator_for(self.seed, epoch, place), focus)
            image, mask = view.apply(sample.image(view.window), sample.mask(view.window))
        except IntarsiaError as error:  # a worker's exception would arrive as a traceback
            return error
        return torch.from_numpy(image), torch.from_numpy(mask)

    def _focus(self, sample: Sample, generator: np.random.Generator) -> tuple[int, int] | None:
        """The pixel that a view shall show, if any."""
        if generator.random() >= self.class_crops:
            return None
        return draw_focus(sample.mask(), generator)


def collate(items: list[Item]) -> Batch | IntarsiaError:
    """Stack, or hand on the first complaint."""
    good: list[tuple[Tensor, Tensor]] = []
    for item in items:
        if isinstance(item, IntarsiaError):
            return item
        good.append(item)
    images, masks = zip(*good, strict=True)
    targets = torch.stack(masks)
    return torch.stack(images), targets if targets.is_floating_point() else targets.long()


def batch_loader(dataset: Dataset[Item], batches: StepBatches, workers: int) -> "DataLoader[Batch | IntarsiaError]":
    """One loader for the whole training. Workers start fresh: a forked child of a process with threads may hang."""
    if workers:
        _start_forkserver()
    return DataLoader(
        dataset,  # pyright: ignore[reportArgumentType]
        batch_sampler=batches,  # pyright: ignore[reportArgumentType]
        collate_fn=collate,
        num_workers=workers,
        generator=torch.Generator(),  # otherwise each start of the loader draws from the random state of dropout
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="forkserver" if workers else None,
        worker_init_fn=_end_with_the_training,
    )


def delivered(loader: "DataLoader[Batch | IntarsiaError]") -> Iterator[Batch]:
    """The batches of a loader. Raises the first complaint, and ``LoaderDied`` where a loading process has died."""
    batches = iter(loader)
    workers = multiprocessing.active_children() if loader.num_workers else []
    try:
        for batch in batches:
            if isinstance(batch, IntarsiaError):
                raise batch
            yield batch
    except (RuntimeError, OSError, EOFError) as error:  # torch's own word, or a connection that broke before it
        dead = connection.wait([worker.sentinel for worker in workers], timeout=1) if workers else []
        endings = {_ending(worker.exitcode) for worker in workers if worker.sentinel in dead}
        if not endings:
            raise
        raise LoaderDied(f"A loading process died ({', '.join(sorted(endings))})") from error


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"


def _end_with_the_training(_: int) -> None:
    """End this loading process when the training ends, even by SIGKILL.

    torch's own watch looks at the parent of the process, which is the fork server, and that waits for its children.
    """
    training = multiprocessing.parent_process()

    def wait_and_end() -> None:
        if training is not None:
            training.join()
            os._exit(1)

    threading.Thread(target=wait_and_end, daemon=True).start()


def _start_forkserver() -> None:
    """Start the parent of all workers deaf to Ctrl-C, which a terminal sends to every process: the loop alone answers.

    A worker that dies of it would take the steps since the last checkpoint with it. The parent imports once what each
    worker needs: two of them start in a third of the time.
    """
    forkserver.set_forkserver_preload(["__main__", __name__])
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
