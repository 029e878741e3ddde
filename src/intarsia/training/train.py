"""From a recipe to a run."""

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, Literal

from intarsia.errors import ArgumentError
from intarsia.runs import Conduct, NetworkRecord, Recipe, Run, make_conduct, make_recipe
from intarsia.runs.balance import write_balances
from intarsia.training.building import describe_training
from intarsia.training.folder import admit, folder_for, held
from intarsia.training.mishaps import told
from intarsia.training.preparation import Preparation, prepare
from intarsia.training.processes import one_voice
from intarsia.training.progress import Live, Reporter, Silent, Together
from intarsia.training.selection import told_best
from intarsia.training.tensorboard import TensorBoard, require_tensorboard


def train(
    recipe: Recipe | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    check: bool = True,
    tensorboard: bool = False,
    on_oom: Literal["stop", "halve"] = "stop",
    checkpoint_minutes: float = 10,
    **values: Any,
) -> Run:
    """Train a network on a folder of pictures and masks, or depths, and leave everything in the run folder ``out``.

    Give a :class:`Recipe`, or its fields as keywords: ``train(data="photos/", epochs=5)``. The run folder is by default
    runs/ and the name of the data. What is learned is told by the data: ``train(data="sample:motorcycle")`` trains a
    network that completes depths. With
    ``resume=True`` an interrupted run goes on from its last checkpoint, or from its start if it had none yet, under its
    own recipe; a checkpoint is written after each epoch, and within an epoch every ``checkpoint_minutes``.
    ``check`` looks at all images and masks first (:func:`intarsia.data.checking.check`). ``tensorboard=True`` writes
    events to ``out/tensorboard``. Where a step finds too little memory, ``on_oom="halve"`` repeats it with half the
    images at a time and adds up the gradients: the loss stays the mean over the batch, but batch norm sees half of it.
    The random states of Python, NumPy and torch are seeded by the recipe.
    In a script, loading processes (``workers``, the default on a GPU) need the usual ``if __name__ == "__main__":``
    around the call.

    Raises ``IntarsiaError``s with one sentence: data that cannot be used, names that do not exist, a folder that
    already holds a run, a loss that is not a number, too little memory, a full disk, a loading process that died;
    ``Interrupted`` after Ctrl-C, with everything saved. What was saved last is kept in each case.
    """
    if recipe is not None and values:
        raise ArgumentError("Give `train` either a recipe or its fields as keywords, not both.")
    recipe = make_recipe(**values) if recipe is None else recipe
    conduct = make_conduct(check=check, tensorboard=tensorboard, on_oom=on_oom, checkpoint_minutes=checkpoint_minutes)
    if conduct.tensorboard:
        require_tensorboard()
    run = Run(folder_for(recipe, out))
    with nullcontext(Silent()) if quiet else Live() as reporter, one_voice(), told(run):
        return _train(recipe, conduct, run, resume, reporter)


def _train(recipe: Recipe, conduct: Conduct, run: Run, resume: bool, reporter: Reporter) -> Run:
    recipe = admit(recipe, run, resume)
    begun = resume and run.checkpoint_path.exists()
    preparation = prepare(recipe, conduct, reporter, (run, run.network()) if begun else None)
    record, is_first = preparation.record, preparation.accelerator.is_main_process
    with held(run) if is_first else nullcontext():
        if is_first:
            admit(recipe, run, resume)  # another training may have ended here meanwhile
        if record is None:
            record = preparation.measured_record()
            if is_first:
                run.begin(recipe, preparation.classes)
                run.write_network(record)
                write_balances(run.balance_path, preparation.balances)
        preparation.reporter.say(describe_training(record, preparation.net))
        _fit(preparation, run, record)
    return run


def _fit(preparation: Preparation, run: Run, record: NetworkRecord) -> None:
    state, reporter, recipe = preparation.first_state(record), preparation.reporter, preparation.whole
    if run.checkpoint_path.exists():
        state.restore(run.checkpoint_path)
    with ExitStack() as stack:
        if preparation.conduct.tensorboard and preparation.accelerator.is_main_process:
            reporter = Together((reporter, stack.enter_context(TensorBoard(run.tensorboard_path, state.step))))
        preparation.loop(run, record, state, reporter).fit(state)
        while state.stage + 1 < recipe.stage_count:
            preparation, record, state = preparation.next_stage(record, state)
            if preparation.accelerator.is_main_process:
                write_balances(run.balance_path, preparation.balances)
            preparation.loop(run, record, state, reporter).fit(state)
    best = told_best(recipe, preparation.task(record), state.best_score)
    reporter.say(f"Best {best}; the run is in `{run.folder}`.")
