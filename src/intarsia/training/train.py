"""From a recipe to a run."""

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, Literal

from accelerate import Accelerator
from accelerate.utils import set_seed

from intarsia.data import Dataset, open_dataset
from intarsia.errors import ArgumentError
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.inference.segmenter import build_network
from intarsia.models import SegmentationNetwork
from intarsia.runs import Conduct, NetworkRecord, Recipe, Run, make_conduct, make_recipe
from intarsia.training.allocator import keep_freed_memory
from intarsia.training.building import (
    check_batch,
    create_accelerator,
    create_network,
    create_optimiser,
    describe,
    describe_training,
    fewest_images,
    fingerprint,
    network_record,
    step_batches,
    worker_count,
)
from intarsia.training.folder import admit, held
from intarsia.training.gradient import Gradient
from intarsia.training.loading import batch_loader
from intarsia.training.loop import Loop
from intarsia.training.mishaps import told
from intarsia.training.precision import choose_execution
from intarsia.training.progress import Live, Reporter, Silent, Together
from intarsia.training.state import TrainingState
from intarsia.training.tasks import SegmentationTask, check_trainable
from intarsia.training.tensorboard import TensorBoard, require_tensorboard


def train(
    recipe: Recipe | None = None,
    *,
    out: str | Path,
    resume: bool = False,
    quiet: bool = False,
    tensorboard: bool = False,
    on_oom: Literal["stop", "halve"] = "stop",
    checkpoint_minutes: float = 10,
    **values: Any,
) -> Run:
    """Train a network on a folder of pictures and masks and leave everything in the run folder ``out``.

    Give a :class:`Recipe`, or its fields as keywords: ``train(data="photos/", out="runs/photos", epochs=5)``. With
    ``resume=True`` an interrupted run goes on from its last checkpoint, or from its start if it had none yet, under its
    own recipe; a checkpoint is written after each epoch, and within an epoch every ``checkpoint_minutes``.
    ``tensorboard=True`` also writes events to ``out/tensorboard``. Where a step finds too little memory,
    ``on_oom="halve"`` repeats it with half the images at a time and adds up the gradients: the loss stays the mean over
    the batch, but batch norm sees half of it. The random states of Python, NumPy and torch are seeded by the recipe.
    In a script, loading processes (``workers``, the default on a GPU) need the usual ``if __name__ == "__main__":``
    around the call.

    Raises ``IntarsiaError``s with one sentence: data that cannot be used, names that do not exist, a folder that
    already holds a run, a loss that is not a number, too little memory, a full disk, a loading process that died;
    ``Interrupted`` after Ctrl-C, with everything saved. What was saved last is kept in each case.
    """
    if recipe is not None and values:
        raise ArgumentError("Give `train` either a recipe or its fields as keywords, not both.")
    recipe = make_recipe(**values) if recipe is None else recipe
    conduct = make_conduct(tensorboard=tensorboard, on_oom=on_oom, checkpoint_minutes=checkpoint_minutes)
    if conduct.tensorboard:
        require_tensorboard()
    run = Run(Path(out).expanduser())
    with nullcontext(Silent()) if quiet else Live() as reporter, told(run):
        return _train(recipe, conduct, run, resume, reporter)


def _train(recipe: Recipe, conduct: Conduct, run: Run, resume: bool, reporter: Reporter) -> Run:
    recipe = admit(recipe, run, resume)
    keep_freed_memory()
    accelerator = create_accelerator()
    if conduct.on_oom == "halve" and accelerator.num_processes > 1:
        raise ArgumentError(
            f"`on_oom` (='halve') works in one process, not in {accelerator.num_processes}, which would have to agree "
            "in the middle of a step; take 'stop' and a smaller batch_size."
        )
    reporter = reporter if accelerator.is_main_process else Silent()
    set_seed(recipe.seed)
    record = run.network() if resume and run.checkpoint_path.exists() else None
    dataset = open_dataset(recipe.data, classes=run.classes() if record else None)
    check_trainable(dataset, accelerator.num_processes)
    reporter.say(describe(dataset))
    net = build_network(record) if record else create_network(recipe, dataset)
    check_batch(recipe, dataset, net)

    with held(run) if accelerator.is_main_process else nullcontext():
        admit(recipe, run, resume)  # another training may have ended here meanwhile
        if record is None:
            record = _begin(recipe, run, dataset, net, accelerator, reporter)
        reporter.say(describe_training(record, net))
        _fit(recipe, conduct, run, record, dataset, net, accelerator, reporter)
    return run


def _begin(
    recipe: Recipe, run: Run, dataset: Dataset, net: SegmentationNetwork, accelerator: Accelerator, reporter: Reporter
) -> NetworkRecord:
    """Choose how to execute, and write all that is known before training."""
    preprocessing = Preprocessing(net.backbone.spec.mean, net.backbone.spec.std)
    task = SegmentationTask(recipe, dataset, preprocessing)
    execution = choose_execution(recipe, task, net, str(accelerator.device), reporter)
    record = network_record(recipe, net, dataset.classes.count, execution)
    if accelerator.is_main_process:
        run.begin(recipe, dataset.classes)
        run.write_network(record)
    return record


def _fit(
    recipe: Recipe,
    conduct: Conduct,
    run: Run,
    record: NetworkRecord,
    dataset: Dataset,
    net: SegmentationNetwork,
    accelerator: Accelerator,
    reporter: Reporter,
) -> None:
    execution = Execution(str(accelerator.device), record.precision, record.memory_format)
    task = SegmentationTask(recipe, dataset, Preprocessing(record.mean, record.std))
    execution.place(net)
    state = TrainingState(net, create_optimiser(recipe, net), fingerprint(dataset))
    if run.checkpoint_path.exists():
        state.restore(run.checkpoint_path)
    batches = step_batches(recipe, dataset, accelerator, state.step)
    prepared, _ = accelerator.prepare(net, state.optimiser)
    loader = batch_loader(task.training_samples(), batches, worker_count(recipe))
    gradient = Gradient(task, execution, accelerator, fewest_images(recipe, net) if conduct.on_oom == "halve" else None)
    with ExitStack() as stack:
        if conduct.tensorboard and accelerator.is_main_process:
            board = stack.enter_context(TensorBoard(run.tensorboard_path, state.step))
            reporter = Together((reporter, board))
        loop = Loop(recipe, run, task, gradient, execution, accelerator, batches, reporter, conduct.checkpoint_minutes)
        loop.fit(state, prepared, loader)
    reporter.say(f"Best mean IoU {state.best_mean_iou:.4f}; the run is in `{run.folder}`.")
