"""A report as plain text."""

from collections.abc import Sequence

from intarsia.data.checking.depth_report import DepthReport
from intarsia.data.checking.finding import Finding
from intarsia.data.checking.report import Report
from intarsia.data.depth.camera import CAMERA_EXAMPLE
from intarsia.data.depth.files import UNIT_FILE

SHOWN = 5  # findings of one kind


def table(report: Report) -> str:
    """What was recognised, a line a class, and the findings, of which the first few of each kind."""
    return _with_findings([_heading(report), *([] if report.dataset is None else [_classes(report)])], report.findings)


def depth_table(report: DepthReport) -> str:
    """What was recognised of a depth set, a line a split, and the findings, of which the first few of each kind."""
    blocks = [_depth_heading(report), *([] if report.dataset is None else [_splits(report)])]
    return _with_findings(blocks, report.findings)


def _with_findings(blocks: list[str], findings: Sequence[Finding]) -> str:
    for severity, word in (("error", "ERRORS: these files cannot be used"), ("warning", "WARNINGS")):
        chosen = [finding for finding in findings if finding.severity == severity]
        if chosen:
            blocks.append("\n".join([f"{word} ({len(chosen)})", *_findings(chosen)]))
    if not findings:
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
    return _aligned(rows) + (
        "\n% of the pixels of classes, and of all for the ignored ones; weight: by median frequency balancing"
    )


def _depth_heading(report: DepthReport) -> str:
    if report.dataset is None:
        return f"{report.source}: nothing that can be used."
    dataset, (rows, columns) = report.dataset, report.shapes
    images = ", ".join(f"{len(samples)} {split}" for split, samples in dataset.splits.items())
    total = sum(map(len, dataset.splits.values()))
    unit = "metres" if report.unit is None else f"{report.unit:g} m a value"
    return (
        f"{dataset.name}: {dataset.layout}\n"
        f"images: {images}; {_range(rows)} rows × {_range(columns)} columns, {dataset.pixels.channels} channels; "
        f"the camera of {report.cameras if report.cameras < total else 'each'} is known"
        f"{'' if report.cameras == total else f': {UNIT_FILE} may state it, {CAMERA_EXAMPLE}'}\n"
        f"depths: {' and '.join(report.dtypes)}, {unit}"
    )


def _splits(report: DepthReport) -> str:
    rows = [["split", "images", "known %", "measured %", "nearest m", "5 %", "median", "95 %", "farthest m"]]
    for name, split in report.splits.items():
        sensed = "-" if split.measured is None else f"{100 * split.measured:.2f}"
        rows.append(
            [name, f"{split.images:,}", f"{100 * split.known:.2f}", sensed, *(f"{m:.4g}" for m in split.metres)]
        )
    return _aligned(rows) + (
        "\nknown: of all pixels; measured: by a sensor of the set's own; 5 %, median and 95 %: of each image, and then "
        "the median over the images"
    )


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join([f"{row[0]:<{widths[0]}}", *(f"{v:>{w}}" for v, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
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
