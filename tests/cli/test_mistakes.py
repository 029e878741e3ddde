"""Mistakes on the command line: one sentence for each, the right status, and nothing lost."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from commands import SMALL, Capture, complaint
from PIL import Image

from intarsia.cli.main import main
from intarsia.errors import Interrupted

MISTAKES = [
    (["models", "--picture", "net.svg"], 1, "`--picture net.svg` draws one model: name it"),
    (["models", "unet", "--picture", "net.png"], 1, "`--picture net.png` must end in .svg"),
    (["train", "DISCS", "--model", "deeplabv4"], 1, "There is no model `deeplabv4`; did you mean deeplabv3"),
    (["train", "DISCS", "--backbone", "resnet500"], 1, "There is no backbone `resnet500`; did you mean resnet50"),
    (["train", "DISCS", "--output-stride", "12"], 1, "must be 8, 16 or 32; the nearest is 16"),
    (["train", "NOWHERE"], 1, "NOWHERE"),
    (["train", "EMPTY"], 1, "EMPTY"),
    (["train"], 1, "Say what to train on"),
    (["train", "DISCS", "--epochs", "0"], 2, "`--epochs` (='0'): input should be greater than or equal to 1"),
    (["train", "DISCS", "--epochs", "many"], 2, "`--epochs`"),
    (["train", "DISCS", "--batch", "3"], 2, "--batch"),
    (["train", "DISCS", "--resume"], 1, "holds nothing to resume"),
    (["train", "--recipe", "NOWHERE"], 1, "There is no recipe"),
    (["train", "sample:marbles"], 1, "marbles"),
    (["evaluate", "NOWHERE", "DISCS"], 1, "There is no run"),
    (["evaluate", "RUN", "NOWHERE"], 1, "NOWHERE"),
    (["evaluate", "RUN", "DISCS", "--split", "holdout"], 1, "has no split `holdout`"),
    (["evaluate", "RUN", "DISCS", "--boundary", "near"], 1, "`--boundary` (=near) must be numbers with commas"),
    (["evaluate", "RUN", "DISCS", "--boundary", "0"], 1, "`--boundary` (=0) must be positive distances in pixels"),
    (["evaluate", "RUN", "DISCS", "--boundary", "1,1"], 1, "`--boundary` (=1,1) must differ in their first six digits"),
    (["predict", "NOWHERE", "DISCS"], 1, "There is no run"),
    (["predict", "RUN", "NOWHERE"], 1, "names no image"),
    (["predict", "RUN"], 2, "requires an argument"),
    (["predict", "RUN", "DISCS", "--tta-scales", "1,big"], 1, "`--tta-scales` (=1,big) must be numbers with commas"),
    (["evaluate", "RUN", "DISCS", "--tta-scales", "9"], 1, "`scales` holds 9, but a scale must lie between 0.1 and 4"),
    (["predict", "RUN", "DISCS", "--tile", "7"], 1, "`tile` (=7) must be at least 128 pixels"),
    (["models", "unnet"], 1, "did you mean unet"),
    (["models", "cspn_dpth"], 1, "did you mean cspn_depth"),
    (["paint"], 2, "paint"),
    (["train", "DISCS", "--options.rates", "6"], 1, "Option of deeplabv3plus: `rates` (=6)"),
    (["train", "DISCS", "--seed", "5000000000"], 2, "`--seed`"),
]


@pytest.mark.parametrize(("arguments", "status", "sentence"), MISTAKES)
def test_mistakes_are_one_sentence(
    arguments: list[str],
    status: int,
    sentence: str,
    discs: Path,
    disc_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    places = {"DISCS": str(discs), "RUN": str(disc_run)}
    assert sentence in complaint(capsys, *(places.get(word, word) for word in arguments), status=status)
    assert not (tmp_path / "runs").exists()


def odd_size(path: Path) -> None:
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(path)


def high_value(path: Path) -> None:
    Image.fromarray(np.full((40, 40), 7, np.uint8)).save(path)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:90])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [(odd_size, "has 40 rows × 40 columns, but its mask"), (high_value, "7"), (truncated, "disc_3.png` is truncated")],
)
def test_odd_masks_are_named(spoil: object, sentence: str, discs: Path, tmp_path: Path, capsys: Capture) -> None:
    photos = copytree(discs, tmp_path / "photos")
    (photos / "classes.json").write_text('[{"name": "ground"}, {"name": "disc"}]')
    spoil(photos / "masks" / "disc_3.png")  # pyright: ignore[reportCallIssue]
    assert main(["train", str(photos), "--out", str(tmp_path / "run"), *SMALL]) == 1
    said = capsys.readouterr().err
    assert "disc_3.png" in said
    assert sentence in said
    assert "Traceback" not in said


def test_a_bad_image_does_not_stop_the_others(discs: Path, disc_run: Path, tmp_path: Path, capsys: Capture) -> None:
    photos = copytree(discs / "images", tmp_path / "photos")
    truncated(photos / "disc_3.png")
    assert "disc_3.png` is truncated" in complaint(capsys, "predict", disc_run, photos, "--out", tmp_path / "masks")
    assert len(list((tmp_path / "masks").iterdir())) == 7


def test_true_masks_are_never_replaced_by_predicted_ones(
    discs: Path, disc_run: Path, tmp_path: Path, capsys: Capture
) -> None:
    photos = copytree(discs, tmp_path / "photos")
    before = (photos / "masks" / "disc_0.png").read_bytes()
    arguments = ("predict", disc_run, photos / "images", "--out", photos / "masks")
    assert "is not empty; choose another --out, or say --overwrite" in complaint(capsys, *arguments)
    assert (photos / "masks" / "disc_0.png").read_bytes() == before
    assert main([*map(str, arguments), "--overwrite"]) == 0


def test_our_own_mistakes_are_a_sentence_too(monkeypatch: pytest.MonkeyPatch, capsys: Capture, discs: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("three is not four")

    monkeypatch.setattr("intarsia.inference.load", broken)
    assert "A mistake of intarsia's own (AssertionError: three" in complaint(capsys, "predict", "x", discs, status=70)
    monkeypatch.setenv("INTARSIA_DEBUG", "1")
    with pytest.raises(AssertionError):
        main(["predict", "x", str(discs)])


def test_a_folder_that_cannot_be_written(discs: Path, disc_run: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("x")
    assert "cannot be read or written" in complaint(
        capsys, "predict", disc_run, discs / "images" / "disc_0.png", "--out", tmp_path / "file" / "masks"
    )


@pytest.mark.parametrize("stop", [Interrupted("Stopped at step 3; everything is saved."), KeyboardInterrupt()])
def test_ctrl_c_has_a_status_of_its_own(
    stop: BaseException, discs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr("intarsia.training.train", interrupted)
    assert "Stopped" in complaint(capsys, "train", discs, status=130)


def test_a_refused_value_is_repeated_as_it_was_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "photos", "--loss", "cross_entropy+aff", "--out", str(tmp_path / "run")]) == 2
    assert "intarsia: `--loss` (='cross_entropy+aff'): there is no loss `aff`" in capsys.readouterr().err
