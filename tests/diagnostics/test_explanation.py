"""The page of an explanation: it stands on its own, and comes whole or not at all."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.diagnostics.pages.explanation import Explanation, Figure, Table, check_folder, render, write_explanation
from intarsia.errors import ArgumentError

NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
SVG = '<svg viewBox="0 0 10 10" role="img"><rect class="cell" width="10" height="10"/></svg>'


def explanation(**more: object) -> Explanation:
    figures = [
        Figure("noise", NOISE, "Noise & <more>", "It hisses.", "First"),
        Figure("drawing", SVG, "A drawing", heading="Second"),
    ]
    given = {
        "title": "A <title>",
        "how_to_read": "From left to right.",
        "figures": figures,
        "facts": [("size & shape", "24 × 32")],
        "tables": [Table("Numbers", ("name", "value"), [("one <1>", "1.5")], "To be read by row.")],
    }
    return Explanation(**{**given, **more})


def test_files_hold_the_pictures(tmp_path: Path) -> None:
    page = write_explanation(tmp_path / "new" / "page", explanation())
    assert sorted(path.name for path in page.parent.iterdir()) == ["drawing.svg", "index.html", "noise.png"]
    assert np.array_equal(np.asarray(Image.open(page.parent / "noise.png")), NOISE)
    root = ET.parse(page.parent / "drawing.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "svg .cell" in root[0].text  # its style sheet
    assert root[1].get("class") == "cell"
    assert list((tmp_path / "new").iterdir()) == [page.parent]


def test_the_page_needs_nothing_else_and_says_all() -> None:
    page = render(explanation())
    for text in ("A &lt;title&gt;", "From left to right.", "Noise &amp; &lt;more&gt;", "It hisses.", "<h2>First</h2>"):
        assert text in page
    for text in ("size &amp; shape", "24 × 32", "<h2>Numbers</h2>", "one &lt;1&gt;", "1.5", "To be read by row."):
        assert text in page
    assert page.count("data:image/") == 1
    assert SVG in page
    assert "src=" in page
    assert not any(outside in page for outside in ('src="http', 'href="http', "<script", 'noise.png"'))
    assert page.index("<h2>First</h2>") < page.index("Noise &amp;") < page.index("<h2>Second</h2>")


def test_figures_of_one_heading_stand_together() -> None:
    figures = [Figure(f"{i}", NOISE, f"caption {i}", heading="Together") for i in range(3)]
    assert render(explanation(figures=figures)).count("Together") == 1


@pytest.mark.parametrize(("columns", "wide"), [(8, False), (40, True)])
def test_wide_pictures_get_the_whole_width(columns: int, wide: bool) -> None:
    picture = np.zeros((8, columns, 3), np.uint8)
    assert ('class="plate whole"' in render(explanation(figures=[Figure("p", picture, "c")]))) == wide


def test_flat_pictures_stay_exact_and_photographs_small() -> None:
    flat = render(explanation(figures=[Figure("p", np.zeros((64, 64, 3), np.uint8), "c")]))
    assert "data:image/png" in flat
    assert "data:image/jpeg" in render(explanation())


def test_an_earlier_explanation_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "page"
    write_explanation(folder, explanation())
    write_explanation(folder, explanation(figures=[Figure("other", NOISE, "Another")]))
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "other.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page"]


def test_an_empty_folder_and_a_link_serve(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    write_explanation(tmp_path / "link", explanation())
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "empty" / "index.html").is_file()


@pytest.mark.parametrize("name", ["notes.txt", "index.html", "noise.png"])
def test_what_others_wrote_is_not_touched(name: str, tmp_path: Path) -> None:
    """A page of another kind is not ours either, and a PNG beside no page of ours."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(ArgumentError, match=f"holds `{name}`, which is no part of an explanation; choose a new folder"):
        write_explanation(tmp_path, explanation())
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_that_was_added_to_a_page_is_not_touched(tmp_path: Path) -> None:
    folder = tmp_path / "page"
    write_explanation(folder, explanation())
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ArgumentError, match=r"holds `notes.txt`"):
        check_folder(folder)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("mine")
    with pytest.raises(ArgumentError, match=r"page` is a file; choose another --out"):
        write_explanation(tmp_path / "page", explanation())


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    """A picture that cannot be written leaves the earlier page as it was."""
    folder = tmp_path / "page"
    write_explanation(folder, explanation())
    before = (folder / "index.html").read_text()
    with pytest.raises(FileNotFoundError):
        write_explanation(folder, explanation(figures=[Figure("good", NOISE, "c"), Figure("no/such", NOISE, "c")]))
    assert (folder / "index.html").read_text() == before
    assert sorted(path.name for path in folder.iterdir()) == ["drawing.svg", "index.html", "noise.png"]
    assert list(tmp_path.iterdir()) == [folder]
