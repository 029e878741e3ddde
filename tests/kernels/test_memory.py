"""What the machine has room for."""

import pytest

from intarsia.errors import ScarceMemoryError
from intarsia.kernels import memory


def test_what_is_free_is_what_the_system_says(tmp_path, monkeypatch):
    whole = memory.free_memory()
    assert whole is not None
    assert whole > 1 << 20
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path)
    assert memory.free_memory() == 3000  # of a container
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory, "_MACHINE", tmp_path / "none")
    assert memory.free_memory() == memory.os.sysconf("SC_PHYS_PAGES") * memory.os.sysconf("SC_PAGE_SIZE")
    monkeypatch.delattr(memory.os, "sysconf")
    assert memory.free_memory() is None
    memory.require_memory(1 << 60, "Anything")


def test_what_cannot_fit_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 8_000_000_000)
    memory.require_memory(7_900_000_000, "A lattice")
    with pytest.raises(
        ScarceMemoryError, match=r"A lattice needs 8\.1 GB of memory, and 8\.0 GB are free; make the image"
    ):
        memory.require_memory(8_100_000_000, "A lattice")
