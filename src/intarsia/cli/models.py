"""`intarsia models`."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intarsia.models import Entry


@dataclass(frozen=True)
class Listing:
    """All models, a line each."""

    text: str


def models(name: str | None = None, /, *, backbones: bool = False, picture: Path | None = None) -> None:
    """List models; with a name, say more of one; with --backbones, list backbones.

    Parameters and GMAC (10⁹ multiply-adds, convolutions and matrix products, one image of 512 × 512) are those of the
    paper's form on its default backbone with 21 classes and no auxiliary head; a network for depth, which the library
    builds and `intarsia train` does not, has one map instead.

    Example: intarsia models deeplabv3plus --picture deeplabv3plus.svg

    Args:
        name: A model.
        backbones: List the backbones whose output stride is tested; other convolutional networks of timm work too.
        picture: Draw the structure of the named model's paper form to this SVG file.
    """
    from intarsia.errors import ArgumentError

    if picture is not None and name is None:
        raise ArgumentError(f"`--picture {picture}` draws one model: name it, such as `intarsia models unet`.")
    if picture is not None and picture.suffix.lower() != ".svg":
        raise ArgumentError(f"`--picture {picture}` must end in .svg, the only format that is drawn.")
    with _uncollected():
        if backbones:
            from intarsia.backbones import list_backbones

            print("\n".join(list_backbones()))
        elif name is None:
            print(_listing())
        else:
            from intarsia.models.catalog import entry

            print("\n".join(_details(name, entry(name))))
        if picture is not None:
            _draw(str(name), picture)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Libraries and networks are many objects, all of them in use: to look through them takes longer than the rest."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _listing() -> str:
    """Kept by the sources and libraries that it follows from, because to load these takes seconds."""
    from intarsia.data.checking.cache import read_facts, write_facts

    package = Path(__file__).parents[1]
    sources = sorted(package.rglob("*.py"))
    digest = blake2b(repr([version(library) for library in ("torch", "timm")]).encode(), digest_size=16)
    for source in sources:
        digest.update(source.read_bytes())
    known = read_facts(package, Listing).get(digest.hexdigest())
    if known is None:
        from intarsia.models.catalog import CATALOG, DEPTH_CATALOG

        known = Listing("\n".join(_row(model, row) for model, row in {**CATALOG, **DEPTH_CATALOG}.items()))
        write_facts(package, {digest.hexdigest(): known}, Listing)
    return known.text


def _row(model: str, row: "Entry") -> str:
    return (
        f"{model:<14} {row.title:<14} {row.year}  {row.paper:<18} {_cost(model)}  "
        f"on {row.backbone} at output stride {row.output_stride}; forms: {', '.join(row.forms)}"
        f"{'' if row.task == 'segmentation' else f'; for {row.task}'}"
    )


def _cost(model: str) -> str:
    import torch

    from intarsia.diagnostics.anatomy.complexity import complexity
    from intarsia.models import create_model

    with torch.device("meta"):
        cost = complexity(create_model(model))
    return f"{cost.parameters / 1e6:6.1f} M parameters {cost.gmac:6.1f} GMAC"


def _details(name: str, row: "Entry") -> list[str]:
    lines = [f"{row.title} ({row.year}, {row.paper}); {row.backbone} at output stride {row.output_stride} by default"]
    gives = f"{row.classes} classes" if row.task == "segmentation" else f"{row.in_channels} channels, one map of depths"
    lines.append(f"{_cost(name).strip()} for an image of 512 × 512, {gives}")
    for form, values in row.forms.items():
        options = ", ".join(f"{f.name}={getattr(values, f.name)!r}" for f in fields(values))
        lines.append(f"  form {form}: {options}")
    return lines


def _draw(name: str, path: Path) -> None:
    import torch

    from intarsia.diagnostics.anatomy.structure import structure
    from intarsia.diagnostics.anatomy.structure_picture import picture
    from intarsia.files import write_text
    from intarsia.models import create_model
    from intarsia.models.catalog import entry

    with torch.device("meta"):
        net = create_model(name, auxiliary=entry(name).auxiliary)
    write_text(path, picture(structure(net), f"The structure of {name}"))
    print(f"Drawn to {path}")
