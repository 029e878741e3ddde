"""`intarsia refine`: a run gets, shows and loses a refinement; files of other tools become masks."""

import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

from intarsia.cli.main import main
from intarsia.energies.crf_settings import CRFSettings
from intarsia.energies.dense_crf import DenseCRF
from intarsia.energies.label_cut import label_cut
from intarsia.inference import evaluate, load
from intarsia.inference.fitting import Fitted
from intarsia.runs import Run
from intarsia.runs.refinement import Fit, Refinement

Capture = pytest.CaptureFixture[str]


def said(capsys: Capture, *arguments: str | Path, status: int = 0) -> tuple[str, str]:
    assert main(["refine", *map(str, arguments)]) == status
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return printed.out, printed.err


@pytest.fixture
def run(disc_run: Path, tmp_path: Path) -> Path:
    return copytree(disc_run, tmp_path / "run")


@pytest.mark.parametrize("improves", [True, False])
def test_a_fit_is_kept_if_it_helps(
    improves: bool, run: Path, discs: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judgement is the library's; whichever it is, the command does as it says."""
    monkeypatch.setattr(Fitted, "improves", property(lambda fitted: improves))
    out, err = said(
        capsys, run, discs, "--fit", "--split", "train", "--images", "2", "--evaluations", "7", status=1 - improves
    )
    assert f"chosen on 2 images of {discs}. 7 settings were tried in " in out
    assert "2 images of train, which chose the settings" in out
    assert "as many others, which had no part in it" in out
    path, curve = Run(run).refinement_path, Run(run).refinement_curve
    assert path.exists() == curve.exists() == improves
    if improves:
        assert f"`{path}` keeps it; predict, evaluate and load apply it." in out
        refinement = Refinement.read(path)
        assert refinement.fit is not None
        assert (refinement.fit.split, len(refinement.fit.scores)) == ("train", 7)
        assert "settings 7: " in curve.read_text()
    else:
        assert "so that the run gets no refinement; nothing is stored." in err


def test_a_fit_that_fails_leaves_the_old_one(
    run: Path, discs: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fitted, "improves", property(lambda fitted: False))
    old = Refinement(CRFSettings(appearance_weight=1))
    old.write(Run(run).refinement_path)
    _, err = said(
        capsys, run, discs, "--fit", "--split", "train", "--images", "1", "--evaluations", "7", "--set", "iterations=1",
        status=1,
    )  # fmt: skip
    assert "gets no refinement; the one it had stays." in err
    assert Refinement.read(Run(run).refinement_path) == old


def test_by_hand_shown_and_removed(run: Path, capsys: Capture) -> None:
    assert said(capsys, run)[0] == f"`{run}` holds no refinement.\n"
    out, _ = said(capsys, run, "--set", "appearance-weight=5", "--set", "iterations=4")
    assert out == Refinement(CRFSettings(4, appearance_weight=5)).protocol + "\n"
    said(capsys, run, "--set", "smoothness_sxy=2")
    assert load(run).refinement == Refinement(CRFSettings(4, smoothness_sxy=2, appearance_weight=5))
    assert "smoothness 3 at 2 pixels" in said(capsys, run)[0]
    assert said(capsys, run, "--remove")[0] == f"`{run}` is no longer refined.\n"
    assert not Run(run).refinement_path.exists()
    assert said(capsys, run, "--remove")[0] == f"`{run}` holds no refinement.\n"


def test_evaluate_and_predict_apply_it(run: Path, discs: Path, tmp_path: Path, capsys: Capture) -> None:
    fit = Fit(str(discs), "val", (), (0.0, 0.1), (0.0, 0.1), (0.1,), 1.0)
    Refinement(CRFSettings(2), fit).write(Run(run).refinement_path)
    plain = evaluate(load(run, refine=False), discs)
    refined = evaluate(run, discs)
    assert main(["evaluate", str(run), str(discs), "--boundary", "2"]) == 0
    out = capsys.readouterr().out
    assert f"mean_iou                {plain.mean_iou:.4f}  {refined.mean_iou:.4f}" in out
    assert "Refined by a dense CRF of 2 iterations" in out
    assert main(["evaluate", str(run), str(discs), "--json", "--report", str(tmp_path / "page.html")]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["mean_iou"], scores["before"]["mean_iou"]) == (refined.mean_iou, plain.mean_iou)
    assert scores["images_fitted"] == 0
    assert f"{plain.mean_iou:.4f} → {refined.mean_iou:.4f}" in (tmp_path / "page.html").read_text()
    assert main(["evaluate", str(run), str(discs), "--no-refine", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["mean_iou"], "before" in scores) == (plain.mean_iou, False)
    assert scores["protocol"].endswith("The run's refinement is left out.")
    image = discs / "images" / "disc_0.png"
    for flag, segmenter in (("--refine", load(run)), ("--no-refine", load(run, refine=False))):
        assert main(["predict", str(run), str(image), "--out", str(tmp_path / flag), flag]) == 0
        np.testing.assert_array_equal(mask(tmp_path / flag / "disc_0.png"), segmenter.predict(image).mask)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "photos"], "Add --fit to choose settings on `photos`, or see by `intarsia evaluate run photos`"),
        (["run", "--fit"], "Say on which data: `intarsia refine run DATA --fit`."),
        (["run", "photos", "--fit", "--remove"], "`--remove` stands alone"),
        (["run", "--remove", "--set", "iterations=3"], "`--remove` stands alone"),
        (["run", "--set", "iterations"], "`--set iterations` must be NAME=VALUE, such as appearance_weight=5."),
        (["run", "--set", "sigma=3"], "There is no run `run`"),
        (["run", "--out", "masks"], "are for files of other tools; add --method."),
        (["none", "--remove"], "There is no run `none`"),
        (
            ["p", "--method", "crf", "--out", "o"],
            "Say where images are and masks go: `--method crf PROBABILITIES IMAGES",
        ),
        (["p", "i", "--method", "crf"], "Say where images are and masks go"),
        (["p", "i", "--method", "crf", "--out", "o", "--fit"], "`--fit` is for runs"),
        (["p", "i", "--method", "crf", "--out", "o", "--remove"], "`--remove` is for runs"),
        (["p", "i", "--method", "crf", "--out", "o", "--set", "sigma=3"], "The dense CRF has no setting `sigma`"),
        (
            ["p", "i", "--method", "crf", "--out", "o", "--set", "compatibility=1"],
            "`compatibility` (=1) is a matrix, which no single value gives: write its rows of numbers into",
        ),
        (["p", "i", "--method", "graphcut", "--out", "o", "--set", "sigma=3"], "The graph cut has no setting `sigma`"),
        (["p", "i", "--method", "graphcut", "--out", "o", "--set", "gamma=x"], "`gamma` (=x) must be a number."),
        (
            ["p", "i", "--method", "graphcut", "--out", "o", "--set", "connectivity=8.0"],
            "`connectivity` (=8.0) must be a whole number.",
        ),
        (["p", "i", "--method", "graphcut", "--out", "o", "--set", "gamma=-1"], "`gamma` (=-1.0) must be above 0"),
        (["p", "i", "--method", "graphcut", "--out", "o", "--probabilities"], "A graph cut gives labels without"),
        *(
            (
                ["p", "i", "--method", "crf", "--out", str(place)],
                f"`--out` (={place}) must be a folder, and `file` is a file; choose another place.",
            )
            for place in (Path("file"), Path("file/masks"), Path("file/a/b"))
        ),
        (["p", "i", "--method", "crf", "--out", "o"], "There is no `p`; name a folder of probabilities, or one NPY"),
        (
            ["p", "i", "--method", "crf", "--out", "a/mask.PNG"],
            f"`--out` (={Path('a/mask.PNG')}) must be a folder, where masks are called as their images: name one.",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], sentence: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    _, err = said(capsys, *arguments, status=1)
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_an_unknown_setting_of_a_run(run: Path, capsys: Capture) -> None:
    assert "The dense CRF has no setting `sigma`" in said(capsys, run, "--set", "sigma=3", status=1)[1]
    assert not Run(run).refinement_path.exists()


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Images a and b, and their probabilities, in the current folder: three classes in an array, and one plane."""
    generator = np.random.default_rng(0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "p").mkdir()
    given: dict[str, np.ndarray] = {}
    for name in "ab":
        given[name] = generator.integers(0, 5, (4, 5, 3), np.uint8).repeat(6, 0).repeat(6, 1) * np.uint8(50)
        Image.fromarray(given[name]).save(tmp_path / "images" / f"{name}.png")
    given["pa"] = generator.dirichlet((1, 1, 1), (24, 30)).transpose(2, 0, 1).astype(np.float32)
    given["pb"] = generator.integers(0, 256, (24, 30), np.uint8)
    np.save(tmp_path / "p" / "a.npy", given["pa"])
    Image.fromarray(given["pb"]).save(tmp_path / "p" / "b_0.png")
    return given


def mask(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_files_of_other_tools_by_the_crf(others: dict[str, np.ndarray], capsys: Capture) -> None:
    settings = CRFSettings(3, appearance_weight=2)
    chosen = ["--set", "iterations=3", "--set", "appearance_weight=2"]
    out, err = said(capsys, "p", "images", "--method", "crf", "--out", "masks", "--probabilities", *chosen)
    assert (out, err) == ("2 of 2 masks are in `masks`.\n", "")
    a = DenseCRF(others["a"])(others["pa"], settings)
    share = others["pb"] / np.float32(255)
    b = DenseCRF(others["b"])(np.stack([1 - share, share]), settings)
    np.testing.assert_array_equal(mask("masks/a.png"), a.argmax(0))
    np.testing.assert_array_equal(mask("masks/b.png"), b.argmax(0))
    np.testing.assert_allclose(np.load("masks/probabilities/a.npy"), a, atol=1e-3)
    np.testing.assert_allclose(np.load("masks/probabilities/b.npy"), b[1:], atol=1e-3)


def test_files_of_other_tools_by_cuts(others: dict[str, np.ndarray], capsys: Capture) -> None:
    said(capsys, "p", "images", "--method", "graphcut", "--out", "masks", "--set", "gamma=2", "--set", "connectivity=4")
    wanted = label_cut(others["pa"], others["a"], gamma=2, connectivity=4)
    np.testing.assert_array_equal(mask("masks/a.png"), wanted)
    share = others["pb"] / np.float32(255)
    wanted = label_cut(np.stack([1 - share, share]), others["b"], gamma=2, connectivity=4)
    np.testing.assert_array_equal(mask("masks/b.png"), wanted)


def test_one_file_and_one_image_need_no_common_name(others: dict[str, np.ndarray], capsys: Capture) -> None:
    said(capsys, "p/a.npy", "images/b.png", "--method", "graphcut", "--out", "masks")
    np.testing.assert_array_equal(mask("masks/a.png"), label_cut(others["pa"], others["b"]))


def test_bad_files_are_named_and_the_rest_goes_on(others: dict[str, np.ndarray], capsys: Capture) -> None:
    np.save("p/alone.npy", others["pa"])
    for name in "cdef":
        Image.fromarray(others["a"]).save(f"images/{name}.png")
    Path("images/d.png").write_bytes(b"no picture")
    np.save("p/c.npy", others["pa"] * 2)
    np.save("p/d.npy", others["pa"])
    np.save("p/e.npy", others["pa"][:, :9])
    out, err = said(capsys, "p", "images", "--method", "crf", "--out", "masks", "--probabilities", status=1)
    assert out == "2 of 6 masks are in `masks`.\n"
    note, *lines = err.splitlines()
    assert note == f"intarsia: note: `{Path('images/f.png')}` has no probabilities, and no mask is made."
    for line, (name, sentence) in zip(
        lines,
        [
            ("alone", "has no image: there is none called `alone`"),
            ("c", "sum to 2 at row "),
            ("d", "images/d.png` is truncated or not an image"),
            ("e", "has the shape (3, 9, 30)"),
        ],
        strict=True,
    ):
        assert name in line
        assert sentence in line
    assert sorted(path.name for path in Path("masks").rglob("*.*")) == ["a.npy", "a.png", "b.npy", "b.png"]


def test_nothing_that_is_read_is_overwritten(others: dict[str, np.ndarray], capsys: Capture) -> None:
    assert "`images` is not empty; choose another --out" in said(
        capsys, "p", "images", "--method", "crf", "--out", "images", status=1
    )[1]  # fmt: skip
    before = Path("images/a.png").read_bytes()
    _, err = said(capsys, "p", "images", "--method", "crf", "--out", "images", "--overwrite", status=1)
    assert err.count("would overwrite a file that is read; choose another --out.") == 2
    assert Path("images/a.png").read_bytes() == before
    said(capsys, "p", "images", "--method", "crf", "--out", "p", "--overwrite")
    said(capsys, "p", "images", "--method", "crf", "--out", "p", "--overwrite")
    assert sorted(path.name for path in Path("p").iterdir()) == ["a.npy", "a.png", "b.png", "b_0.png"]
