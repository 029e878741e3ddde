"""A run of `task: depth` becomes an estimator, and other runs do not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_runs import depth_network, write_depth_run

from intarsia.data import PixelFormat
from intarsia.data.depth import Measuring
from intarsia.errors import ArgumentError, RunError
from intarsia.inference import load
from intarsia.inference.depth import load_depth


def test_a_run_is_loaded_with_all_that_its_record_says(tmp_path: Path) -> None:
    run = write_depth_run(tmp_path, "lines:32", pixels=PixelFormat(3, (0.0, 4095.0)), memory_format="channels_last")
    own = load_depth(tmp_path, "cpu", tile=160)
    assert own.measuring == Measuring("lines", 32)
    assert own.pixels == PixelFormat(3, (0.0, 4095.0))
    assert own.preprocessing.std == (0.25,) * 3
    assert own.execution.memory_format == "channels_last"
    assert "in tiles of 160 pixels" in own.protocol
    expected = depth_network().state_dict()
    assert all((expected[name] == tensor).all() for name, tensor in own.net.state_dict().items())
    assert not own.net.training
    assert not run.classes_path.exists()
    assert load_depth(write_depth_run(tmp_path, None).folder).measuring is None


def test_other_runs_are_refused(tmp_path: Path, disc_run: Path) -> None:
    write_depth_run(tmp_path)
    with pytest.raises(RunError, match=r"completes depths and gives no masks; `intarsia\.load_depth` opens it"):
        load(tmp_path)
    with pytest.raises(RunError, match=r"is a run of segmentation and gives no depths; `intarsia\.load` opens"):
        load_depth(disc_run)
    with pytest.raises(RunError, match="There is no run"):
        load_depth(tmp_path / "elsewhere")
    with pytest.raises(ArgumentError, match=r"`max_pixels` \(=0\) must be at least 1"):
        load_depth(tmp_path, max_pixels=0)
    with pytest.raises(ArgumentError, match=r"`tile` \(=100\) must be at least 128 pixels"):
        load_depth(tmp_path, tile=100)


def test_files_are_read_as_in_training(tmp_path: Path) -> None:
    """A 12-bit file that is dark: by itself it would be taken for 8 bits."""
    write_depth_run(tmp_path / "run", pixels=PixelFormat(3, (0.0, 4095.0)))
    own, path = load_depth(tmp_path / "run"), tmp_path / "dark.npy"
    np.save(path, np.full((20, 30, 3), 200, np.uint16))
    assert (own.picture(path) == round(200 * 255 / 4095)).all()


def test_a_record_of_a_classifier_is_refused(tmp_path: Path) -> None:
    run = write_depth_run(tmp_path)
    record: dict[str, Any] = json.loads(run.network_path.read_text())
    run.network_path.write_text(json.dumps({**record, "task": "classification"}))
    run.classes_path.write_text("{}")
    with pytest.raises(RunError, match="is a run of classification and gives no depths"):
        load_depth(tmp_path)
