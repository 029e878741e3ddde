"""`intarsia explain`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intarsia.errors import ArgumentError


def explain(
    run: str,
    image: str,
    /,
    *,
    what: str,
    at: Annotated[list[str] | None, Parameter(negative="")] = None,
    stage: int | None = None,
    mask: Path | None = None,
    out: Path | None = None,
) -> None:
    """Show what a trained network does with an image: a page that says how to read it, and its pictures as files.

    attention: where positions look, which channels meet, which gates are open. receptive-field: how far each stage
    could look, and how far it does. gridding: the holes of a dilated stage, and what hybrid rates make of them.
    checkerboard: the patterns that strides leave. features: the backbone's stages in the colours of their principal
    components, and what each stride keeps. uncertainty: where the network hesitates. affinity: what belongs to a pixel
    and where neighbours part, for the refiner (or for the answer and the features), beside a dense CRF's kernel.

    Args:
        run: The run folder, or a published network such as torchvision:deeplabv3_resnet50.
        image: A picture, or one of a built-in set such as sample:materials/val-0003, which brings its true mask.
        what: attention, receptive-field, gridding, checkerboard, features, uncertainty or affinity.
        at: A pixel that attention, receptive-field, gridding or affinity asks about, as x,y from the upper left
            corner; may be repeated. By default one of each class, or the middle.
        stage: The one stage that features or receptive-field shows, by its nominal stride; by default all.
        mask: The true mask of the image, which attention, features, uncertainty and affinity compare with.
        out: A new folder, or that of an earlier explanation, which is replaced; by default explanations/WHAT.
    """
    from intarsia.diagnostics.explain import explain as show
    from intarsia.diagnostics.pages.explanation import INDEX

    folder = Path("explanations") / what if out is None else out
    points = [_point(text) for text in at or ()]
    explanation = show(run, image, what, out=folder, at=points, stage=stage, mask=mask)
    widest = max((len(label) for label, _ in explanation.facts), default=0)
    for label, value in explanation.facts:
        print(f"{label:<{widest}}  {value}")
    print(f"The page is `{folder / INDEX}`.")


def _point(text: str) -> tuple[int, int]:
    try:
        x, y = map(int, text.split(","))
    except ValueError:
        raise ArgumentError(
            f"`--at {text}` is no pixel; write column and row as whole numbers, such as 120,80."
        ) from None
    return x, y
