"""Convolutions with what follows them as one oneDNN kernel, and answers in float32."""

import torch
from torch import Tensor, fx

from intarsia.inference.graph import Program, arguments, is_constant, is_convolution

aten = torch.ops.aten

ADD, RELU = aten.add.Tensor, aten.relu.default
RESIZES = (aten.upsample_bilinear2d.default, aten.upsample_nearest2d.default, aten.slice.Tensor)

Activation = tuple[str, list[float], str]
NOTHING: Activation = ("none", [], "")


def fusible() -> bool:
    """Whether this PyTorch has the kernels, which its own compiler uses too."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def fuse(program: Program) -> None:
    """Every convolution, with a sum and an activation where they follow, as one kernel with weights packed for it."""
    for convolution in [node for node in program.graph.nodes if is_convolution(node)]:
        if not is_constant(arguments(convolution)[1]):  # nothing to pack
            continue
        last, other = convolution, None
        user = _only_user(convolution)
        if user is not None and (other := _summand(user, convolution)) is not None:
            last, user = user, _only_user(user)
        activation = NOTHING if user is None else _activation(user)
        if other is not None and activation[0] not in ("none", "relu"):  # a sum goes with no other
            activation = NOTHING
        if activation != NOTHING:
            assert user is not None
            last = user
        _replace(program, convolution, last, other, activation)
    program.graph.eliminate_dead_code()


def _replace(program: Program, convolution: fx.Node, last: fx.Node, other: fx.Node | None, how: Activation) -> None:
    x, weight, bias, stride, padding, dilation, _, _, groups = arguments(convolution)
    attribute, scalars, algorithm = how
    graph, exact = program.graph, program.weights.exact[weight.target]
    shape = list(x.meta["val"].shape)

    def pack() -> Tensor:
        """The weight as oneDNN lays it out for this convolution."""
        placed = program.weights.place(exact())
        return torch.ops.mkldnn._reorder_convolution_weight(placed, padding, stride, dilation, groups, shape)

    with graph.inserting_before(last):
        packed = program.weights.prepared(graph, f"packed.{weight.target}", pack)
        geometry = (packed, bias, padding, stride, dilation, groups)
        kernel = torch.ops.mkldnn._convolution_pointwise
        if other is None:
            fused = graph.call_function(kernel.default, (x, *geometry, attribute, scalars, algorithm))
        else:
            unary = None if attribute == "none" else attribute
            fused = graph.call_function(kernel.binary, (x, other, *geometry, "add", 1.0, unary, [], None))
    fused.meta = dict(last.meta)
    last.replace_all_uses_with(fused)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _summand(user: fx.Node, convolution: fx.Node) -> fx.Node | None:
    """What is added to the convolution's map, if it is another map of that size."""
    if user.target is not ADD or user.kwargs.get("alpha", 1) != 1:
        return None
    (other,) = [arg for arg in arguments(user)[:2] if arg is not convolution] or [None]
    same = isinstance(other, fx.Node) and other.meta["val"].shape == convolution.meta["val"].shape
    return other if same else None


def _activation(node: fx.Node) -> Activation:
    """What oneDNN calls an activation."""
    if node.target is RELU:
        return "relu", [], ""
    if node.target is aten.silu.default:
        return "swish", [], ""
    if node.target is aten.hardswish.default:
        return "hardswish", [], ""
    if node.target is aten.hardtanh.default and len(node.args) == 3:
        return "hardtanh", [float(bound) for bound in arguments(node)[1:]], ""
    return NOTHING


def answer_in_float32(program: Program) -> None:
    """Answers are float32 and contiguous, and so is the resizing to the image's size that ends a network."""
    (output,) = program.graph.find_nodes(op="output")
    for leaf in dict.fromkeys(arguments(output)[0]):
        if not isinstance(leaf, fx.Node) or not leaf.meta["val"].is_floating_point():
            continue
        node, reader = leaf, output
        while node.target in RESIZES and len(node.users) == 1:
            node, reader = arguments(node)[0], node
        with program.graph.inserting_after(node):
            exact = program.graph.call_function(
                aten.to.dtype, (node, torch.float32), {"memory_format": torch.contiguous_format}
            )
        node.replace_all_uses_with(exact, delete_user_cb=lambda user, reader=reader: user is reader)
