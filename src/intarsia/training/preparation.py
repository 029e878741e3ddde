"""All that stands before the first step: the same for a training and for its dry run."""

import copy
import math
from dataclasses import dataclass, replace

from accelerate import Accelerator
from accelerate.utils import set_seed

from intarsia.data import Classes, Dataset
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.layers.synchronised_norm import synchronised
from intarsia.losses import Objective
from intarsia.models import SegmentationNetwork
from intarsia.runs import Balance, Conduct, NetworkRecord, Recipe, Run
from intarsia.runs.balance import read_balances
from intarsia.training.admission import Data, open_for_training
from intarsia.training.allocator import keep_freed_memory
from intarsia.training.averaging import begin_average, begun_anew
from intarsia.training.balancing import find_balance
from intarsia.training.belonging import check_halving, check_settings
from intarsia.training.building import (
    Task,
    create_accelerator,
    create_objective,
    create_task,
    describe,
    step_batches,
)
from intarsia.training.convolution_gradients import multiply_gradients
from intarsia.training.gradient import Gradient
from intarsia.training.identity import agreed_fingerprint
from intarsia.training.loop import Loop
from intarsia.training.networks import (
    Network,
    body_of,
    check_stage,
    fewest_images,
    network_record,
    preprocessing_of,
    start_from,
)
from intarsia.training.optimiser import create_optimiser
from intarsia.training.precision import choose_execution
from intarsia.training.processes import first_before_others, from_first
from intarsia.training.progress import Reporter, Silent
from intarsia.training.recomputing import recompute
from intarsia.training.selection import check_best_by
from intarsia.training.stages import (
    carry_over,
    check_each,
    check_later,
    course_of,
    first_network,
    freeze_for_stage,
    go_on_from,
    learns_from_judges,
    network_of_stage,
    no_effect,
    said_of,
    same_batch,
    same_objective,
)
from intarsia.training.state import TrainingState, saved_stage
from intarsia.training.tasks import check_trainable


@dataclass(frozen=True)
class Preparation:
    """What one stage trains, on what, and where; ``reporter`` is silent in all processes but the first.

    ``whole`` is the recipe of all stages, ``number`` counts them from 0; ``balances`` are those of the stages so far.
    ``record`` describes the network of a run that is resumed; that of a new one has to be measured first.
    """

    whole: Recipe
    number: int
    conduct: Conduct
    dataset: Data
    net: Network
    record: NetworkRecord | None
    balances: tuple[Balance, ...]
    objective: Objective
    accelerator: Accelerator
    reporter: Reporter

    @property
    def recipe(self) -> Recipe:
        """That of the stage."""
        return self.whole.at_stage(self.number)

    @property
    def balance(self) -> Balance:
        """What the stage does for rare and hard classes."""
        return self.balances[self.number]

    def measured_record(self) -> NetworkRecord:
        """The record of a new run; measures how to execute where the recipe leaves it open."""
        trial = copy.deepcopy(self.objective)  # as of the network: gradients are left behind
        task = create_task(self.recipe, self.dataset, preprocessing_of(self.net), trial, self.balance)
        execution = choose_execution(self.recipe, task, self.net, str(self.accelerator.device), self.reporter)
        return network_record(self.recipe, self.net, self.dataset, execution)

    @property
    def classes(self) -> Classes | None:
        """Those of the data; depths have none."""
        return self.dataset.classes if isinstance(self.dataset, Dataset) else None

    def first_state(self, record: NetworkRecord) -> TrainingState:
        """The state before the first step, placed as the record says."""
        execution = Execution(str(self.accelerator.device), record.precision, record.memory_format)
        execution.place(self.net)
        if not self.recipe.compile:  # which has its own way with each operation
            multiply_gradients(self.net, execution)
        if self.accelerator.num_processes > 1 and self.recipe.norm_statistics == "synchronised":
            synchronised(self.net)
        if self.recipe.checkpointing:
            recompute(body_of(self.net))
        optimiser = create_optimiser(self.recipe, self.net, list(self.objective.parameters()))
        average = {} if self.recipe.ema is None else begin_average(self.net)
        data = agreed_fingerprint(self.dataset, {stage.split for stage in self.whole.all_stages})
        return TrainingState(
            self.net,
            optimiser,
            data,
            processes=self.accelerator.num_processes,
            parts=self.recipe.accumulate,
            objective=self.objective,
            stage=self.number,
            average=average,
        )

    def next_stage(
        self, record: NetworkRecord, state: TrainingState
    ) -> tuple["Preparation", NetworkRecord, TrainingState]:
        """What stands before the first step of the next stage: all weights that fit by name go on.

        Classes are hard as the last evaluation that the state knows found them: the run may hold one that was lost.
        """
        number, batches = self.number + 1, step_batches(self.recipe, self.dataset, self.accelerator)
        recipe = self.whole.at_stage(number)
        set_seed((recipe.seed + number) % 2**32)  # what begins anew does so alike when a run is resumed here
        net, record = network_of_stage(record, recipe)
        said = f"Stage {number + 1} of {self.whole.stage_count}; the best score is counted anew"
        self.reporter.say(f"{said}: {go_on_from(net, self.net)}")
        freeze_for_stage(recipe, net)
        balance = from_first(lambda: find_balance(recipe, self.dataset, state.history))
        for told in (balance.text(), learns_from_judges(recipe, self.dataset)):
            if told:
                self.reporter.say(told)
        goes_on = same_objective((recipe, balance), (self.recipe, self.balance))
        objective = self.objective if goes_on else create_objective(recipe, self.dataset, balance)
        objective, balances = objective.to(self.accelerator.device), (*self.balances, balance)
        following = replace(self, number=number, net=net, record=record, objective=objective, balances=balances)
        begun = following.first_state(record)
        if self.whole.stages[number].optimiser == "continue":
            carry_over(begun.optimiser, net, state.optimiser, self.net)
        self.accelerator.free_memory()  # it holds the network of this stage
        return (
            following,
            record,
            replace(
                state,
                net=net,
                optimiser=begun.optimiser,
                parts=state.parts if same_batch(recipe, self.recipe) else begun.parts,
                objective=objective,
                average=begin_average(net, state.average) if begun.average else {},
                average_begun=state.average_begun | begun_anew(begun.average, state.average, state.step),
                stage=number,
                stage_step=state.step,
                stage_epoch=state.stage_epoch + batches.epochs_after(state.step_in_stage),
                best_score=-math.inf,
                waited=0,
            ),
        )

    def task(self, record: NetworkRecord) -> Task:
        """What is learned."""
        preprocessing = Preprocessing(record.mean, record.std)
        return create_task(self.recipe, self.dataset, preprocessing, self.objective, self.balance)

    def loop(self, run: Run, record: NetworkRecord, state: TrainingState, reporter: Reporter) -> Loop:
        """The loop of the stage, from where a state stands."""
        execution = Execution(str(self.accelerator.device), record.precision, record.memory_format)
        task = self.task(record)
        fewest = fewest_images(self.recipe, self.net) if self.conduct.on_oom == "halve" else None
        return Loop(
            self.recipe,
            run,
            record,
            course_of(self.whole, self.dataset, self.accelerator, self.number),
            task,
            Gradient(task, execution, self.accelerator, fewest),
            execution,
            self.accelerator,
            step_batches(self.recipe, self.dataset, self.accelerator, state.step_in_stage, state.stage_epoch),
            reporter,
            self.conduct.checkpoint_minutes,
        )


def prepare(
    recipe: Recipe, conduct: Conduct, reporter: Reporter, resumed: tuple[Run, NetworkRecord] | None = None
) -> Preparation:
    """Open the data, build the network and check that they can be trained; a resumed run brings classes and record."""
    stages = recipe.all_stages
    check_each(stages, check_settings)
    keep_freed_memory()
    accelerator = create_accelerator()
    processes = accelerator.num_processes
    if conduct.on_oom == "halve":
        check_each(stages, lambda stage: check_halving(stage, processes))
    set_seed(recipe.seed)
    reporter = reporter if accelerator.is_main_process else Silent()
    dataset = first_before_others(lambda: open_for_training(recipe, conduct.check, reporter, resumed))
    check_each(stages, lambda stage: check_trainable(dataset, processes, stage.accumulate, stage.split))
    check_best_by(recipe, dataset)
    reporter.say(describe(dataset))
    number = saved_stage(resumed[0].checkpoint_path) if resumed else 0
    with said_of(stages, number):
        net, record = first_network(recipe, number, dataset, resumed[1] if resumed else None)
    if recipe.weights is not None and isinstance(net, SegmentationNetwork) and not resumed:  # that brings its own
        reporter.say(start_from(recipe.weights, net, frozen=recipe.train == "refiner"))
    with said_of(stages, number):
        freeze_for_stage(stages[number], net)
        check_stage(stages[number], dataset, net, processes)
    check_each(stages, lambda stage: check_later(stage, dataset, processes), first=number + 1)
    if resumed:
        balances = read_balances(resumed[0].balance_path, number + 1)
    else:
        with said_of(stages, 0):
            balances = (from_first(lambda: find_balance(stages[0], dataset)),)
    for said in (balances[number].text(), no_effect(recipe), learns_from_judges(stages[number], dataset)):
        if said:
            reporter.say(said)
    objective = create_objective(stages[number], dataset, balances[number]).to(accelerator.device)
    return Preparation(recipe, number, conduct, dataset, net, record, balances, objective, accelerator, reporter)
