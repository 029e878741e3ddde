"""The trainings of claims and systems: chosen, done, and put together."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from intarsia.ablations.trials import Result, Trial, prepare_data
from intarsia.ablations.variant import SEEDS, Mosaics, Variant
from intarsia.ablations.workers import Say, perform_all
from intarsia.errors import UnknownNameError

Results = Mapping[str, tuple[Result, ...]]  # of each variant, by its key, seed by seed


def train_variants(
    variants: Iterable[Variant], runs: Path, processes: int, say: Say, mosaics: Mosaics = Mosaics()  # noqa: B008  (frozen)
) -> Results:
    """Train each variant with each seed, once, however often it occurs, unless that was done before.

    Seed by seed: after a third of the time there is one result of each.
    """
    wanted: dict[str, Variant] = {}
    for variant in variants:
        key = variant.key(mosaics)
        scales = {*variant.scales, *(wanted[key].scales if key in wanted else ())}
        wanted[key] = Variant(variant.label, variant.settings, tuple(sorted(scales)))
    prepare_data(mosaics, runs)
    trials = [Trial(variant, mosaics, seed, runs) for seed in SEEDS for variant in wanted.values()]
    perform_all(trials, processes, say)
    found = {trial.name: result for trial in trials if (result := trial.result())}
    return {
        key: tuple(found[Trial(variant, mosaics, seed, runs).name] for seed in SEEDS) for key, variant in wanted.items()
    }


def chosen(kind: str, known: Collection[str], only: Collection[str]) -> list[str]:
    """The names to do: all of them, or those asked for, in the catalog's order.

    Raises:
        UnknownNameError: a name is none of them.
    """
    for name in only:
        if name not in known:
            raise UnknownNameError(kind, name, known, f"`intarsia bench {kind}s --help`")
    return [name for name in known if not only or name in only]
