"""The bench of training from end to end: train, judge, write the page."""

from dataclasses import dataclass
from pathlib import Path

from intarsia.ablations.bench import Bench, check_places
from intarsia.ablations.evidence import Evidence
from intarsia.ablations.network_bench import distinct
from intarsia.ablations.training import QUESTIONS, Question
from intarsia.ablations.training_page import PICTURES, chart, training_page
from intarsia.ablations.trials import Trial, prepare_data
from intarsia.ablations.variant import SEEDS
from intarsia.ablations.work import Result
from intarsia.ablations.workers import perform_all
from intarsia.files import write_text


@dataclass(frozen=True)
class TrainingBench(Bench):
    """Trains what is asked of training."""

    questions: tuple[Question, ...] = QUESTIONS

    def trials(self) -> dict[tuple[str, str, int], Trial]:
        """By question, the variant's key and seed; seed by seed."""
        return {
            (question.name, key, seed): Trial(variant, question.mosaics, seed, self.runs)
            for seed in SEEDS
            for question in self.questions
            for key, variant in distinct(question.claim.variants, question.mosaics).items()
        }

    def write(self, out: Path) -> None:
        """Do what is not done yet, and write the page; its pictures go to pictures/training beside it.

        Raises:
            RunError: a folder cannot be written to, or a training process failed or was killed.
            Interrupted: after Ctrl-C; the same call goes on.
        """
        check_places(self.runs, out)
        trials = self.trials()
        for mosaics in {question.mosaics for question in self.questions}:
            prepare_data(mosaics, self.runs)
        perform_all([trial for trial in trials.values() if trial.variant.processes == 1], self.processes, self.say)
        perform_all([trial for trial in trials.values() if trial.variant.processes > 1], 1, self.say)
        evidence = {question.name: self._gathered(question, trials) for question in self.questions}
        for question in self.questions:
            write_text(out.parent / PICTURES / f"{question.name}.svg", chart(question, evidence[question.name]))
        write_text(out, training_page(self.questions, evidence, self.command("training", out)))
        self.say(f"Written: `{out}`.")

    def _gathered(self, question: Question, trials: dict[tuple[str, str, int], Trial]) -> Evidence:
        results: dict[str, list[Result]] = {}
        for (name, key, _), trial in trials.items():
            if name == question.name:
                result = trial.result()
                assert result is not None, "all are done"
                results.setdefault(key, []).append(result)
        return Evidence(question.mosaics, results, {})
