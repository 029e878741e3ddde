"""Files mutated at random: every one ends with pixels or one sentence, quickly and in bounded memory."""

import io
import json
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from intarsia.cli.main import main
from intarsia.data import read_image
from intarsia.data.checking.facts import pair_facts
from intarsia.data.classes import Classes
from intarsia.data.masks import read_mask
from intarsia.errors import DataError

CLASSES = Classes.numbered(3)
MUTANTS = int(os.environ.get("INTARSIA_FUZZ", "400"))  # the whole exercise: 2000


def _originals():
    rgb = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(rgb).resize((8, 6)).resize((80, 60), Image.Resampling.BICUBIC))
    files = {}
    for name, picture, options in (
        ("a.jpg", smooth, {"format": "JPEG", "quality": 90}),
        ("b.jpg", smooth, {"format": "JPEG", "progressive": True}),
        ("a.png", smooth, {"format": "PNG"}),
        ("b.png", Image.fromarray(smooth).quantize(16), {"format": "PNG"}),
        ("c.png", smooth[:, :, 0].astype(np.uint16) * 200, {"format": "PNG"}),
        ("a.tif", smooth, {"format": "TIFF", "compression": "tiff_lzw"}),
        ("b.tif", smooth[:, :, 0].astype(np.float32), {"format": "TIFF"}),
        ("a.webp", smooth, {"format": "WEBP"}),
        ("b.webp", smooth, {"format": "WEBP", "lossless": True}),
        ("a.bmp", smooth, {"format": "BMP"}),
    ):
        buffer = io.BytesIO()
        (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(buffer, **options)
        files[name] = buffer.getvalue()
    for name, options in (("c.tif", {"tile": (16, 16), "compression": "zlib"}), ("d.tif", {"rowsperstrip": 8})):
        buffer = io.BytesIO()
        five = np.dstack([smooth, smooth[:, :, :2]])
        tifffile.imwrite(buffer, five, photometric="minisblack", planarconfig="contig", **options)
        files[name] = buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, smooth)
    return {**files, "a.npy": buffer.getvalue()}


def _mutated(data, generator):
    """Bytes changed, cut out, repeated, or the end cut off; headers are hit as often as all the rest."""
    data = bytearray(data)
    for _ in range(int(generator.integers(1, 6))):
        end = min(len(data), 120) if generator.random() < 0.5 else len(data)
        place = int(generator.integers(0, max(1, end)))
        kind = generator.integers(5)
        if kind == 0 and data:
            data[place] = int(generator.integers(256))
        elif kind == 1:
            data[place : place + 4] = generator.bytes(4)
        elif kind == 2:
            del data[place : place + int(generator.integers(1, 40))]
        elif kind == 3:
            data[place:place] = data[place : place + int(generator.integers(1, 40))]
        else:
            data = data[: max(1, int(len(data) * generator.random()))] if generator.random() < 0.3 else data
    return bytes(data)


def _sentence(read, path):
    try:
        answer = read(path)
    except DataError as error:
        return str(error)
    return next((fact for fact in (answer.image, answer.mask) if isinstance(fact, str)), None)


def _image(path):
    read_image(path)
    return pair_facts(path, path)


def _mask(path):
    read_mask(path, CLASSES)
    return pair_facts(path, path)


@pytest.mark.slow
def test_mutated_files_end_with_an_answer(tmp_path):
    originals, generator = _originals(), np.random.default_rng(7)
    answers = {"pixels": 0, "sentences": 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(MUTANTS):
        name = list(originals)[i % len(originals)]
        path = tmp_path / f"{i}{name}"
        path.write_bytes(_mutated(originals[name], generator))
        start = time.monotonic()
        for read in (_image, _mask):
            sentence = _sentence(read, path)
            assert sentence is None or (str(path) in sentence and "\n" not in sentence)
            answers["sentences" if sentence else "pixels"] += 1
        assert time.monotonic() - start < 5, f"{path.name} takes too long"
        path.unlink()
    assert min(answers.values()) > MUTANTS // 10  # neither all good nor all bad
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 2000, f"{grown:.0f} MiB"


@pytest.mark.slow
def test_check_and_predict_answer_for_every_mutated_file(tmp_path, disc_run, monkeypatch, capsys):
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))
    originals, generator = _originals(), np.random.default_rng(8)
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    count = MUTANTS // 4
    for i in range(count):
        name = list(originals)[i % len(originals)]
        (tmp_path / f"data/images/{i:04d}{name}").write_bytes(_mutated(originals[name], generator))
        Image.fromarray(np.eye(60, 80, dtype=np.uint8)).save(tmp_path / f"data/masks/{i:04d}{name[0]}.png")
    limit = ["--max-pixels", "1000000"]
    assert main(["check", str(tmp_path / "data"), "--json", *limit]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    named = {Path(file).name for finding in findings for file in finding["files"]}
    out = tmp_path / "out"
    assert main(["predict", str(disc_run), str(tmp_path / "data/images"), "--out", str(out), *limit]) == 1
    printed = capsys.readouterr()
    complaints = [line for line in printed.err.splitlines() if line.startswith("intarsia: ")]
    masks = list(out.rglob("*.png"))
    assert len(masks) + len(complaints) == count
    assert f"{len(masks)} of {count} masks" in printed.out
    for line in complaints:  # what cannot be predicted had been named before
        assert line.split("`")[1].rpartition("/")[2] in named
