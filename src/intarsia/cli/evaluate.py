"""`intarsia evaluate`."""

import json
from pathlib import Path


def evaluate(
    run: Path, data: str, /, *, split: str | None = None, report: Path | None = None, as_json: bool = False
) -> None:
    """Score a trained run on a split of a dataset, at full resolution.

    Args:
        run: The run folder.
        data: The dataset, as for train.
        split: train, val or test; by default val.
        report: Also write a page with scores, confusion matrix and the worst images first.
        as_json: Print JSON instead of a table.
    """
    from intarsia.diagnostics.run_report import report_on_run
    from intarsia.inference import evaluate as score

    scores = score(run, data, split) if report is None else report_on_run(run, data, report, split=split).network
    print(json.dumps(scores.to_json()) if as_json else scores.table())
