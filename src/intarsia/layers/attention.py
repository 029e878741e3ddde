"""Spatial attention in bounded memory: every position looks at every other, and the N×N matrix is never held.

Non-local blocks and position attention weigh values by a softmax over all positions. At 97×97 positions the matrix of
weights alone takes 354 MB, and a naive forward pass holds it twice. Here a block of queries is answered at a time; its
scores are dropped as soon as they are used. For the backward pass only the logarithm of each softmax's divisor is kept,
one number a query, and the weights are computed again from it (Rabe & Staats, arXiv:2112.05682; FlashAttention,
arXiv:2205.14135, section 3.1). PyTorch's own ``scaled_dot_product_attention`` does not serve: where values are wider
than keys, as here, it falls back to the whole matrix on the CPU.

Both passes are PyTorch operators with shapes of their own, so that compiling, exporting and autocast see one step.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

SCORES = 2**21  # held at once: 8 MB in float32, which caches keep; with fewer, matrix products slow down


def attend(
    queries: Float[Tensor, "B D N"], keys: Float[Tensor, "B D M"], values: Float[Tensor, "B C M"]
) -> Float[Tensor, "B C N"]:
    """Each query's mean of the values, weighted by the softmax over the keys of query · key, without scaling.

    Scores, softmax and the sums of gradients are float32 where the arguments are bfloat16 or float16. Memory beyond the
    result: ``SCORES`` numbers forward, four times as many backward. Second derivatives are not defined.

    >>> queries, keys, values = torch.randn(1, 8, 9), torch.randn(1, 8, 9), torch.randn(1, 16, 9)
    >>> weights = (queries.mT @ keys).softmax(-1)
    >>> torch.allclose(attend(queries, keys, values), values @ weights.mT, atol=1e-5)
    True
    """
    return _attend(queries, keys, values)[0]


@torch.library.custom_op("intarsia::attend", mutates_args=())
def _attend(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    out, log_divisor = _empty(queries, keys, values)
    with torch.autocast(queries.device.type, enabled=False):
        for b, n in _blocks(len(queries), queries.shape[2], keys.shape[2], SCORES):
            scores = _scores(queries[b, :, n], keys[b])
            largest = scores.amax(-1)
            weights = torch.softmax(scores, -1, out=scores)
            log_divisor[b, n] = largest - weights.amax(-1).log_()  # the largest weight is exp(largest) / divisor
            out[b, :, n] = values[b] @ weights.to(values.dtype).mT
    return out, log_divisor


@_attend.register_fake
def _empty(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    batch, _, positions = queries.shape
    out = values.new_empty(batch, values.shape[1], positions)
    return out, queries.new_empty(batch, positions, dtype=_exact(queries.dtype))


@torch.library.custom_op("intarsia::attend_backward", mutates_args=())
def _attend_backward(
    grad: Tensor, queries: Tensor, keys: Tensor, values: Tensor, out: Tensor, log_divisor: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    grad_queries = torch.empty_like(queries, memory_format=torch.contiguous_format)
    grad_keys, grad_values = (x.new_zeros(x.shape, dtype=_exact(x.dtype)) for x in (keys, values))
    with torch.autocast(queries.device.type, enabled=False):
        for b, n in _blocks(len(queries), queries.shape[2], keys.shape[2], 2 * SCORES):  # each adds to all keys
            part = grad[b, :, n]
            weights = _scores(queries[b, :, n], keys[b]).sub_(log_divisor[b, n, None]).exp_()
            _add_product(grad_values[b], part, weights.to(part.dtype))
            shared = (part * out[b, :, n]).sum(1, dtype=weights.dtype)  # what the divisor takes from every weight
            grad_scores = (part.mT @ values[b]).to(weights.dtype).sub_(shared[..., None]).mul_(weights)
            del weights
            grad_scores = grad_scores.to(queries.dtype)
            grad_queries[b, :, n] = keys[b] @ grad_scores.mT
            _add_product(grad_keys[b], queries[b, :, n], grad_scores)
    return grad_queries, grad_keys.to(keys.dtype), grad_values.to(values.dtype)


@_attend_backward.register_fake
def _like(
    grad: Tensor, queries: Tensor, keys: Tensor, values: Tensor, out: Tensor, log_divisor: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return queries.new_empty(queries.shape), keys.new_empty(keys.shape), values.new_empty(values.shape)


def _keep(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs, *output)
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: torch.autograd.function.BackwardCFunction, grad: Tensor, _: Tensor) -> tuple[Tensor, ...]:
    return _attend_backward(grad, *ctx.saved_tensors)


_attend.register_autograd(_backward, setup_context=_keep)


@register_flop_formula(torch.ops.intarsia.attend)
def _operations(queries: Sequence[int], keys: Sequence[int], values: Sequence[int], **_: object) -> int:
    """What PyTorch's counter would find in the naive form: two for each product."""
    batch, width, positions = queries
    return 2 * batch * positions * keys[2] * (width + values[1])


def _blocks(batch: int, queries: int, keys: int, scores: int) -> Iterator[tuple[slice, slice]]:
    """Parts of the batch and of the queries that have at most so many scores (or one query's)."""
    images = max(1, scores // (queries * keys))
    rows = max(1, min(queries, scores // keys))
    for b in range(0, batch, images):
        for n in range(0, queries, rows):
            yield slice(b, b + images), slice(n, n + rows)


def _scores(queries: Tensor, keys: Tensor) -> Tensor:
    exact = _exact(queries.dtype)
    return queries.to(exact).mT @ keys.to(exact)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    if total.dtype == left.dtype:
        total.baddbmm_(left, right)  # no second map of that size
    else:
        total += left @ right


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
