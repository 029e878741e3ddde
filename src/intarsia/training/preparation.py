"""All that stands before the first step: the same for a training and for its dry run."""

import copy
from dataclasses import dataclass

from accelerate import Accelerator
from accelerate.utils import set_seed

from intarsia.data import Dataset
from intarsia.errors import ArgumentError
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.losses import Objective
from intarsia.models import SegmentationNetwork
from intarsia.runs import Conduct, NetworkRecord, Recipe, Run
from intarsia.runs.loss_names import WHOLE_BATCH, loss_terms
from intarsia.training.admission import open_for_training
from intarsia.training.allocator import keep_freed_memory
from intarsia.training.building import (
    Task,
    create_accelerator,
    create_objective,
    create_task,
    describe,
    fingerprint,
    step_batches,
)
from intarsia.training.gradient import Gradient
from intarsia.training.loop import Loop
from intarsia.training.networks import (
    Network,
    check_batch,
    check_crop,
    create_network,
    fewest_images,
    freeze,
    network_record,
    rebuild_network,
    spec_of,
    start_from,
)
from intarsia.training.optimiser import create_optimiser
from intarsia.training.precision import choose_execution
from intarsia.training.progress import Reporter, Silent
from intarsia.training.state import TrainingState
from intarsia.training.tasks import check_trainable


@dataclass(frozen=True)
class Preparation:
    """What is trained, on what, and where; ``reporter`` is silent in all processes but the first."""

    recipe: Recipe
    conduct: Conduct
    dataset: Dataset
    net: Network
    objective: Objective
    accelerator: Accelerator
    reporter: Reporter

    def measured_record(self) -> NetworkRecord:
        """The record of a new run; measures how to execute where the recipe leaves it open."""
        spec = spec_of(self.net)
        trial = copy.deepcopy(self.objective)  # as of the network: gradients are left behind
        task = create_task(self.recipe, self.dataset, Preprocessing(spec.mean, spec.std), trial)
        execution = choose_execution(self.recipe, task, self.net, str(self.accelerator.device), self.reporter)
        return network_record(self.recipe, self.net, self.dataset, execution)

    def first_state(self, record: NetworkRecord) -> TrainingState:
        """The state before the first step, placed as the record says."""
        Execution(str(self.accelerator.device), record.precision, record.memory_format).place(self.net)
        optimiser = create_optimiser(self.recipe, self.net, list(self.objective.parameters()))
        return TrainingState(self.net, optimiser, fingerprint(self.dataset), objective=self.objective)

    def task(self, record: NetworkRecord) -> Task:
        """What is learned."""
        return create_task(self.recipe, self.dataset, Preprocessing(record.mean, record.std), self.objective)

    def loop(self, run: Run, record: NetworkRecord, start: int, reporter: Reporter) -> Loop:
        """The loop from step ``start`` on."""
        execution = Execution(str(self.accelerator.device), record.precision, record.memory_format)
        task = self.task(record)
        fewest = fewest_images(self.recipe, self.net) if self.conduct.on_oom == "halve" else None
        return Loop(
            self.recipe,
            run,
            task,
            Gradient(task, execution, self.accelerator, fewest),
            execution,
            self.accelerator,
            step_batches(self.recipe, self.dataset, self.accelerator, start),
            reporter,
            self.conduct.checkpoint_minutes,
        )


def prepare(
    recipe: Recipe, conduct: Conduct, reporter: Reporter, resumed: tuple[Run, NetworkRecord] | None = None
) -> Preparation:
    """Open the data, build the network and check that they can be trained; a resumed run brings classes and record."""
    keep_freed_memory()
    accelerator = create_accelerator()
    if conduct.on_oom == "halve" and accelerator.num_processes > 1:
        raise ArgumentError(
            f"`on_oom` (='halve') works in one process, not in {accelerator.num_processes}, which would have to agree "
            "in the middle of a step; take 'stop' and a smaller batch_size."
        )
    for term in loss_terms(recipe.loss):
        if conduct.on_oom == "halve" and term in WHOLE_BATCH:
            raise ArgumentError(
                f"`on_oom` (='halve') cannot go with `loss` (={recipe.loss!r}), where {term} {WHOLE_BATCH[term]}; take "
                "'stop' and a smaller batch_size."
            )
    set_seed(recipe.seed)
    reporter = reporter if accelerator.is_main_process else Silent()
    dataset = open_for_training(recipe, conduct.check, reporter, resumed)
    check_trainable(dataset, accelerator.num_processes)
    reporter.say(describe(dataset))
    net = rebuild_network(resumed[1]) if resumed else create_network(recipe, dataset)
    if recipe.weights is not None and isinstance(net, SegmentationNetwork) and not resumed:  # that brings its own
        reporter.say(start_from(recipe.weights, net, frozen=recipe.train == "refiner"))
    if recipe.train == "refiner":
        freeze(recipe, net)
    check_batch(recipe, dataset, net)
    check_crop(recipe, net)
    objective = create_objective(recipe, dataset).to(accelerator.device)
    return Preparation(recipe, conduct, dataset, net, objective, accelerator, reporter)
