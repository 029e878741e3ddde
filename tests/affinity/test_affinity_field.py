"""The affinity field loss against its definition pair by pair, and its laws."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from reference.affinity_field import affinity_field_loss as pair_by_pair
from torch import Tensor, nn

from intarsia.affinity import affinity_field_loss
from intarsia.affinity.affinity_field import _scaled, affinity_field
from intarsia.affinity.field_in_pytorch import affinity_field_by_slices
from intarsia.errors import ArgumentError

SIZES = [(1, 1), (1, 9), (3, 4), (6, 6), (9, 20), (5, 33)]


def inputs(
    height: int, width: int, classes: int = 3, ignored: float = 0.1, batch: int = 2, scale: float = 2.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, labels in patches with some ignored pixels, and raw weights of three sizes."""
    draw = torch.Generator().manual_seed(height + 100 * width)
    logits = scale * torch.randn(batch, classes, height, width, generator=draw, dtype=torch.float64)
    patches = torch.randint(classes, (batch, height // 4 + 1, width // 4 + 1), generator=draw)
    labels = patches.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, :height, :width].clone()
    labels[torch.rand(labels.shape, generator=draw) < ignored] = 255
    edge, not_edge = torch.randn(2, classes, 3, generator=draw, dtype=torch.float64)
    return logits, labels, edge, not_edge


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_is_the_sum_over_pairs(size: tuple[int, int]) -> None:
    for classes, ignored in ((2, 0.0), (3, 0.1), (5, 0.4), (2, 1.0)):
        logits, labels, edge, not_edge = inputs(*size, classes, ignored)
        for options in (
            {},
            {"edge_weights": edge, "not_edge_weights": not_edge},
            {"sizes": (3,), "margin": 1.0, "ignore": 1},
            {"sizes": (9, 3, 5), "edge_weights": edge},
        ):
            plain: dict[str, Any] = {n: v.numpy() if isinstance(v, Tensor) else v for n, v in options.items()}
            known = torch.where((labels == 255) & ("ignore" in options), 1, labels)
            expected = pair_by_pair(logits.numpy(), known.numpy(), **plain)
            found = affinity_field_loss(logits, known, **options)
            np.testing.assert_allclose(found.item(), expected, rtol=1e-10, atol=1e-10, err_msg=f"{classes} {options}")


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_in_pytorch_it_is_the_same_with_all_gradients(size: tuple[int, int]) -> None:
    for classes, ignored, scale in ((2, 0.0, 1.0), (3, 0.1, 8.0), (19, 0.4, 3.0)):
        logits, labels, *tables = inputs(*size, classes, ignored, scale=scale)
        arguments = (logits, labels, *(table.softmax(1) for table in tables), [1, 2, 3], 3.0, 255)
        compiled, plain = affinity_field(*arguments), affinity_field_by_slices(*arguments)
        torch.testing.assert_close(compiled, plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("margin", [0.3, 30.0])
def test_gradcheck(margin: float) -> None:
    """With a hinge that some pairs are beyond, or none; no probability is near where it is clipped."""
    logits, labels, edge, not_edge = (t for t in inputs(5, 6, batch=1, scale=1.0))

    def loss(logits: Tensor, edge: Tensor, not_edge: Tensor) -> Tensor:
        weights = {"edge_weights": edge, "not_edge_weights": not_edge}
        return affinity_field_loss(logits, labels, sizes=(3, 5), margin=margin, **weights)

    edge, not_edge = (table[:, :2].contiguous().requires_grad_() for table in (edge, not_edge))
    assert torch.autograd.gradcheck(loss, (logits.requires_grad_(), edge, not_edge))


def test_clipped_probabilities_have_no_gradient_of_their_own() -> None:
    """Every second pixel is sure beyond the clip: only the others can move."""
    logits = torch.zeros(1, 2, 1, 6, dtype=torch.float64)
    logits[0, 0] = torch.tensor([0.0, 30.0, 0.0, 30.0, 0.0, 30.0])
    logits.requires_grad_()
    affinity_field_loss(logits, torch.zeros(1, 1, 6, dtype=torch.long), sizes=(3,)).backward()
    assert logits.grad is not None
    assert logits.grad[0, :, 0, [1, 3, 5]].abs().max() < 1e-9
    assert logits.grad[0, :, 0, 2].abs().min() > 0.1


class TestLaws:
    def test_sure_and_right_costs_nothing(self) -> None:
        _, labels, *_ = inputs(9, 20, ignored=0.0)
        sure = 40 * nn.functional.one_hot(labels, 3).movedim(3, 1).double()
        assert affinity_field_loss(sure, labels).abs() < 1e-12

    def test_alike_everywhere_costs_the_margin_for_each_size(self) -> None:
        _, labels, *_ = inputs(9, 20)
        alike = torch.randn(2, 3, 1, 1, dtype=torch.float64).expand(2, 3, 9, 20)
        torch.testing.assert_close(affinity_field_loss(alike, labels, margin=2.5), alike.new_tensor(7.5))
        weighed = affinity_field_loss(alike, labels, edge_weights=torch.zeros(3, 3))
        torch.testing.assert_close(weighed, alike.new_tensor(3.0))

    def test_without_an_edge_alike_costs_nothing(self) -> None:
        alike = torch.ones(1, 3, 8, 8, dtype=torch.float64)
        assert affinity_field_loss(alike, torch.zeros(1, 8, 8, dtype=torch.long)).abs() < 1e-12

    def test_ignored_pixels_have_no_gradient_and_may_hold_anything(self) -> None:
        logits, labels, *_ = inputs(9, 20, ignored=0.3)
        ignored = (labels == 255)[:, None].expand_as(logits)
        grads = []
        for filling in (0.0, 1e30, float("nan")):
            leaf = torch.where(ignored, filling, logits).requires_grad_()
            affinity_field_loss(leaf, labels).backward()
            assert leaf.grad is not None
            grads.append(leaf.grad)
            assert (leaf.grad[ignored] == 0).all()
        torch.testing.assert_close(grads[1:], grads[:1] * 2, rtol=0, atol=0)

    def test_classes_change_places_with_their_weights(self) -> None:
        logits, labels, edge, not_edge = inputs(9, 20, classes=5)
        order = torch.tensor([3, 0, 4, 2, 1])
        places = torch.cat([order.argsort(), torch.full((251,), 255)])
        plain = affinity_field_loss(logits, labels, edge_weights=edge, not_edge_weights=not_edge)
        turned = affinity_field_loss(
            logits[:, order], places[labels], edge_weights=edge[order], not_edge_weights=not_edge[order]
        )
        torch.testing.assert_close(turned, plain)

    def test_mirrored_and_turned_images_cost_the_same(self) -> None:
        logits, labels, *_ = inputs(9, 20)
        plain = affinity_field_loss(logits, labels)
        for turn in (lambda t: t.flip(-1), lambda t: t.flip(-2), lambda t: t.mT):
            torch.testing.assert_close(affinity_field_loss(turn(logits), turn(labels)), plain)

    def test_a_constant_added_to_all_logits_changes_nothing(self) -> None:
        logits, labels, *_ = inputs(9, 20)
        torch.testing.assert_close(affinity_field_loss(logits + 300, labels), affinity_field_loss(logits, labels))

    @pytest.mark.parametrize("labels", [torch.full((2, 4, 4), 255), torch.zeros(2, 4, 4, dtype=torch.long)])
    def test_empty_sets_are_zero_with_a_finite_gradient(self, labels: Tensor) -> None:
        logits = torch.randn(2, 3, 4, 4, requires_grad=True)
        loss = affinity_field_loss(logits, labels)
        loss.backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert bool(loss == 0) == bool((labels == 255).all())

    def test_one_logit_is_two_classes(self) -> None:
        logits, labels, edge, not_edge = inputs(9, 20, classes=2)
        both = torch.cat([torch.zeros_like(logits[:, :1]), logits[:, :1]], 1)
        for weights in ({}, {"edge_weights": edge, "not_edge_weights": not_edge}):
            expected = affinity_field_loss(both, labels, **weights)
            torch.testing.assert_close(affinity_field_loss(logits[:, :1], labels, **weights), expected)


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 3, 0, 5), (2, 1, 4, 0)], ids=str)
def test_of_no_pixels_the_loss_is_zero(shape: tuple[int, ...]) -> None:
    logits, edge = torch.zeros(shape, requires_grad=True), torch.ones(max(shape[1], 2), 3, requires_grad=True)
    loss = affinity_field_loss(logits, torch.zeros(shape[0], *shape[2:]).long(), edge_weights=edge)
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert edge.grad is not None
    assert not edge.grad.any()


def test_threads_and_strides_change_nothing() -> None:
    logits, labels, *tables = inputs(17, 40, classes=5, batch=3)
    results = []
    for threads, turned in product((1, 2), (logits, logits.to(memory_format=torch.channels_last))):
        torch.set_num_threads(threads)
        leaf = turned.detach().requires_grad_()
        loss = affinity_field_loss(leaf, labels, edge_weights=tables[0], not_edge_weights=tables[1])
        results.append([loss.detach(), torch.autograd.grad(loss, leaf)[0].contiguous()])
    torch.set_num_threads(1)
    torch.testing.assert_close(results[1:], [results[0]] * 3, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32_and_that_is_close(dtype: torch.dtype) -> None:
    logits, labels, *_ = inputs(12, 40, classes=7)
    rounded, exact = logits.to(dtype).requires_grad_(), logits.to(dtype).double().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = affinity_field_loss(rounded, labels)
    assert loss.dtype == torch.float32
    expected = affinity_field_loss(exact, labels)
    tolerance = 1e-5 if dtype == torch.float32 else 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)
    (found,), (grad,) = torch.autograd.grad(loss, rounded), torch.autograd.grad(expected, exact)
    torch.testing.assert_close(found.double(), grad, rtol=10 * tolerance, atol=tolerance * float(grad.abs().max()))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_operators_pass_pytorchs_checks() -> None:
    logits, labels, *tables = inputs(4, 5, batch=1)
    leaves = [part.requires_grad_() for part in (logits, *(table.softmax(1) for table in tables))]
    arguments = (leaves[0], labels, *leaves[1:], [1, 2, 3], 3.0, 255)
    torch.library.opcheck(affinity_field, arguments)
    loss, *gradients = affinity_field(*(part.detach() if isinstance(part, Tensor) else part for part in arguments))
    torch.library.opcheck(_scaled, (torch.ones_like(loss), *gradients))


def test_second_derivatives_are_refused() -> None:
    logits, labels, *_ = inputs(5, 6)
    (grad,) = torch.autograd.grad(affinity_field_loss(logits.requires_grad_(), labels), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="autograd"):
        grad.sum().backward()


@pytest.mark.usefixtures("unchecked_shapes")
def test_compiles_whole() -> None:
    logits, labels, edge, not_edge = inputs(6, 9)

    def loss(logits: Tensor) -> Tensor:
        return affinity_field_loss(logits, labels, edge_weights=edge, not_edge_weights=not_edge)

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    leaf = logits.requires_grad_()
    results = [(form(leaf).detach(), *torch.autograd.grad(form(leaf), leaf)) for form in (compiled, loss)]
    torch.testing.assert_close(*results)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"logits": torch.zeros(1, 3, 4, 4).long()}, r"`logits` holds torch.int64 and must hold floating point"),
        ({"labels": torch.zeros(1, 4, 4)}, r"`labels` hold torch.float32 and must hold whole numbers; `labels.long"),
        ({"labels": torch.zeros(1, 4, 5).long()}, r"`logits` \(1, 3, 4, 4\) must be .* `labels` \(1, 4, 5\) \(B, H, W"),
        ({"logits": torch.zeros(3, 4, 4)}, r"`logits` \(3, 4, 4\) must be \(B, K, H, W\)"),
        ({"logits": torch.zeros(1, 0, 4, 4)}, r"`logits` \(1, 0, 4, 4\) must have a class or more"),
        ({"labels": torch.full((1, 4, 4), 3)}, r"hold 3 at \[0, 0, 0\] and must be from 0 to 2.* `ignore` \(=255\)"),
        ({"labels": torch.full((1, 4, 4), -1)}, r"`labels` hold -1 at \[0, 0, 0\] and must be from 0 to 2"),
        ({"logits": torch.zeros(1, 1, 4, 4), "labels": torch.full((1, 4, 4), 2)}, r"hold 2 .* must be from 0 to 1"),
        ({"sizes": (3, 4)}, r"`sizes` \(=\(3, 4\)\) must be odd numbers from 3 on, such as \(3, 5, 7\)"),
        ({"sizes": ()}, r"`sizes` \(=\(\)\) must be odd numbers"),
        ({"margin": 0.0}, r"`margin` \(=0.0\) must be a positive number of nats; the paper's is 3"),
        ({"margin": float("nan")}, r"`margin` \(=nan\) must be a positive number"),
        ({"edge_weights": torch.zeros(3, 2)}, r"`edge_weights` \(3, 2\) must be \(3, 3\): a row for each class"),
        ({"not_edge_weights": torch.zeros(4, 3)}, r"`not_edge_weights` \(4, 3\) must be \(3, 3\)"),
        ({"edge_weights": torch.zeros(3, 3).int()}, r"`edge_weights` holds torch.int32"),
        ({"labels": torch.zeros(1, 4, 4, device="meta").long()}, r"`labels` is on meta and `logits` on cpu"),
        ({"logits": torch.full((1, 3, 4, 4), float("nan"))}, r"`logits` must be finite, but 48 of its 48 numbers"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], sentence: str) -> None:
    arguments = {"logits": torch.zeros(1, 3, 4, 4), "labels": torch.zeros(1, 4, 4).long(), **changes}
    with pytest.raises(ArgumentError, match=sentence):
        affinity_field_loss(**arguments)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_one_logit_that_is_not_finite_is_found(wrong: float) -> None:
    logits, labels, *_ = inputs(5, 33, ignored=0.0)
    logits[1, 2, 3, 31] = wrong
    with pytest.raises(ArgumentError, match=r"`logits` must be finite, but 1 of its 990 .* first at \[1, 2, 3, 31\]"):
        affinity_field_loss(logits, labels)
