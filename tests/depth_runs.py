"""The smallest run of `task: depth`, as training leaves one behind, without training."""

from pathlib import Path
from typing import Any

import torch

from intarsia.models import DepthNetwork, create_model
from intarsia.runs import NetworkRecord, Run
from intarsia.runs.weights import save_tensors

TINY_NET: dict[str, Any] = {"backbone": "test_resnet", "steps": 3}


def depth_network(**options: Any) -> DepthNetwork:
    """The same random weights each time."""
    torch.manual_seed(0)
    net = create_model("cspn_depth", **{**TINY_NET, **options})
    assert isinstance(net, DepthNetwork)
    return net.eval()


def write_depth_run(folder: Path, measuring: str | None = "500", **changes: Any) -> Run:
    """A finished run of that network."""
    run, net = Run(folder), depth_network()
    record = {
        "model": "cspn_depth",
        "backbone": "test_resnet",
        "output_stride": 32,
        "form": "paper",
        "options": {"steps": 3},
        "auxiliary": False,
        "classes": 1,
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
        "weights_source": "scratch",
        "precision": "float32",
        "memory_format": "contiguous",
        "device": "cpu",
        "task": "depth",
        "measuring": measuring,
    }
    folder.mkdir(parents=True, exist_ok=True)
    run.write_network(NetworkRecord(**{**record, **changes}))
    save_tensors(run.weights_path, net.state_dict())
    return run
