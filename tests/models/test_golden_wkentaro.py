"""wkentaro/pytorch-fcn: its weights load, and its outputs come out."""

import pytest
import torch
from goldens import fill, golden
from torch import Tensor

from intarsia.errors import IntarsiaWarning
from intarsia.models import SegmentationNetwork, create_model, load_weights
from intarsia.models.layouts import wkentaro
from intarsia.models.loading import build

SCORES = ("score_fr", "score_pool4", "score_pool3")


def check(name: str, net: SegmentationNetwork, features: tuple[Tensor, ...]) -> None:
    expected, decoder = golden(name), net.decoder
    for what, score, index in zip(SCORES, decoder.scores, decoder.indices, strict=False):
        expected.check(what, score(features[index]))
    size = expected.image().shape[-2:]
    expected.check("main", net.frame.fit(net.head(decoder(features)), size, size))


@torch.no_grad()
def test_all_three_compute_what_the_originals_compute() -> None:
    """134 million parameters, most of them shared: the rule fills by name, so the backbone runs once."""
    names = golden("fcn8s").names
    state = {name: fill(name, tuple(shape)) for name, shape in names.items()}
    with torch.device("meta"):
        asked = create_model("fcn8s", "test_resnet", classes=19).double().eval()
    with pytest.warns(IntarsiaWarning, match="wkentaro/pytorch-fcn are for fcn8s on vgg16_fcn.*form wkentaro.*BGR"):
        net = load_weights(asked.to_empty(device="cpu"), state)
    features = net.backbone(golden("fcn8s").image())
    check("fcn8s", net, features)
    for name in ("fcn16s", "fcn32s"):
        reading = wkentaro.read(
            {n: state[n] if n in names else fill(n, tuple(s)) for n, s in golden(name).names.items()}
        )
        assert reading is not None
        assert (reading.blueprint.model, reading.blueprint.form) == (name, "wkentaro")
        with torch.device("meta"):
            net = build(reading.blueprint).eval()
        net.load_state_dict(reading.tensors, assign=True)
        check(name, net, features)
