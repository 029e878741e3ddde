"""Where machine code is kept, and when it is made anew; in processes of their own, with a copy of the package."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import intarsia

OBEDIENT = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]  # permissions hold for root, too


@pytest.fixture
def installed() -> Iterator[Path]:
    """A folder with a copy of the package."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        shutil.copytree(Path(intarsia.__file__).parent, site / "intarsia", ignore=shutil.ignore_patterns("__pycache__"))
        yield site


def run(code: str, *prefix: str, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG", "PYTHON"))}
    found = subprocess.run(
        [*prefix, sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


EXPONENTIAL = """
import numpy as np
from intarsia.kernels.exponential import exponential
values = np.zeros(3, np.float32)
exponential(values, values.copy())
assert (values == 1).all()
print(sum(exponential.stats.cache_hits.values()), exponential.stats.cache_path)
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_package_that_cannot_be_written_to_keeps_machine_code_in_the_users_cache_folder(installed: Path) -> None:
    prefix = OBEDIENT if os.geteuid() == 0 else []
    if prefix and (shutil.which("setpriv") is None or subprocess.run([*prefix, "true"]).returncode):
        pytest.skip("root writes everywhere, and cannot be held back here")
    home = installed.parent / "home"
    home.mkdir()
    folders = [installed, *(path for path in installed.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        first, second = (run(EXPONENTIAL, *prefix, PYTHONPATH=str(installed), HOME=str(home)) for _ in range(2))
        assert first.startswith(f"0 {home}")
        assert second.startswith(f"1 {home}")
        assert run(EXPONENTIAL, *prefix, PYTHONPATH=str(installed), HOME="/dev/null") == "0 None"
        assert not list(installed.rglob("*.nbi"))
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_machine_code_is_made_anew_when_a_kernel_in_another_file_has_changed(installed: Path) -> None:
    """Numba looks at the time and size of the caller's file alone: an upgraded callee would go on in its old form."""
    below, above = (installed / "intarsia" / "kernels" / f"{name}.py" for name in ("below", "above"))
    above.write_text(
        "from intarsia.kernels.below import number\n"
        "from intarsia.kernels.compiled import compiled\n"
        "@compiled\ndef twice():\n    return 2 * number()\n"
    )
    code = "from intarsia.kernels.above import twice; print(twice(), sum(twice.stats.cache_hits.values()))"
    for number, answers in ((1, ["2 0", "2 1"]), (4, ["8 0"])):
        below.write_text(f"from intarsia.kernels.compiled import step\n@step\ndef number():\n    return {number}\n")
        os.utime(below, (0, 0))
        assert [run(code, PYTHONPATH=str(installed), PYTHONDONTWRITEBYTECODE="1") for _ in answers] == answers


def test_a_compilation_is_said_once_by_the_log(tmp_path: Path) -> None:
    """The first process compiles two kernels, the second none."""
    code = """
import logging
import numpy as np
logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=__import__("sys").stdout)
from intarsia.kernels.compiled import compiled
from intarsia.kernels.exponential import exponential
from intarsia.kernels.normalising import looked_up
for _ in range(2):
    exponential(np.zeros(3, np.float32), np.zeros(3, np.float32))
looked_up(np.zeros((1, 2, 2, 3), np.uint8), np.zeros((3, 256), np.float32))
"""
    source = str(Path(intarsia.__file__).parents[1])
    first, second = (run(code, PYTHONPATH=source, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    assert first == "intarsia Compiling kernels for this machine, which is done once and can take half a minute."
    assert second == ""
