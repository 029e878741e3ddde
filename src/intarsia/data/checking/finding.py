"""What a check finds, and what follows: which files are left, which to leave out, whether to go on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from intarsia.data.checking.reading import Item
from intarsia.data.listing import Ledger
from intarsia.errors import DataError

Severity = Literal["error", "warning"]
Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or strange: its kind, the files, and a sentence with the rule and the remedy.

    An error keeps its files from being used; a warning does not. `leave_out` are files of a warning that one should do
    without.
    """

    kind: str
    severity: Severity
    files: tuple[Path, ...]
    sentence: str
    leave_out: tuple[Path, ...] = ()


def errors_of(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that keep files from being used."""
    return tuple(finding for finding in findings if finding.severity == "error")


def without(facts: Mapping[Item, Facts], findings: Iterable[Finding]) -> dict[Item, Facts]:
    """The samples that no error concerns."""
    bad = {path for finding in errors_of(findings) for path in finding.files}
    return {sample: fact for sample, fact in facts.items() if not bad & set(sample.paths)}


def to_skip(findings: Sequence[Finding]) -> tuple[tuple[Path, str], ...]:
    """The files to leave out, each with the reason.

    They are the files of all errors, and of images that two splits hold the one in the training split.
    """
    reasons = {path: finding.sentence for finding in errors_of(findings) for path in finding.files}
    reasons |= {path: finding.sentence for finding in findings for path in finding.leave_out}
    return tuple(reasons.items())


def refuse_errors(findings: Sequence[Finding], source: str, any_left: bool) -> None:
    """Nothing, if there is no error; `any_left` says whether anything is without the files of errors.

    Raises:
        DataError: there are errors; the sentence is the first one's.
    """
    errors = errors_of(findings)
    if not errors:
        return
    more = len(errors) - 1
    others = f" {more} more errors: `intarsia check {source}` lists them all." if more else ""
    remedy = f" To go on without such files: `intarsia check {source} --fix-list skip.txt`, then `--skip skip.txt`."
    raise DataError(f"{errors[0].sentence}{others}{remedy if errors[0].files and any_left else ''}")


def as_json(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """The findings as ``json.dumps`` takes them."""
    return [
        {
            "kind": finding.kind,
            "severity": finding.severity,
            "files": [str(path) for path in finding.files],
            "sentence": finding.sentence,
        }
        for finding in findings
    ]


def errors_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors before warnings, otherwise in their order."""
    return tuple(sorted(findings, key=lambda finding: finding.severity != "error"))


def listing_findings(ledger: Ledger) -> list[Finding]:
    """The problems of single files that were noted while a folder was listed, each file once."""
    problems = {problem.path: problem for problem in ledger.problems}
    return [Finding("unpaired", "error", (path,), problem.sentence) for path, problem in problems.items()]
