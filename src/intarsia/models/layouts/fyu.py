"""fyu/drn: DRN as a segmenter, on its A, C and D."""

import re

from intarsia.backbones.drn import FORMS, DRNForm
from intarsia.models.blueprint import Blueprint
from intarsia.models.layouts.layout import Layout, Reading, StateDict, renamed

HEAD = [(r"seg\.", "head.0."), (r"up\.", "head.1.")]
# `base` is a list of a network's children: where each level stands in it, by kind.
NAMES = {
    "A": [
        (r"base\.0\.", "conv1."),
        (r"base\.1\.", "bn1."),
        *((rf"base\.{3 + n}\.", f"layer{n}.") for n in range(1, 5)),
    ],
    "C": [
        (r"base\.0\.", "conv1."),
        (r"base\.1\.", "bn1."),
        *((rf"base\.{2 + n}\.", f"layer{n}.") for n in range(1, 9)),
    ],
    "D": [(rf"base\.{n}\.", f"layer{n}.") for n in range(9)],
}


def read(state: StateDict) -> Reading | None:
    """Recognise by the list of children, and by their number and names which DRN it is."""
    if "seg.weight" not in state or not any(name.startswith("base.0.") for name in state):
        return None
    kind = "D" if "base.0.0.weight" in state else "C" if "base.10.0.conv1.weight" in state else "A"
    body = renamed({name: tensor for name, tensor in state.items() if name.startswith("base.")}, NAMES[kind])
    backbone = _which(kind, body)
    if backbone is None:
        return None
    stem = "layer0.0.weight" if kind == "D" else "conv1.weight"
    classes, channels = state["seg.weight"].shape[0], body[stem].shape[1]
    head = renamed({name: tensor for name, tensor in state.items() if not name.startswith("base.")}, HEAD)
    tensors = {f"backbone.body.{name}": tensor for name, tensor in body.items()} | head
    return Reading(Blueprint("drn", backbone, classes, 8, channels), tensors)


def _which(kind: str, body: StateDict) -> str | None:
    blocks = tuple(_blocks(level, body) for level in range(1, 5 if kind == "A" else 9))
    bottleneck = any(re.match(r"layer[34]\.0\.conv3", name) for name in body)
    return next((name for name, form in FORMS.items() if form == DRNForm(kind, blocks, bottleneck)), None)  # pyright: ignore[reportArgumentType]


def _blocks(level: int, body: StateDict) -> int:
    """The blocks of a level, or its convolutions where they stand in none."""
    in_blocks = {m[1] for name in body if (m := re.match(rf"layer{level}\.(\d+)\.conv1\.", name))}
    plain = [name for name, t in body.items() if re.match(rf"layer{level}\.\d+\.weight", name) and t.ndim == 4]
    return len(in_blocks) or len(plain)


LAYOUT = Layout("fyu/drn", read)
