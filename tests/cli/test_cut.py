"""`intarsia cut`: files in, files out, one sentence for each mistake."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.cli.main import main
from intarsia.energies.grabcut import grabcut
from intarsia.energies.mixtures import Mixtures

BOX = (8, 6, 33, 32)


@pytest.fixture
def photograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A red square on noise, in the current folder."""
    image = np.random.default_rng(0).integers(0, 90, (40, 44, 3), np.uint8)
    image[10:28, 12:30] += np.array([150, 20, 20], np.uint8)
    path = tmp_path / "square.png"
    Image.fromarray(image).save(path)
    monkeypatch.chdir(tmp_path)
    return path


def test_a_box_gives_a_mask_and_a_cut_out(photograph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cut", str(photograph), "--box", "8,6,33,32"]) == 0
    printed = capsys.readouterr().out
    image = np.asarray(Image.open(photograph))
    wanted = grabcut(image, BOX)
    assert f"{wanted.foreground.mean():.1%} of 44×40 pixels are foreground; energy {wanted.energy[-1]:.0f}; " in printed
    np.testing.assert_array_equal(np.asarray(Image.open("square_cut_mask.png")), 255 * wanted.foreground)
    out = np.asarray(Image.open("square_cut.png"))
    np.testing.assert_array_equal(out[..., :3], image)
    np.testing.assert_array_equal(out[15:23, 17:25, 3], 255)
    np.testing.assert_array_equal(out[:4, :, 3], 0)


def test_what_is_known_is_not_softened(photograph: Path) -> None:
    """The border between object and ground is soft, but not one that was drawn by hand."""
    trimap = np.zeros((40, 44), np.uint8)
    trimap[15:32, 8:33], trimap[15:20, 14:28] = 3, 1
    Image.fromarray(trimap).save("trimap.png")
    assert main(["cut", str(photograph), "--trimap", "trimap.png"]) == 0
    alpha = np.asarray(Image.open("square_cut.png"))[..., 3]
    assert not alpha[trimap == 0].any()
    assert (alpha[trimap == 1] == 255).all()


@pytest.mark.parametrize("white", [False, True])
def test_a_trimap_by_codes_or_by_greys(photograph: Path, white: bool) -> None:
    trimap = np.zeros((40, 44), np.uint8)
    trimap[6:32, 8:33], trimap[18:20, 20:22] = 3, 1
    Image.fromarray(np.array([0, 255, 0, 128], np.uint8)[trimap] if white else trimap).save("trimap.png")
    assert main(["cut", str(photograph), "--trimap", "trimap.png", "--out", "out/a.webp"]) == 0
    wanted = grabcut(np.asarray(Image.open(photograph)), trimap=trimap)
    np.testing.assert_array_equal(np.asarray(Image.open("out/a_mask.png")) > 0, wanted.foreground)


def test_colours_are_kept_for_the_next_photograph(photograph: Path) -> None:
    for _ in range(2):
        assert (
            main(
                [
                    "cut",
                    str(photograph),
                    "--box",
                    "8,6,33,32",
                    "--mixtures",
                    "red.json",
                    "--iterations",
                    "2",
                    "--overwrite",
                ]
            )
            == 0
        )
    image = np.asarray(Image.open(photograph))
    wanted = grabcut(image, BOX, iterations=2, mixtures=grabcut(image, BOX, iterations=2).mixtures)
    np.testing.assert_allclose(Mixtures.load("red.json").foreground.means, wanted.mixtures.foreground.means)


@pytest.mark.parametrize("there", ["square_cut.png", "square_cut_mask.png", "trimap.png"])
def test_nothing_is_replaced_unasked(photograph: Path, there: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["cut", str(photograph), "--box", "8,6,33,32", "--save-trimap", "trimap.png", "--iterations", "1"]
    Path(there).write_text("mine")
    assert main(arguments) == 1
    assert f"{there}` exists; choose another place, or say --overwrite" in capsys.readouterr().err
    assert Path(there).read_text() == "mine"
    assert main([*arguments, "--overwrite"]) == 0
    assert Path(there).read_bytes()[:4] == b"\x89PNG"


def test_the_saved_trimap_is_painted_on_and_read_again(photograph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As codes, and also when a painting program has made greys, or colours, of it."""
    assert main(["cut", str(photograph), "--box", "8,6,33,32", "--save-trimap", "t.png"]) == 0
    assert "Go on with --trimap t.png." in capsys.readouterr().out
    image, picture = np.asarray(Image.open(photograph)), Image.open("t.png")
    trimap = grabcut(image, BOX).trimap
    np.testing.assert_array_equal(np.asarray(picture), trimap)
    trimap[12:15, 14:20] = 0  # black
    wanted = grabcut(image, trimap=trimap).foreground
    for mode in ("P", "L", "RGB"):
        painted = picture.convert(mode) if mode != "P" else picture.copy()
        painted.paste(0, (14, 12, 20, 15))
        painted.save(f"{mode}.png")
        assert main(["cut", str(photograph), "--trimap", f"{mode}.png", "--out", f"{mode}_cut.png"]) == 0
        np.testing.assert_array_equal(np.asarray(Image.open(f"{mode}_cut_mask.png")) > 0, wanted)


@pytest.mark.parametrize("box", ["-5,6,33,32", "8,6,99,32"])
def test_a_box_beyond_the_photograph_is_cut_off_and_it_is_said(
    photograph: Path, box: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cut", str(photograph), "--box", box]) == 0
    assert f"The box {box} reaches beyond the 44×40 pixels and was cut off there." in capsys.readouterr().err
    inside = tuple(int(edge) for edge in box.replace("-5", "0").replace("99", "44").split(","))
    wanted = grabcut(np.asarray(Image.open(photograph)), inside).foreground
    np.testing.assert_array_equal(np.asarray(Image.open("square_cut_mask.png")) > 0, wanted)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["square.png"], "by --box left,top,right,bottom or by --trimap, such as --box 50,40,400,380."),
        (["square.png", "--box", "1,2,3,4", "--trimap", "t.png"], "by --trimap, not by both."),
        (["square.png", "--box", "8,6,33,32", "--out", "./square.png"], "`square.png` is what is read"),
        (["square.png", "--trimap", "a_mask.png", "--out", "a.png"], "`a_mask.png` is what is read"),
        (
            ["square.png", "--box", "1,2,3"],
            "`--box` (=1,2,3) must be left,top,right,bottom in whole pixels, as 50,40,400,380.",
        ),
        (["square.png", "--box", "0,0,44,40"], "covers the whole image of 44×40 pixels"),
        (
            ["square.png", "--box", "1,2,3,4", "--out", "a.jpg"],
            "`--out` (=a.jpg) must be a picture with transparency, such as cut.png.",
        ),
        (
            ["square.png", "--trimap", "square.png"],
            "a trimap holds 0, 1, 2 and 3, or greys: 0 for background, 255 for foreground, 128 for unknown",
        ),
        (
            ["square.png", "--box", "1,2,3,4", "--save-trimap", "a.jpg"],
            "`--save-trimap` (=a.jpg) must be a PNG, such as trimap.png.",
        ),
        (["square.png", "--box", "8,6,33,32", "--save-trimap", "square.png"], "`square.png` is what is read"),
        (
            ["square.png", "--box", "8,6,33,32", "--out", "a.png", "--save-trimap", "a_mask.png"],
            "a_mask.png` would hold two of the results; choose another --save-trimap.",
        ),
        *(
            (["square.png", "--trimap", "t.png", "--save-trimap", "s.png", "--overwrite", "--mixtures", name], sentence)
            for name in ("square_cut.png", "square_cut_mask.png", "s.png", "./t.png", "square.png")
            for sentence in [f"`--mixtures` (={Path(name)}) is another file of this cut; choose a place of its own."]
        ),
        (["none.png", "--out", "a.jpg"], "There is no photograph `none.png`; correct the path."),
    ],
)
@pytest.mark.usefixtures("photograph")
def test_mistakes_are_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cut", *arguments]) == 1
    assert sentence in capsys.readouterr().err


def test_the_command_starts_without_a_heavy_library() -> None:
    code = """
import sys
import intarsia.energies.grabcut, intarsia.energies.matte, intarsia.cli.cut, intarsia.data.images
assert not {"torch", "skimage", "timm"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
