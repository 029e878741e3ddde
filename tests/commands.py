"""The command line, called in this process."""

from pathlib import Path

import pytest

from intarsia.cli.main import main

SMALL = """
    --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --no-pretrained --epochs 1
    --batch-size 2 --crop-size 32 --precision float32 --memory-format contiguous
""".split()  # noqa: SIM905

Capture = pytest.CaptureFixture[str]


def complaint(capsys: Capture, *arguments: str | Path, status: int = 1) -> str:
    """The one sentence that a wrong command line gets."""
    assert main([str(argument) for argument in arguments]) == status
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("intarsia: ")]
    assert len(lines) == 1, printed.err
    assert "Traceback" not in printed.err
    return lines[0]
