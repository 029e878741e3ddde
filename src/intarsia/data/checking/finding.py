"""What a check finds, and which samples it leaves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from intarsia.data.checking.reading import Item
from intarsia.data.listing import Ledger

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
