"""One small tree of errors. Each message names the thing, its value, the rule and the remedy."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches


class IntarsiaError(Exception):
    """Any mistake that the user can mend. The command line prints it as one sentence and exits with status 1."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Loading processes send errors as pickles, whatever arguments a subclass takes."""
        return _same_error, (type(self), self.args)


class IntarsiaWarning(UserWarning):
    """Something the user should know, after which the work goes on."""


class ArgumentError(IntarsiaError, ValueError):
    """An argument breaks a rule."""


class UnknownNameError(ArgumentError):
    """A name is none of the known ones; the nearest are offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str) -> None:
        spelt = name.replace("+", "plus")  # as names are that have a plus in print
        near = get_close_matches(spelt, sorted(known), n=3, cutoff=0.5)
        guess = f"did you mean {' or '.join(near)}? " if near else ""
        super().__init__(f"There is no {kind} `{name}`; {guess}{listing} lists them all.")


class ScarceMemoryError(ArgumentError):
    """More memory is needed than is free; something smaller may do."""


class DataError(IntarsiaError):
    """A file or folder of pictures and masks breaks a rule."""


class RunError(IntarsiaError):
    """A run folder is missing, incomplete or of another kind."""


class Interrupted(IntarsiaError):
    """The user asked to stop, and everything was saved."""


class EndedElsewhere(IntarsiaError):
    """Another process of the same training ended, and says why; the command line prints nothing."""


class MissingPackageError(IntarsiaError):
    """A part needs an optional package that is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs the package `{package}`: pip install 'intarsia[{extra}]'.")


def _same_error(kind: type[IntarsiaError], arguments: tuple[object, ...]) -> IntarsiaError:
    error = kind.__new__(kind)
    error.args = arguments
    return error
