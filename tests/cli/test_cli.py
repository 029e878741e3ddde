"""The command line, called in this process: results on stdout, one sentence for each mistake, the right status."""

import json
import logging
from functools import partial
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from commands import Capture, complaint
from PIL import Image
from tiny import TINY

from intarsia.cli.main import COMMANDS, main, notes
from intarsia.data import open_dataset, write_folder
from intarsia.errors import Interrupted

SMALL = """
    --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --no-pretrained --epochs 1
    --batch-size 2 --crop-size 32 --precision float32 --memory-format contiguous
""".split()  # noqa: SIM905


def test_what_the_package_logs_is_said(capsys: Capture) -> None:
    with notes():
        logging.getLogger("intarsia").info("Compiling.")
    logging.getLogger("intarsia").info("Nobody listens.")
    assert capsys.readouterr().err == "intarsia: note: Compiling.\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: Capture) -> None:
    assert main([command, "--help"]) == 0
    assert f"Example: intarsia {command}" in " ".join(capsys.readouterr().out.split())


def test_the_tour_on_ones_own_folder(discs: Path, tmp_path: Path, capsys: Capture) -> None:
    run, masks = tmp_path / "run", tmp_path / "masks"
    assert main(["train", str(discs), "--out", str(run), *SMALL]) == 0
    assert "images: " in capsys.readouterr().err
    assert main(["evaluate", str(run), str(discs)]) == 0
    assert "mean_iou" in capsys.readouterr().out
    report = ["--report", str(tmp_path / "page.html"), "--boundary", "1,2.5"]
    assert main(["evaluate", str(run), str(discs), "--json", *report]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert 0 <= scores["mean_iou"] <= 1
    assert "rule" in scores
    assert "<svg" in (tmp_path / "page.html").read_text()
    assert list(scores["boundary_f"]) == ["1", "2.5"]
    assert (
        "– at 1 px, – at 2.5 px" in (tmp_path / "page.html").read_text()
    )  # a ring of ignored pixels hides the borders
    assert main(["predict", str(run), str(discs / "images"), "--out", str(masks), "--overlay"]) == 0
    assert f"8 of 8 masks are in `{masks}`" in capsys.readouterr().out
    assert set(np.unique(np.asarray(Image.open(masks / "disc_0.png")))) <= {0, 1}


def test_a_voc_folder_likewise(discs: Path, tmp_path: Path, capsys: Capture) -> None:
    voc = tmp_path / "VOC"
    copytree(discs / "images", voc / "JPEGImages")
    copytree(discs / "masks", voc / "SegmentationClass")
    (voc / "ImageSets" / "Segmentation").mkdir(parents=True)
    names = [f"disc_{i}" for i in range(8)]
    (voc / "ImageSets" / "Segmentation" / "train.txt").write_text("\n".join(names[:6]))
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(names[6:]))
    assert main(["train", str(voc), "--out", str(tmp_path / "run"), *SMALL]) == 0
    said = capsys.readouterr().err
    assert "VOC" in said
    assert "6 train, 2 val" in said
    assert main(["evaluate", str(tmp_path / "run"), str(voc)]) == 0
    assert main(["predict", str(tmp_path / "run"), str(voc / "JPEGImages"), "--out", str(tmp_path / "masks")]) == 0


def test_slices_of_a_brain_as_a_folder(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("nilearn")
    brain = tmp_path / "brain"
    write_folder(open_dataset("sample:brain"), brain)
    assert main(["train", str(brain), "--out", str(tmp_path / "run"), *SMALL]) == 0
    assert "48 train, 16 val" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "run"), str(brain)]) == 0
    assert "grey matter" in capsys.readouterr().out


def test_the_demo_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    from intarsia.cli import demo
    from intarsia.data.open import SAMPLES
    from intarsia.data.samples.materials import materials

    monkeypatch.setitem(SAMPLES, "materials", partial(materials, train=8, val=7, size=64))
    monkeypatch.setattr(
        demo, "SETTINGS", {name: value for name, value in TINY.items() if name not in ("epochs", "pretrained")}
    )
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    monkeypatch.setattr("intarsia.backbones.pretrained._hub_answers", lambda: False)
    assert main(["demo", "--out", str(tmp_path / "demo"), "--epochs", "1"]) == 0
    printed = capsys.readouterr()
    assert "A linear classifier of single pixels reaches" in printed.out
    assert "intarsia: note: No pretrained weights for `test_resnet`" in printed.err
    assert "linear baseline" in (tmp_path / "demo" / "report.html").read_text()
    assert len(list((tmp_path / "demo" / "masks" / "overlays").iterdir())) == 6


def test_the_recipe_of_a_run_trains_again(discs: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", str(discs), "--out", str(first), *SMALL]) == 0
    assert main(["train", "--recipe", str(first / "recipe.json"), "--seed", "1", "--out", str(second)]) == 0
    a, b = (json.loads((run / "recipe.json").read_text()) for run in (first, second))
    assert {name for name in a if a[name] != b[name]} == {"seed"}


def test_out_is_named_after_the_data(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(discs), *SMALL]) == 0
    assert (tmp_path / "runs" / "photos" / "weights.safetensors").is_file()


def test_models(capsys: Capture) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert "arXiv:1802.02611" in listed
    assert [line.split()[0] for line in listed.splitlines() if line.endswith("; for depth")] == ["cspn_depth"]
    assert main(["models", "cspn_depth"]) == 0
    assert "for an image of 512 × 512, 4 channels, one map of depths\n" in capsys.readouterr().out
    assert main(["models", "deeplabv3plus"]) == 0
    assert "rates=(6, 12, 18)" in capsys.readouterr().out
    assert main(["models", "--backbones"]) == 0
    assert "resnet50d" in capsys.readouterr().out


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


def test_averaged_views_and_tiles(discs: Path, disc_run: Path, tmp_path: Path, capsys: Capture) -> None:
    for more, said in (
        (["--tta"], "at the scales 0.5, 0.75, 1, 1.25, 1.5 and 1.75, each also mirrored left to right."),
        (["--tta-scales", "0.75,1"], "at the scales 0.75 and 1, each also mirrored left to right."),
        (["--tile", "130"], "Images of more than 128 pixels a side in tiles of 128 pixels that overlap by 32."),
    ):
        page = tmp_path / "page.html"
        assert main(["evaluate", str(disc_run), str(discs), *more, "--json", "--report", str(page)]) == 0
        assert said in json.loads(capsys.readouterr().out)["protocol"]
        assert said in page.read_text()
        assert main(["evaluate", str(disc_run), str(discs), *more]) == 0
        assert said in capsys.readouterr().out
        out = tmp_path / more[-1]
        assert main(["predict", str(disc_run), str(discs / "images"), "--out", str(out), *more]) == 0
        assert "8 of 8 masks" in capsys.readouterr().out


def test_several_images_on_the_command_line(discs: Path, disc_run: Path, tmp_path: Path, capsys: Capture) -> None:
    """As a shell hands over an unquoted glob."""
    images = sorted(map(str, (discs / "images").glob("disc_[0-4].png")))
    assert main(["predict", str(disc_run), *images, "--out", str(tmp_path / "masks")]) == 0
    assert "5 of 5 masks" in capsys.readouterr().out


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
