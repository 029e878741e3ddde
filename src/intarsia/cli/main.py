"""`intarsia`: commands by name, imported when they are called; every mistake becomes one sentence."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from cyclopts import App, CycloptsError, UnknownOptionError, UnusedCliTokensError

import intarsia
from intarsia.errors import EndedElsewhere, IntarsiaError, IntarsiaWarning, Interrupted

COMMANDS = {
    "demo": ("Train, evaluate and predict on built-in photographs, and write a report.", "--out demo"),
    "train": (
        "Train a network on a folder of pictures and masks, or of pictures and depths.",
        "photos/ --model deeplabv3plus --epochs 20 --out runs/photos",
    ),
    "check": (
        "Find what is wrong in a folder of pictures and masks, or of pictures and depths.",
        "photos/ --fix-list skip.txt",
    ),
    "evaluate": ("Score a trained run on a split of a dataset.", "runs/photos photos/ --report scores.html"),
    "predict": ("Write masks or depths for images, folders or globs.", "runs/photos new_photos/ --out masks --overlay"),
    "refine": (
        "Sharpen the borders of a run's masks, or of other tools' probabilities, by the image.",
        "runs/photos photos/ --fit",
    ),
    "explain": (
        "Show what a trained network sees in an image, and where it hesitates.",
        "runs/photos street.jpg --what uncertainty --out page",
    ),
    "cut": ("Cut an object out of a photograph, by a box around it.", "photo.jpg --box 50,40,400,380 --out cut.png"),
    "models": ("List models and backbones.", "deeplabv3plus"),
    "bench": (
        "Train small networks to see whether the papers' claims hold.",
        "claims --only fcn_skips --out claims.md",
    ),
}

MISTAKE, USAGE, INTERRUPTED, OUR_FAULT = 1, 2, 130, 70


def application() -> App:
    """The commands, none of them imported yet."""
    app = App(
        name="intarsia",
        help="Semantic segmentation and depth completion: pictures with masks or depths in, masks or depths out.",
        version=intarsia.__version__,
        suppress_keyboard_interrupt=False,
    )
    for name, (summary, arguments) in COMMANDS.items():
        example = f"Example: intarsia {name} {arguments}"
        app.command(f"intarsia.cli.{name}:{name}", name=name, help=summary, help_epilogue=example)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 only if all went well."""
    with warnings.catch_warnings(), notes():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", IntarsiaWarning)
        warnings.showwarning = _show
        return _run(arguments)


@contextmanager
def notes() -> Iterator[None]:
    """What the package logs is said, too."""
    logger, handler = logging.getLogger("intarsia"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("intarsia: note: %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if _is_heard() else logging.ERROR)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        status = application()(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _say(_usage(error), USAGE)
    except EndedElsewhere:
        return MISTAKE
    except Interrupted as error:
        return _say(str(error), INTERRUPTED)
    except IntarsiaError as error:
        return _say(str(error), MISTAKE)
    except KeyboardInterrupt:
        return _say("Stopped.", INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = None  # nobody reads; say nothing more
        return MISTAKE
    except OSError as error:
        return _say(f"{error.strerror or error}: `{error.filename or 'a file'}` cannot be read or written.", MISTAKE)
    except Exception as error:
        if os.environ.get("INTARSIA_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return _say(f"A mistake of intarsia's own ({what}); INTARSIA_DEBUG=1 shows where. Please report it.", OUR_FAULT)
    return status if isinstance(status, int) else 0


def _usage(error: CycloptsError) -> str:
    """The first mistake in the arguments, without boxes."""
    from pydantic import ValidationError

    from intarsia.runs.conduct import Conduct
    from intarsia.runs.settings import Settings
    from intarsia.validation import first_mistake, nearest

    cause = error.__cause__ or error.__context__
    if isinstance(cause, ValidationError):
        model = {model.__name__: model for model in (Settings, Conduct)}.get(cause.title)
        before, *rest = first_mistake(cause, model).split(
            "`", 2
        )  # what stands between is the argument; values stay as they are
        return "`".join([before, *(f"--{name.replace('_', '-')}" for name in rest[:1]), *rest[1:]])
    if isinstance(error, UnknownOptionError) and error.argument_collection is not None:
        names = {name.strip("-").replace("-", "_") for argument in error.argument_collection for name in argument.names}
        near = nearest(error.token.keyword.strip("-"), names) if error.token.keyword else None
        if near == "stages":
            return "Stages stand in a recipe file, each headed [[recipe.stages]]: give it by --recipe."
        offer = f"; the nearest is --{near.replace('_', '-')}" if near else ""
        return f"There is no option `{error.token.keyword}`{offer}. See `intarsia --help`."
    if isinstance(error, UnusedCliTokensError):
        words = " ".join(error.unused_tokens or ())
        return (
            f"`{words}` belongs to no option and is no argument; join several values by commas. See `intarsia --help`."
        )
    return " ".join(str(error).split()) + " See `intarsia --help`."


def _say(sentence: str, status: int) -> int:
    if _is_heard() or "intarsia.training" in sys.modules:  # which gives several processes one voice
        print(f"intarsia: {sentence}", file=sys.stderr)
    return status


def _is_heard() -> bool:
    """Of the processes that torchrun starts with the same words, the first on each machine."""
    return int(os.environ.get("LOCAL_RANK", "0")) <= 0


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if _is_heard():
        print(f"intarsia: note: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
