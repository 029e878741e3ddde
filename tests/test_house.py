"""The house: imports go one way, and starting costs little."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import intarsia

HOUSE = Path(intarsia.__file__).parent

GROUND = {"errors", "shapes", "files", "validation"}
NUMPY_ROOMS = {"energies", "metrics", "data"}
FLOORS = [
    "kernels",
    "layers",
    "affinity",
    "losses",
    "backbones",
    "models",
    "runs",
    "inference",
    "diagnostics",
    "training",
    "studio",
    "cli",
]


def allowed(room: str) -> set[str]:
    """The rooms that a room may import from, itself included."""
    if room in GROUND:
        return GROUND
    if room in NUMPY_ROOMS:
        return GROUND | {"kernels", room}
    below = FLOORS[: FLOORS.index(room) + 1]
    return GROUND | set(below) | (NUMPY_ROOMS if room != "kernels" else set())


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("intarsia."):
            names.add(node.module)
        elif isinstance(node, ast.ImportFrom) and node.module == "intarsia":
            names |= {f"intarsia.{alias.name}" for alias in node.names if (HOUSE / alias.name).is_dir()}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("intarsia.")}
    return {name.split(".")[1] for name in names}


FILES = sorted(path for path in HOUSE.rglob("*.py") if path.name not in {"__main__.py"} and path.parent != HOUSE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_imports_go_one_way(path: Path) -> None:
    room = path.relative_to(HOUSE).parts[0]
    assert imported_rooms(path) <= allowed(room)


def test_the_ground_stands_on_nothing() -> None:
    for name in GROUND:
        assert imported_rooms(HOUSE / f"{name}.py") <= GROUND


@pytest.mark.parametrize("room", ["data", "energies", "metrics"])
def test_numpy_rooms_bring_no_torch(room: str) -> None:
    assert "torch" not in modules_after(f"import intarsia.{room}")


@pytest.mark.parametrize(
    "statement",
    [
        "import intarsia",
        "from intarsia.cli.main import main; main(['--help'])",
        "from intarsia.cli.main import main; main(['train', '--help'])",
    ],
)
def test_starting_brings_no_heavy_library(statement: str) -> None:
    assert not {"torch", "timm", "skimage", "scipy", "numba"} & modules_after(statement)


def modules_after(statement: str) -> set[str]:
    """What a fresh interpreter has imported after a statement."""
    code = f"{statement}\nimport sys\nprint('MODULES', *sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(printed.rpartition("MODULES")[2].split())


def test_every_public_name_is_there() -> None:
    for name in intarsia.__all__:
        assert getattr(intarsia, name).__doc__
    assert set(intarsia.__all__) <= set(dir(intarsia))
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        _ = intarsia.segment
