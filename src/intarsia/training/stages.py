"""From one stage to the next: what goes on, what begins anew."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator
from torch import nn

from intarsia.errors import IntarsiaError
from intarsia.layers.freezing import freeze_parts
from intarsia.models import SegmentationNetwork, warm_start
from intarsia.models.catalog import entry
from intarsia.runs import Balance, NetworkRecord, Recipe
from intarsia.training.admission import Data
from intarsia.training.balancing import check_hard_classes
from intarsia.training.building import create_objective, step_batches
from intarsia.training.networks import NAMED, Network, check_stage, create_network, freeze, rebuild_network, spec_of


@dataclass(frozen=True)
class Course:
    """Where a stage stands among all: ``number`` counts from 0; ``steps`` and ``epochs`` are those of all stages."""

    number: int
    stages: int
    steps: int
    epochs: int

    @property
    def is_last(self) -> bool:
        """Whether no stage comes behind it."""
        return self.number == self.stages - 1


def course_of(recipe: Recipe, dataset: Data, accelerator: Accelerator, number: int) -> Course:
    """The place of stage ``number`` in a whole training."""
    batches = [step_batches(stage, dataset, accelerator) for stage in recipe.all_stages]
    epochs = sum(stage.epochs_after(stage.steps) for stage in batches)
    return Course(number, recipe.stage_count, sum(stage.steps for stage in batches), epochs)


def network_of_stage(record: NetworkRecord, recipe: Recipe) -> tuple[Network, NetworkRecord]:
    """The network that a stage trains, with new weights, and its record: the run's, with what the stage replaces."""
    if record.task != "classification":
        stride = recipe.output_stride or entry(recipe.model).output_stride
        record = replace(record, model=recipe.model, form=recipe.form, options=recipe.options, output_stride=stride)
    net = rebuild_network(record)
    return net, replace(record, output_stride=spec_of(net).output_stride)


def first_network(
    recipe: Recipe, number: int, dataset: Data, record: NetworkRecord | None
) -> tuple[Network, NetworkRecord | None]:
    """The network of a training that begins, or of the stage in which it is resumed, whose weights are read later.

    With it comes the record of that stage: the run's may be of the stage before, whose weights are kept until this one
    has some, or of the next one, if it was stopped before that was saved.
    """
    if record is None:
        return create_network(recipe.at_stage(number), dataset), None
    if recipe.stages:
        return network_of_stage(record, recipe.at_stage(number))
    return rebuild_network(record), record


def check_each(stages: Sequence[Recipe], check: Callable[[Recipe], object], first: int = 0) -> None:
    """Check the stages from the ``first`` on; of several, a mistake says in which it is."""
    for number, stage in enumerate(stages[first:], first):
        with said_of(stages, number):
            check(stage)


@contextmanager
def said_of(stages: Sequence[Recipe], number: int) -> Iterator[None]:
    """Mistakes in here are those of one stage, and where there are several, they say of which."""
    try:
        yield
    except IntarsiaError as error:
        if len(stages) > 1:
            error.args = (f"stages[{number}]: {error}",)
        raise


def check_later(stage: Recipe, dataset: Data, processes: int) -> None:
    """Refuse a later stage before the first begins: a network without numbers shows what is wrong with it."""
    with torch.device("meta"):
        net = create_network(stage.model_copy(update={"pretrained": False, "backbone_weights": None}), dataset)
    freeze_for_stage(stage, net)
    check_stage(stage, dataset, net, processes)
    check_hard_classes(stage, dataset)
    create_objective(stage, dataset)


def no_effect(recipe: Recipe) -> str | None:
    """A sentence for a length that every stage replaces."""
    if recipe.steps is None or not recipe.stages or any(not (s.steps or s.epochs) for s in recipe.stages):
        return None
    return f"Every stage says how long it is, so that `steps` (={recipe.steps}) of the recipe has no effect."


def learns_from_judges(stage: Recipe, dataset: Data) -> str | None:
    """A sentence for a stage whose images are validated on, too."""
    judges = {sample.name for sample in dataset.split("val")} if stage.split != "train" else set[str]()
    if not any(sample.name in judges for sample in dataset.split(stage.split)):
        return None
    return f"Split {stage.split} holds images that are validated on, too: scores are no longer those of unseen images."


def go_on_from(net: Network, before: Network) -> str:
    """Give ``net`` all weights of the network before it that fit by name; one sentence says what begins anew."""
    new = warm_start(net, before)
    names = ", ".join(new[:NAMED]) + (", …" if len(new) > NAMED else "")
    anew = f"{len(new)} tensors begin anew, {names}" if new else "every weight goes on"
    what = net.blueprint if isinstance(net, SegmentationNetwork) else "the classifier"
    return f"{what}; {anew}."


def same_objective(one: tuple[Recipe, Balance], other: tuple[Recipe, Balance]) -> bool:
    """Whether two stages minimise the same, so that what the loss has learned goes on."""
    ours, theirs = ((stage.loss, stage.loss_options, balance.class_weights) for stage, balance in (one, other))
    return ours == theirs


def same_batch(one: Recipe, other: Recipe) -> bool:
    """Whether two stages fill the memory alike, so that what was halved to fit into it stays so."""
    ours, theirs = ((stage.batch_size, stage.accumulate, stage.crop_size) for stage in (one, other))
    return ours == theirs


def freeze_for_stage(recipe: Recipe, net: Network) -> None:
    """Keep still what a recipe freezes; it survives every change of mode.

    Raises:
        ArgumentError: there is no such part, or nothing is left to learn.
    """
    if recipe.train == "refiner":
        freeze(recipe, net)
    if recipe.freeze or recipe.freeze_batch_norm:
        net.still = freeze_parts(net, recipe.freeze, recipe.freeze_batch_norm)
        net.train(net.training)


def carry_over(
    optimiser: torch.optim.Optimizer, net: nn.Module, before: torch.optim.Optimizer, net_before: nn.Module
) -> None:
    """Give ``optimiser`` what the one before it remembers of the weights of the same name and shape.

    What a loss learns is no part of a network: where the loss goes on, both optimisers have the same parameters of it.
    """
    own = {parameter for group in optimiser.param_groups for parameter in group["params"]}
    optimiser.state.update({p: dict(entries) for p, entries in before.state.items() if p in own})
    remembered: Mapping[str, nn.Parameter] = dict(net_before.named_parameters())
    for name, parameter in net.named_parameters():
        old = remembered.get(name)
        if old is not None and old.shape == parameter.shape and old in before.state:
            optimiser.state[parameter] = dict(before.state[old])
