"""The bench of depth completion from end to end: cut, train, judge, write the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intarsia.ablations.bench import Bench, check_places, write_picture
from intarsia.ablations.depth import COUNTS, JUDGED, VARIANTS
from intarsia.ablations.depth_page import ANSWERS, CHART, SPLIT, DepthEvidence, chart, depth_page
from intarsia.ablations.depth_pictures import answers_picture, split_picture
from intarsia.ablations.depth_trials import DepthTrial, beginning, prepare_cuttings
from intarsia.ablations.variant import SEEDS
from intarsia.ablations.work import Result
from intarsia.ablations.workers import perform_all
from intarsia.files import write_text

CUTTINGS = 800


@dataclass(frozen=True)
class DepthBench(Bench):
    """Trains every variant of depth completion; ``train``: how many cuttings of the scene it sees, each once."""

    train: int = CUTTINGS

    def trials(self) -> list[DepthTrial]:
        """Seed by seed: after a third of the time there is one result of each; the count of the pictures first."""
        counts = sorted({count for variant in VARIANTS for count in variant.counts}, key=lambda count: count != JUDGED)
        return [
            DepthTrial(variant, count, seed, self.train, self.runs)
            for seed in SEEDS
            for count in counts
            for variant in VARIANTS
            if count in variant.counts
        ]

    def write(self, out: Path) -> None:
        """Do what is not done yet, and write the page; its pictures go to pictures/depth beside it.

        Raises:
            RunError: a folder cannot be written to, or a training process was killed.
            Interrupted: after Ctrl-C; the same call goes on.
        """
        check_places(self.runs, out)
        trials = self.trials()
        prepare_cuttings(trials[0])
        perform_all(trials, self.processes, self.say)
        evidence = _gathered(trials)
        shown = {t.variant.label: t.folder for t in trials if (t.count, t.seed) == (JUDGED, SEEDS[0])}
        write_picture(out.parent / SPLIT, split_picture())
        write_picture(out.parent / ANSWERS, answers_picture(shown, JUDGED))
        write_text(out.parent / CHART, chart(evidence))
        write_text(out, depth_page(evidence, self.command("depth", out)))
        self.say(f"Written: `{out}`.")


def _gathered(trials: Sequence[DepthTrial]) -> DepthEvidence:
    """Seeds as they come."""
    results: dict[tuple[str, int], list[Result]] = {}
    for trial in trials:
        result = trial.result()
        assert result is not None, "all are done"
        results.setdefault((trial.variant.label, trial.count), []).append(result)
    return DepthEvidence(trials[0].train, results, {count: beginning(count) for count in COUNTS})
