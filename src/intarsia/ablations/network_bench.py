"""The benches of networks from end to end: choose, train, measure, write the page."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from intarsia.ablations.affinity import AFFINITY
from intarsia.ablations.affinity_costs import measure_affinity
from intarsia.ablations.affinity_page import CHART, SHOWN, affinity_page
from intarsia.ablations.affinity_page import PICTURE as BORDERS
from intarsia.ablations.affinity_page import chart as affinity_chart
from intarsia.ablations.bench import Bench, check_places, write_picture
from intarsia.ablations.border_picture import border_picture
from intarsia.ablations.claim import Claim
from intarsia.ablations.claims import CLAIMS
from intarsia.ablations.claims_page import PICTURES, claims_page, logits_file, pictures
from intarsia.ablations.costs import measure_all
from intarsia.ablations.evidence import Evidence
from intarsia.ablations.logits_picture import logits_picture
from intarsia.ablations.mosaics import MOSAICS, Mosaics
from intarsia.ablations.systems import SYSTEMS
from intarsia.ablations.systems_page import PAGE_OF, PICTURE, chart, systems_page, with_measured
from intarsia.ablations.trials import Trial, prepare_data
from intarsia.ablations.variant import SEEDS, Variant
from intarsia.ablations.work import Result
from intarsia.ablations.workers import perform_all
from intarsia.errors import UnknownNameError
from intarsia.files import write_text


@dataclass(frozen=True)
class NetworkBench(Bench):
    """Trains variants of networks on ``mosaics``: what claims compare, all systems, affinities."""

    mosaics: Mosaics = MOSAICS

    def claims(self, out: Path, only: Collection[str] = ()) -> None:
        """Train what the claims compare; the page's charts go to pictures/claims beside it.

        Raises:
            UnknownNameError: there is no claim of a name in ``only``.
            RunError: a folder cannot be written to, or a training process was killed.
            Interrupted: after Ctrl-C; the same call goes on.
        """
        claims = {name: CLAIMS[name] for name in chosen("claim", CLAIMS, only)}
        evidence = self._evidence((variant for claim in claims.values() for variant in claim.variants), out)
        for name, picture in pictures(claims, evidence).items():
            write_text(out.parent / PICTURES / name, picture)
        for name in (name for name, claim in claims.items() if claim.shows_logits):
            self._draw_logits(claims[name], out.parent / PICTURES / logits_file(name))
        write_text(out, claims_page(claims, evidence, self.command("claims", out, only)))
        self.say(f"Written: `{out}`.")

    def _draw_logits(self, claim: Claim, path: Path) -> None:
        write_picture(path, logits_picture([self._first(variant) for variant in claim.variants]))

    def _first(self, variant: Variant) -> Trial:
        """With the first seed, of which pictures are drawn."""
        return Trial(variant, self.mosaics, SEEDS[0], self.runs)

    def models(self, out: Path, only: Collection[str] = ()) -> None:
        """Train every system on the same backbone.

        Where a folder models beside the page holds pages of systems, their sections "Measured here" are written anew.
        Raises what :meth:`claims` raises.
        """
        systems = {name: SYSTEMS[name] for name in chosen("model", SYSTEMS, only)}
        evidence = self._evidence(systems.values(), out)
        write_text(out.parent / PICTURE, chart(systems, evidence))
        write_text(out, systems_page(systems, evidence, self.command("models", out, only)))
        for name, variant in systems.items():
            path = out.parent / "models" / f"{name}.md"
            if name not in PAGE_OF and path.is_file():
                write_text(path, with_measured(path.read_text(encoding="utf-8"), variant, evidence))
        self.say(f"Written: `{out}`.")

    def affinity(self, out: Path) -> None:
        """Train one network on with and without SPN, CSPN, a dense CRF and affinity fields.

        Raises what :meth:`claims` raises.
        """
        wanted = {variant.key(self.mosaics): variant for variant in AFFINITY.variants}
        check_places(self.runs, out)
        evidence = Evidence(self.mosaics, self._trained(wanted), {})
        write_picture(out.parent / BORDERS, border_picture({t: self._first(v) for t, v in SHOWN.items()}))
        self.say("Measuring what they cost.")
        trials = [self._first(variant) for variant in SHOWN.values()]
        measured = measure_affinity(trials, self.runs / "costs" / f"affinity_{self.mosaics.name}.json")
        costs = {trial.variant.label: measured[trial.name] for trial in trials}
        write_text(out.parent / CHART, affinity_chart(evidence))
        write_text(out, affinity_page(evidence, costs, self.command("affinity", out)))
        self.say(f"Written: `{out}`.")

    def _evidence(self, variants: Iterable[Variant], out: Path) -> Evidence:
        """All trainings first, then the costs with nothing beside them."""
        check_places(self.runs, out)
        wanted = distinct(variants, self.mosaics)
        results = self._trained(wanted)
        self.say("Measuring what the networks cost, one at a time.")
        return Evidence(self.mosaics, results, measure_all(wanted, self.runs))

    def _trained(self, wanted: Mapping[str, Variant]) -> Mapping[str, tuple[Result, ...]]:
        """Seed by seed: after a third of the time there is one result of each; what others begin with is first."""
        prepare_data(self.mosaics, self.runs)
        trials = {
            (key, seed): Trial(variant, self.mosaics, seed, self.runs)
            for seed in SEEDS
            for key, variant in wanted.items()
        }
        for depth in sorted({variant.depth for variant in wanted.values()}):
            perform_all([t for t in trials.values() if t.variant.depth == depth], self.processes, self.say)
        results = {place: result for place, trial in trials.items() if (result := trial.result())}
        return {key: tuple(results[key, seed] for seed in SEEDS) for key in wanted}


def distinct(variants: Iterable[Variant], mosaics: Mosaics) -> dict[str, Variant]:
    """By key: what occurs in several claims is trained once, and takes the scores of all of them."""
    wanted: dict[str, Variant] = {}
    for variant in variants:
        first = wanted.setdefault(variant.key(mosaics), variant)
        scores = dict.fromkeys((*first.scores, *variant.scores))
        wanted[variant.key(mosaics)] = replace(first, scores=tuple(scores))
    return wanted


def chosen(kind: str, known: Collection[str], only: Collection[str]) -> list[str]:
    """All names, or those asked for, in the catalog's order.

    Raises:
        UnknownNameError: there is none of that name.
    """
    for name in only:
        if name not in known:
            raise UnknownNameError(kind, name, known, "`intarsia bench --help`")
    return [name for name in known if not only or name in only]
