"""Several stages: each begins where the one before it ended, and is in force as its recipe says."""

import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY, at_step, run_tiny, same_runs, same_tensors, saved_step
from torch import Tensor, nn

from intarsia.data import open_dataset
from intarsia.data.depth import open_depth
from intarsia.errors import ArgumentError, DataError, IntarsiaWarning, Interrupted, RunError
from intarsia.inference import load
from intarsia.layers.freezing import batch_norms
from intarsia.losses import Objective
from intarsia.runs import NetworkRecord, Run, make_recipe
from intarsia.training import loop, preparation, train
from intarsia.training.gradient import Gradient
from intarsia.training.loading import Batch
from intarsia.training.stages import carry_over, learns_from_judges, no_effect
from intarsia.training.state import TrainingState
from intarsia.training.tasks import SegmentationTask

ASPP: dict[str, Any] = {"model": "deeplabv3", "options": {"channels": 8, "rates": (1, 2, 3)}, "crop_size": 48}
PAPER = [  # DeepLab v3's (arXiv:1706.05587, sections 4 and 4.1), short
    {"output_stride": 16, "steps": 2, "learning_rate": 0.007},
    {"output_stride": 8, "steps": 2, "learning_rate": 0.001, "freeze_batch_norm": True, "split": "trainval"},
]
CHAIN = [  # FCN's (arXiv:1605.06211, section 4.2): each net begins with the coarser one's weights
    {"model": "fcn32s", "epochs": 1},
    {"model": "fcn16s", "steps": 4, "optimiser": "continue"},
    {"model": "fcn8s", "steps": 2, "freeze": "backbone.body.layer1", "learning_rate": 1e-4},
]
EVERYTHING: dict[str, Any] = {
    "ema": 0.9,
    "clip": 0.1,
    "precise_batch_norm": 2,
    "checkpointing": True,
    "schedule": "cosine",
    "warmup": 2,
    "head_factor": 10,
    "bias_factor": 2,
    "best_by": "pixel_accuracy",
    "patience": 5,
}


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What each stage's network was before and behind it."""
    seen, real = SimpleNamespace(before=[], behind=[], loops=[], memory=[], parts=[]), loop.Loop.fit

    def fit(self: loop.Loop, state: TrainingState) -> None:
        seen.loops.append(self)
        seen.before.append(tensors(state))
        seen.memory.append(moments(state))
        real(self, state)
        seen.behind.append(tensors(state))
        seen.memory.append(moments(state))
        seen.parts.append(state.parts)

    monkeypatch.setattr(loop.Loop, "fit", fit)
    return seen


def tensors(state: TrainingState) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in state.net.state_dict().items()}


def moments(state: TrainingState) -> dict[str, Tensor]:
    """What the optimiser remembers, by the names of the weights."""
    kept = state.optimiser.state
    return {name: kept[p]["exp_avg"].clone() for name, p in state.net.named_parameters() if p in kept}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_two_stages_of_deeplab_v3(
    tmp_path: Path, watched: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second, batch norm stands still and the output stride is 8; it begins with the first one's weights."""
    real = preparation.open_for_training

    def few(*arguments: Any) -> Any:
        dataset = real(*arguments)
        return replace(
            dataset,
            splits={
                name: samples[:count] for (name, samples), count in zip(dataset.splits.items(), (4, 2), strict=False)
            },
        )

    monkeypatch.setattr(preparation, "open_for_training", few)
    values = {**TINY, **ASPP, "data": "sample:materials", "stages": PAPER}
    run = train(out=tmp_path / "run", quiet=True, **values)
    assert same(watched.behind[0], watched.before[1])
    first, second = (stage.gradient.task.recipe for stage in watched.loops)
    assert (first.output_stride, second.output_stride, second.split) == (16, 8, "trainval")
    assert [stage.batches.images for stage in watched.loops] == [4, 6]
    net = load(run.folder).net
    known = batch_norms(net)
    norms = [name for name in watched.before[1] if name.rpartition(".")[0] in known]
    assert any("running_var" in name for name in norms)
    moved = {name for name, tensor in watched.behind[1].items() if not torch.equal(tensor, watched.before[1][name])}
    assert moved == {name for name in watched.behind[1] if name not in norms}
    assert {name for name in norms if torch.equal(watched.before[0][name], watched.behind[0][name])} == set()
    assert run.network().output_stride == 8
    assert net.backbone.spec.strides[-1] == 8
    assert net.backbone(torch.zeros(1, 3, 64, 64))[-1].shape[-2:] == (8, 8)
    rates = {module.dilation for module in net.decoder.modules() if isinstance(module, nn.Conv2d)}
    assert rates == {(1, 1), (2, 2), (4, 4), (6, 6)}, "those of the pyramid double with the grid"
    assert [(line["stage"], line["epoch"], line["step"]) for line in run.history()] == [(1, 1, 2), (2, 2, 4)]


def test_momentum_goes_on_or_begins_anew(discs: Path, tmp_path: Path, watched: SimpleNamespace) -> None:
    stages = [{"model": "fcn32s"}, {"model": "fcn16s", "optimiser": "continue"}, {"model": "fcn8s"}]
    run_tiny(discs, tmp_path / "run", stages=stages, steps=1, options={}, epochs=1)
    _, behind, going_on, _, anew, _ = watched.memory
    assert behind
    assert same(going_on, {name: tensor for name, tensor in behind.items() if name in going_on})
    assert set(behind) - set(going_on) == set(), "the coarser net's weights are all in the finer one"
    assert anew == {}


def test_what_a_loss_learns_goes_on_with_the_optimiser() -> None:
    before, net, loss, other = (*(nn.Linear(2, 2) for _ in range(2)), *(Objective({"aaf": 1.0}) for _ in range(2)))
    first = torch.optim.Adam([*before.parameters(), *loss.parameters()])
    for parameter in (*before.parameters(), *loss.parameters()):
        parameter.grad = torch.randn_like(parameter)
    first.step()
    for kept, is_same in ((loss, True), (other, False)):
        following = torch.optim.Adam([*net.parameters(), *kept.parameters()])
        carry_over(following, net, first, before)
        for name, parameter in net.named_parameters():
            assert following.state[parameter] == first.state[before.get_parameter(name)]
        for parameter in kept.parameters():
            assert (parameter in following.state) == is_same
            assert not is_same or torch.equal(following.state[parameter]["exp_avg"], first.state[parameter]["exp_avg"])


def test_killed_between_the_weights_and_the_name_of_their_network_a_run_says_that_it_is_not_finished(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"stages": [{"model": "fcn32s"}, {"model": "fcn16s"}], "steps": 1, "options": {}}
    real = Run.write_network

    def write(self: Run, record: NetworkRecord) -> None:
        if record.model == "fcn16s":
            raise KeyboardInterrupt
        real(self, record)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "write_network", write)
        with pytest.raises(KeyboardInterrupt):
            run_tiny(discs, tmp_path / "run", **how)
    with pytest.raises(RunError, match=r"`weights.safetensors` is missing; .* `--resume` finishes one"):
        load(tmp_path / "run")
    run = run_tiny(discs, tmp_path / "run", resume=True, **how)
    assert load(run.folder).net.blueprint.model == "fcn16s"  # pyright: ignore[reportOptionalMemberAccess]


def test_stopped_in_its_last_stage_a_resumed_run_leaves_the_network_of_that_stage(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its first validation the folder holds the network of the stage before, by which it went on."""
    how = {"stages": [{"model": "fcn32s"}, {"model": "fcn16s"}], "steps": 2, "options": {}}
    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted):
            run_tiny(discs, tmp_path / "run", **how)
    assert Run(tmp_path / "run").network().model == "fcn32s"
    run = run_tiny(discs, tmp_path / "run", resume=True, **how)
    assert load(run.folder).net.blueprint.model == run.network().model == "fcn16s"  # pyright: ignore[reportOptionalMemberAccess]


def test_a_chain_ends_as_its_last_network(discs: Path, tmp_path: Path, watched: SimpleNamespace) -> None:
    run = run_tiny(discs, tmp_path / "run", stages=CHAIN, options={})
    assert [line["stage"] for line in run.history()] == [1, 2, 2, 3]
    assert [line["epoch"] for line in run.history()] == [1, 2, 3, 4]
    assert run.network().model == "fcn8s"
    assert load(run.folder).net.blueprint.model == "fcn8s"  # pyright: ignore[reportOptionalMemberAccess]
    for behind, before in ((0, 1), (1, 2)):
        shared = watched.behind[behind].keys() & watched.before[before].keys()
        fitting = {name for name in shared if watched.behind[behind][name].shape == watched.before[before][name].shape}
        assert len(fitting) > 20
        assert all(torch.equal(watched.behind[behind][name], watched.before[before][name]) for name in fitting)
    for name, tensor in watched.behind[2].items():
        if name.startswith("backbone.body.layer1"):
            assert torch.equal(tensor, watched.before[2][name])


def test_a_stage_has_steps_crops_and_options_of_its_own(
    discs: Path, tmp_path: Path, watched: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is stopped within that stage and resumed."""
    taken: list[tuple[int, int, int]] = []
    real = Gradient._in_parts

    def in_parts(self: Gradient, prepared: nn.Module, batch: Batch, parts: int) -> Tensor:
        taken.append((len(batch[0]), batch[0].shape[1], parts))
        return real(self, prepared, batch, parts)

    monkeypatch.setattr(Gradient, "_in_parts", in_parts)
    own = {"batch_size": 2, "accumulate": 3, "crop_size": 48, "schedule": "constant", "loss_options": {"gamma": 1}}
    stages = [{"steps": 2}, {**own, "steps": 2, "options": {"widths": (8, 8, 8, 8, 16)}}]
    how = {"stages": stages, "loss": "focal", "loss_options": {"gamma": 3}}
    whole = run_tiny(discs, tmp_path / "whole", **how)
    assert taken == [(2, 32, 1), (2, 32, 1), (6, 48, 3), (6, 48, 3)]
    first, second = (stage.task.objective.pixels[0][1].keywords for stage in watched.loops)
    assert (first, second) == ({"gamma": 3.0}, {"gamma": 1.0})
    assert [line["learning_rate"] for line in whole.history()] == pytest.approx([1e-3 * 0.5**0.9, 1e-3, 1e-3])
    assert whole.network().options == {"widths": [8, 8, 8, 8, 16]}
    assert 16 in {len(tensor) for tensor in load(whole.folder).net.decoder.state_dict().values() if tensor.ndim}
    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted):
            run_tiny(discs, tmp_path / "run", **how, checkpoint_minutes=0)
    resumed = run_tiny(discs, tmp_path / "run", resume=True, **how)
    assert taken[4:] == taken[:4]
    assert same_runs(whole.folder, resumed.folder)
    assert resumed.network() == whole.network()


def test_halves_begin_anew_with_another_batch(
    discs: Path, tmp_path: Path, watched: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failed = SegmentationTask.loss, []

    def loss(self: SegmentationTask, outputs: Any, masks: Tensor) -> Tensor:
        if not failed:
            failed.append(len(masks))
            raise MemoryError
        return real(self, outputs, masks)

    monkeypatch.setattr(SegmentationTask, "loss", loss)
    stages = [{}, {"learning_rate": 0.01}, {"batch_size": 3}]
    with pytest.warns(IntarsiaWarning, match="takes its 2 images in 2 parts"):
        run_tiny(discs, tmp_path / "run", stages=stages, steps=1, crop_size=48, on_oom="halve")
    assert watched.parts == [2, 2, 1]


def test_killed_anywhere_it_ends_with_the_same_bits(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a stage, at its last step, between two of its files, and at the first step of the next, all options on."""

    def stop() -> None:
        raise KeyboardInterrupt

    how = {"stages": CHAIN, "options": {}, "checkpoint_minutes": 0, **EVERYTHING}
    run_tiny(discs, tmp_path / "whole", **how)
    out, real = tmp_path / "run", TrainingState.save
    for kill in (2, 1, 2, 4, 2):  # steps of each session, of which the last is lost: 1 is saved, 1, 2, 5, 6
        with monkeypatch.context() as patch:
            at_step(patch, kill, stop)
            with pytest.raises(KeyboardInterrupt):
                run_tiny(discs, out, resume=saved_step(out) > 0, **how)
    with monkeypatch.context() as patch:
        at_step(patch, 1, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted, match="Stopped at step 7 of 9"):  # the second stage's last
            run_tiny(discs, out, resume=True, **how)
    with monkeypatch.context() as patch:  # the last stage's network stands in the folder, its checkpoint not yet

        def save(self: TrainingState, path: Path) -> None:
            if self.stage == 2 and self.step_in_stage == 2:
                raise KeyboardInterrupt
            real(self, path)

        patch.setattr(TrainingState, "save", save)
        with pytest.raises(KeyboardInterrupt):
            run_tiny(discs, out, resume=True, **how)
    run_tiny(discs, out, resume=True, **how)
    assert same_runs(tmp_path / "whole", out)
    assert same_tensors(tmp_path / "whole" / "last.safetensors", out / "last.safetensors")
    assert Run(out).network() == Run(tmp_path / "whole").network()


def test_a_run_keeps_the_best_weights_of_its_last_stage(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However good the first was: its weights are another network's."""
    scores = iter([0.9, 0.2, 0.3, 0.1])
    monkeypatch.setattr(loop, "judged", lambda *_: next(scores))
    run = run_tiny(
        discs, tmp_path / "run", stages=[{"model": "fcn32s"}, {"model": "fcn8s", "epochs": 3}], epochs=1, options={}
    )
    best, last = load_file(run.weights_path), load_file(run.last_weights_path)
    assert best.keys() == last.keys() == load(run.folder).net.state_dict().keys()
    assert any(not torch.equal(best[name], last[name]) for name in best)


@pytest.mark.parametrize(
    ("stages", "error", "sentence"),
    [
        ([{}, {"model": "fcn64s"}], ArgumentError, "There is no model `fcn64s`"),
        ([{}, {"freeze": "backbone.body.layer9"}], ArgumentError, r"`freeze` .='backbone.body.layer9'.* nearest is"),
        ([{}, {"freeze": "backbone,decoder,head"}], ArgumentError, "leaves nothing that learns; freeze fewer parts"),
        ([{}, {"split": "trainaug"}], DataError, "has no split `trainaug`: it has train and val"),
        ([{}, {"model": "pspnet"}], ArgumentError, r"^stages\[1\]: `crop_size` .=32. at output stride 8 gives a 4 × 4"),
        ([{}, {"options": {"width": 8}}], ArgumentError, r"^stages\[1\]: .*`width`"),
        ([{"split": "trainaug"}, {}], DataError, r"^stages\[0\]: `.*` has no split `trainaug`"),
        ([{"options": {"width": 8}}, {}], ArgumentError, r"^stages\[0\]: .*`width`"),
        ([{"hard_classes": "auto"}, {}], ArgumentError, r"^stages\[0\]: .* give --weights RUN, or name the classes"),
        ([{}, {}, {"accumulate": 9}], ArgumentError, r"^stages\[2\]: 9 passes a step in each of 1 processes need 9"),
    ],
)
def test_a_mistake_in_a_stage_is_found_before_the_first_step(
    discs: Path, tmp_path: Path, stages: list[dict[str, Any]], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        run_tiny(discs, tmp_path / "run", stages=stages, options={})
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("unchecked_shapes")
def test_what_a_recipe_says_in_vain_or_at_a_price_is_said() -> None:
    lengths = [{"steps": 2}, {"epochs": 1, "split": "trainval"}]
    recipe = make_recipe(data="sample:brain", steps=9, stages=lengths)
    assert no_effect(recipe) == ("Every stage says how long it is, so that `steps` (=9) of the recipe has no effect.")
    assert no_effect(make_recipe(data="sample:brain", steps=9, stages=[*lengths, {}])) is None
    assert no_effect(make_recipe(data="sample:brain", stages=lengths)) is None
    first, second = recipe.all_stages
    assert learns_from_judges(first, open_dataset("sample:brain")) is None
    assert (learns_from_judges(second, open_dataset("sample:brain")) or "").startswith("Split trainval holds images ")


@pytest.mark.parametrize("source", ["sample:materials", "sample:motorcycle"])
def test_trainval_is_both_where_it_is_not_listed(source: str) -> None:
    """And the listed one where it is: VOC's holds images that are in neither."""
    dataset = open_depth(source) if source == "sample:motorcycle" else open_dataset(source)
    both = (*dataset.split("train"), *dataset.split("val"))
    assert dataset.split("trainval") == both
    listed = replace(dataset, splits={**dataset.splits, "trainval": both[:1]})  # pyright: ignore[reportArgumentType]
    assert listed.split("trainval") == both[:1]
