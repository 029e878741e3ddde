"""A network as a list of operators: captured for one size of image, with batch norms folded into convolutions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.graph import CodeGen
from torch.utils import _pytree as pytree

from intarsia.errors import ArgumentError

aten = torch.ops.aten

CONVOLUTION = aten.convolution.default
BATCH_NORMS = (aten.native_batch_norm.default, aten.cudnn_batch_norm.default, aten.miopen_batch_norm.default)

LEAVES = (Tensor, str, int, float, complex, torch.device, torch.dtype, type(None))  # what an answer is made of

Make = Callable[[], Tensor]


class Weights:
    """The tensors of a network, and those made of them: each once, for all sizes of image.

    ``names`` says under which name each place of the network finds its ``original``. ``exact`` says how to make a
    tensor in the precision that the network has, ``final`` as the operators take it. Only what a program reads is made
    and kept.
    """

    def __init__(self, net: nn.Module, dtype: torch.dtype, layout: torch.memory_format) -> None:
        self.dtype, self.layout = dtype, layout
        places, first = _places(net), {}
        self.names = {place: first.setdefault(id(tensor), place) for place, tensor in places.items()}
        self.original = {name: places[name].detach() for name in first.values()}
        self.exact: dict[str, Make] = {}
        self.final: dict[str, Make] = {}
        self.made: dict[str, Tensor] = {}

    def place(self, tensor: Tensor) -> Tensor:
        """A tensor in the precision and layout of the maps; what is not floating stays."""
        if not tensor.is_floating_point():
            return tensor
        return tensor.to(self.dtype, memory_format=self.layout if tensor.ndim == 4 else torch.preserve_format)

    def constant(self, graph: fx.Graph, name: str, exact: Make) -> fx.Node:
        """A node for a tensor that will be placed like the maps."""
        self.exact[name] = exact
        return self.prepared(graph, name, lambda: self.place(exact()))

    def prepared(self, graph: fx.Graph, name: str, final: Make) -> fx.Node:
        """A node for a tensor that is ready for its operator."""
        self.final[name] = final
        return graph.create_node("get_attr", name)

    def module(self, graph: fx.Graph) -> fx.GraphModule:
        """The graph with the tensors that it reads."""
        names = [str(node.target) for node in graph.find_nodes(op="get_attr")]
        self.made.update({name: self.final[name]() for name in names if name not in self.made})
        self.exact.clear()  # these hold graphs
        self.final.clear()
        return fx.GraphModule({name: self.made[name] for name in names}, graph)


@dataclass(frozen=True)
class Program:
    """The operators that answer images of one size: from an image to the leaves of the network's answer."""

    graph: fx.Graph
    weights: Weights
    answer: pytree.TreeSpec


def capture(net: nn.Module, images: Float[Tensor, "B C H W"], weights: Weights) -> Program:
    """The operators that ``net`` runs for images of this size, in the precision and layout of ``weights``.

    Nothing is computed: PyTorch follows shapes only, in a fraction of a second for a ResNet-50.

    Raises:
        ArgumentError: the network decides by the values of its maps, or does something else that cannot be recorded.
    """
    state = {name: torch.empty_like(weights.place(tensor)) for name, tensor in weights.original.items()}
    answers: list[pytree.TreeSpec] = []

    def run(state: dict[str, Tensor], images: Tensor) -> list[Any]:
        tensors = {place: state[name] for place, name in weights.names.items()}
        leaves, answer = pytree.tree_flatten(torch.func.functional_call(net, tensors, (images,), tie_weights=False))
        for leaf in leaves:
            if not isinstance(leaf, LEAVES):
                raise TypeError(f"it answers a {type(leaf).__name__}")
        answers.append(answer)
        return leaves

    functional = torch.func.functionalize(run, remove="mutations_and_views")
    try:
        with torch.no_grad():
            recorded = make_fx(functional, tracing_mode="fake")(state, weights.place(images))
    except Exception as error:
        raise ArgumentError(
            f"`net` ({type(net).__name__}) cannot be recorded as a list of operators ({error}); use it as it is."
        ) from error
    graph = recorded.graph
    graph.owning_module = None  # constants come in before a module holds them
    graph.set_codegen(CodeGen())  # arguments and answer as plain leaves
    for made_in_forward in graph.find_nodes(op="get_attr"):
        value = getattr(recorded, made_in_forward.target)
        made_in_forward.target = (
            f"{made_in_forward.target}.{'x'.join(map(str, images.shape))}"  # may depend on the size
        )
        made_in_forward.meta["val"] = value
        weights.exact[made_in_forward.target] = weights.final[made_in_forward.target] = lambda value=value: value
    for placeholder, name in zip(graph.find_nodes(op="placeholder"), state, strict=False):  # the image comes last
        with graph.inserting_before(placeholder):
            original = weights.original[name]
            constant = weights.constant(graph, f"original.{name}", lambda original=original: original)
        constant.meta = dict(placeholder.meta)
        placeholder.replace_all_uses_with(constant)
        graph.erase_node(placeholder)
    graph.eliminate_dead_code()
    return Program(graph, weights, answers[0])


def fold_batch_norms(program: Program) -> None:
    """Let each convolution that feeds nothing but a batch norm carry that norm's scale and shift.

    Exact up to rounding: γ (W x + b − μ) / √(σ² + ε) + β is a convolution too. Computed in float64.
    """
    graph, weights = program.graph, program.weights
    for norm in [node for node in graph.nodes if node.target in BATCH_NORMS]:
        convolution, gamma, beta, mean, variance, training, _, epsilon = arguments(norm)[:8]
        if training or not _feeds_only(convolution, norm):
            continue
        x, weight, bias, *geometry = arguments(convolution)
        if not all(is_constant(node) for node in (weight, bias, gamma, beta, mean, variance) if node):
            continue
        sources = [node and weights.exact[node.target] for node in (weight, bias, gamma, beta, mean, variance)]
        folded = Folded(*sources, epsilon=epsilon)
        with graph.inserting_before(norm):
            parts = [
                weights.constant(graph, f"{name}.{weight.target}.{mean.target}", exact)
                for name, exact in (("folded_weight", folded.weight), ("folded_bias", folded.bias))
            ]
            fused = graph.call_function(CONVOLUTION, (x, *parts, *geometry))
        fused.meta = dict(convolution.meta)
        for result in list(norm.users):  # the first is the map, the others are statistics that nobody reads
            if result.args[1] == 0:
                result.replace_all_uses_with(fused)
    graph.eliminate_dead_code()


@dataclass(frozen=True)
class Folded:
    """A convolution that carries a batch norm, of W, b, γ, β, μ, σ² (b, γ and β may be missing) and ε."""

    old_weight: Make
    old_bias: Make | None
    gamma: Make | None
    beta: Make | None
    mean: Make
    variance: Make
    epsilon: float

    def weight(self) -> Float[Tensor, "D C h w"]:
        """γ W / √(σ² + ε), a factor for each of the outputs."""
        return (self.old_weight().double() * self._scale()[:, None, None, None]).float()

    def bias(self) -> Float[Tensor, " D"]:
        """γ (b − μ) / √(σ² + ε) + β."""
        shift = -self.mean().double() if self.old_bias is None else self.old_bias().double() - self.mean()
        return (shift * self._scale() + (0.0 if self.beta is None else self.beta())).float()

    def _scale(self) -> Tensor:
        return (1.0 if self.gamma is None else self.gamma()) / (self.variance().double() + self.epsilon).sqrt()


def arguments(node: fx.Node) -> tuple[Any, ...]:
    """What an operator is called with: nodes, numbers and lists."""
    return node.args


def is_convolution(node: fx.Node) -> bool:
    """Whether it is a 2-D convolution that is not transposed."""
    return node.target is CONVOLUTION and not node.args[6] and node.meta["val"].ndim == 4


def is_constant(node: fx.Node) -> bool:
    """Whether it is a tensor that is known before there is an image."""
    return node.op == "get_attr"


def _places(net: nn.Module) -> dict[str, Tensor]:
    """Every place of a tensor, once: a module may have two names, and two places may hold one tensor."""
    return {
        f"{path}.{name}" if path else name: tensor
        for path, module in net.named_modules()
        for tensors in (module.named_parameters, module.named_buffers)
        for name, tensor in tensors(recurse=False, remove_duplicate=False)
    }


def _feeds_only(node: fx.Node, user: fx.Node) -> bool:
    return is_convolution(node) and list(node.users) == [user]
