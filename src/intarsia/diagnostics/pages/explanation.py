"""What `intarsia explain` gives: pictures with captions, as files and as one page that says how to read them."""

import base64
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from uuid import uuid4

from PIL import Image

from intarsia.diagnostics.report.pictures import data_uri
from intarsia.diagnostics.report.sections import facts, section
from intarsia.diagnostics.report.template import PAGE, STYLE
from intarsia.errors import ArgumentError
from intarsia.shapes import RGBImage

INDEX = "index.html"
_MARK = "<!-- written by intarsia explain -->"
_WIDE = 2.2  # columns over rows: a wider picture gets the page's whole width


@dataclass(frozen=True, eq=False)
class Figure:
    """One picture.

    Args:
        name: the stem of its file, unique on the page.
        picture: an RGB array, or an SVG as text, which takes its colours from the page (`diagnostics/svg.py`).
        caption: what it shows, in a few words.
        sentence: what there is to see in it; it stands under the caption.
        heading: figures in a row that have the same one stand together below it.
    """

    name: str
    picture: RGBImage | str
    caption: str
    sentence: str = ""
    heading: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text below a heading, and how to read them; the first column names the row, the others are numbers."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    sentence: str = ""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A page: what it is about, how to read it, and its pictures.

    Args:
        title: the page's heading.
        how_to_read: one sentence, or a few.
        figures: the pictures, in order.
        facts: pairs of a label and a value; the command line prints them.
        tables: numbers that are too many for facts.
    """

    title: str
    how_to_read: str
    figures: Sequence[Figure]
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()


def write_explanation(folder: str | Path, explanation: Explanation) -> Path:
    """Write each figure to a PNG or SVG of its name, and the page, which needs none of them, to ``index.html``.

    The folder appears whole or not at all. One that an earlier explanation has left is replaced.

    Returns:
        The page's path.

    Raises:
        ArgumentError: the folder holds something else.
    """
    folder = Path(os.path.realpath(folder))  # a link goes on pointing to its folder
    check_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (folder.with_name(f".{folder.name}.{what}-{uuid4().hex[:12]}") for what in ("partial", "old"))
    new.mkdir()
    try:
        for figure in explanation.figures:
            _write_figure(new, figure)
        text = render(explanation).encode("utf-8", errors="replace")
        (new / INDEX).write_bytes(text)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
    return folder / INDEX


def check_folder(folder: str | Path) -> None:
    """Refuse a place for an explanation that no folder can take, or that holds anything but an earlier one.

    Raises:
        ArgumentError: it does; the sentence says what.
    """
    folder = Path(folder)
    real = Path(os.path.realpath(folder))
    if real == Path.cwd():  # it would be put in another's place, under the feet of the shell
        raise ArgumentError(f"--out `{folder}` is the folder that you are in; name one inside it, such as page.")
    for place in (folder, *real.parents):
        if place.exists() and not place.is_dir():
            raise ArgumentError(f"`{place}` is a file; choose another --out for the page.")
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    ours = set(_names_on(folder / INDEX)) if (folder / INDEX).is_file() else set()
    foreign = [name for name in held if name not in ours]
    if foreign:
        raise ArgumentError(
            f"`{folder}` holds `{foreign[0]}`, which is no part of an explanation; choose a new folder for --out."
        )


def _names_on(page: Path) -> Iterator[str]:
    """The files of the explanation that wrote a page; none if it is another page."""
    lines = page.read_text(encoding="utf-8", errors="replace").splitlines()
    if _MARK not in lines:
        return
    yield INDEX
    for line in lines[lines.index(_MARK) + 1 :]:
        if line.startswith("<!-- file "):
            yield line.removeprefix("<!-- file ").removesuffix(" -->")


def _file(figure: Figure) -> str:
    return f"{figure.name}.{'svg' if isinstance(figure.picture, str) else 'png'}"


def _write_figure(folder: Path, figure: Figure) -> None:
    path = folder / _file(figure)
    if isinstance(figure.picture, str):
        path.write_text(standalone(figure.picture), encoding="utf-8")
    else:
        Image.fromarray(figure.picture).save(path)


def standalone(svg: str) -> str:
    """A drawing of the page as a file of its own: with the page's style sheet, on the page's paper.

    >>> standalone('<svg viewBox="0 0 1 1"></svg>')[:60]
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><s'
    """
    attributes, tag, rest = svg.removeprefix("<svg").partition(">")
    paper = "svg { background: var(--paper); font-family: sans-serif; }"
    return f'<svg xmlns="http://www.w3.org/2000/svg"{attributes}{tag}<style>{STYLE}{paper}</style>{rest}'


def render(explanation: Explanation) -> str:
    """The page as HTML text; pictures are data URIs."""
    plates = [
        section(escape(heading), f'<div class="plates">{"".join(map(_plate, figures))}</div>')
        for heading, figures in groupby(explanation.figures, key=lambda figure: figure.heading)
    ]
    tables = [_table(table) for table in explanation.tables]
    files = [f"<!-- file {_file(figure)} -->" for figure in explanation.figures]
    return PAGE.substitute(
        title=escape(explanation.title),
        sentence=escape(explanation.how_to_read),
        body="\n".join([*plates, *tables, facts(explanation.facts), _MARK, *files]),
    )


def _plate(figure: Figure) -> str:
    caption, picture = escape(figure.caption), figure.picture
    wide = isinstance(picture, str) or picture.shape[1] > _WIDE * picture.shape[0]
    shown = picture if isinstance(picture, str) else f'<img src="{_uri(picture)}" alt="{caption}" loading="lazy">'
    below = f"<br>{escape(figure.sentence)}" if figure.sentence else ""
    style = "plate whole" if wide else "plate"  # `wide` is a column of tables
    return f'<figure class="{style}">{shown}<figcaption><b>{caption}</b>{below}</figcaption></figure>'


def _uri(picture: RGBImage) -> str:
    """The smaller of JPEG and PNG, so that flat pictures stay exact and photographs small."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    exact = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return min(data_uri(picture), exact, key=len)


def _table(table: Table) -> str:
    head = _row(table.columns, "th", "")
    rows = "".join(_row(row, "td", ' scope="row"') for row in table.rows)
    shown = f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    note = f'<p class="note">{escape(table.sentence)}</p>' if table.sentence else ""
    return section(escape(table.heading), shown + note)


def _row(texts: Sequence[str], cell: str, scope: str) -> str:
    """A name and numbers."""
    name, *numbers = map(escape, texts)
    cells = "".join(f'<{cell} class="n">{number}</{cell}>' for number in numbers)
    return f"<tr><th{scope}>{name}</th>{cells}</tr>"
