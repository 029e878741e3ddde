"""A report as plain text."""

from collections.abc import Sequence

from intarsia.data.checking.finding import Finding
from intarsia.data.checking.report import Report

SHOWN = 5  # findings of one kind


def table(report: Report) -> str:
    """What was recognised, a line a class, and the findings, of which the first few of each kind."""
    blocks = [_heading(report)]
    if report.dataset is not None:
        blocks.append(_classes(report))
    for severity, word in (("error", "ERRORS: these files cannot be used"), ("warning", "WARNINGS")):
        chosen = [finding for finding in report.findings if finding.severity == severity]
        if chosen:
            blocks.append("\n".join([f"{word} ({len(chosen)})", *_findings(chosen)]))
    if not report.findings:
        blocks.append("Nothing is wrong.")
    return "\n\n".join(blocks)


def _heading(report: Report) -> str:
    if report.dataset is None:
        return f"{report.source}: nothing that can be used."
    dataset, (rows, columns) = report.dataset, report.shapes
    images = ", ".join(f"{len(samples)} {split}" for split, samples in dataset.splits.items())
    channels, limits = dataset.pixels.channels, dataset.pixels.limits
    depth = f", samples from {limits[0]:g} to {limits[1]:g}" if limits else ""
    return (
        f"{dataset.name}: {dataset.layout}\n"
        f"images: {images}; {_range(rows)} rows × {_range(columns)} columns, {channels} channels{depth}\n"
        f"masks: {dataset.classes.count} classes, spelled as {dataset.classes.encoding}"
    )


def _classes(report: Report) -> str:
    total = {split: max(1, sum(counts.values())) for split, counts in report.pixels.items()}
    rows = [["class", "images", *(f"% of {split}" for split in total), "weight"]]
    for name, weight in report.weights.items():
        shares = [f"{100 * counts[name] / total[split]:.3f}" for split, counts in report.pixels.items()]
        rows.append([name, f"{report.images[name]:,}", *shares, f"{weight:.3f}"])
    rows.append(["(ignored)", "", *(f"{100 * share:.3f}" for share in report.ignored.values()), ""])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join([f"{row[0]:<{widths[0]}}", *(f"{v:>{w}}" for v, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return "\n".join(
        [*lines, "% of the pixels of classes, and of all for the ignored ones; weight: by median frequency balancing"]
    )


def _findings(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for kind in dict.fromkeys(finding.kind for finding in findings):
        of_kind = [finding for finding in findings if finding.kind == kind]
        lines += [f"- {finding.sentence}" for finding in of_kind[:SHOWN]]
        if len(of_kind) > SHOWN:
            lines.append(f"  … and {len(of_kind) - SHOWN} more of this kind ({kind}); --json lists them all.")
    return lines


def _range(extent: tuple[int, int]) -> str:
    return f"{extent[0]}" if extent[0] == extent[1] else f"{extent[0]} – {extent[1]}"
