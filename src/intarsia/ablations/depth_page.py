"""The page of depth completion: what a network is worth beside filling without learning, and CSPN to a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from intarsia.ablations.claim import Verdict, verdict
from intarsia.ablations.depth import AGAINST, BASE, COUNTS, CSPN, FILLS, JUDGED, PLAIN, VARIANTS, DepthVariant
from intarsia.ablations.depth_trials import DRAWS, NETWORK
from intarsia.ablations.dots import Panel, Row, dot_chart
from intarsia.ablations.evidence import mean_and_range, table
from intarsia.ablations.variant import SEEDS
from intarsia.ablations.work import Result

CHART = "pictures/depth/scores.svg"
SPLIT, ANSWERS = "pictures/depth/split.png", "pictures/depth/answers.png"
BEGINNING = "what networks begin with"
SCORES = {
    "rmse": ("RMSE, m", 3),
    "mae": ("MAE, m", 3),
    "rel": ("REL", 4),
    "delta_1.05": ("δ1.05", 3),
    "delta_1.25": ("δ1.25", 3),
}


@dataclass(frozen=True)
class DepthEvidence:
    """The results by variant's label and count, seed by seed, of so many cuttings; what they begin with."""

    train: int
    results: Mapping[tuple[str, int], Sequence[Result]]
    beginnings: Mapping[int, Mapping[str, float]]  # by count: what the networks begin with

    def scores(self, variant: DepthVariant, count: int, name: str = "rmse") -> list[float]:
        """Of a network, seed by seed."""
        return [result.scores[f"{NETWORK}.{name}"] for result in self.results[variant.label, count]]

    def of_fill(self, fill: str, count: int, name: str = "rmse") -> float:
        """The same beside every network, since all are told the same."""
        return next(
            result.scores[f"{fill}.{name}"] for (_, of), r in self.results.items() if of == count for result in r
        )

    @property
    def taken_with(self) -> str:
        """What the results say they were taken with."""
        return "; ".join(sorted({result.taken_with for results in self.results.values() for result in results}))

    @property
    def trainings(self) -> int:
        """How many."""
        return sum(map(len, self.results.values()))

    @property
    def minutes(self) -> float:
        """Of all trainings together, one after the other."""
        return sum(result.seconds for results in self.results.values() for result in results) / 60


def depth_page(evidence: DepthEvidence, command: str) -> str:
    """The page in Markdown, made by a command."""
    parts = [
        _introduction(evidence),
        f"![The scene and its depths, with the parts that are trained on and judged in frames]({SPLIT})",
        "*Blue: all training pictures are cut from it. Green: the two pictures that are judged. Black: unknown.*",
        "## Scores",
        f"![Every network and every fill: every seed a dot, the mean a bar]({CHART})",
        *(_scores(evidence, count) for count in COUNTS),
        "## Against each other",
        _rule(),
        _verdicts(evidence),
        "[What came out, and why](depth.md#where-a-network-loses-and-why).",
        "## What they answer",
        f"![Image, measurements, truth, and what each fill and network answers]({ANSWERS})",
        f"*{JUDGED} measured, seed {SEEDS[0]}. Below each depth map its error: too near is warm, too far is cold.*",
        f"Made by `{command}` ({evidence.taken_with}): {evidence.trainings} trainings with one thread each, "
        f"whose clocks add up to {evidence.minutes:.0f} minutes.",
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(evidence: DepthEvidence) -> str:
    steps = evidence.train // BASE["batch_size"]
    return f"""# Depth completion, measured

An image and some hundred measured depths: what do the others come to? Every network is trained with ResNet-18, from
nothing, for {steps} steps of {BASE["batch_size"]} crops of 112 × 112 pixels, cut from the left half of one scene,
`sample:motorcycle`, and judged on two pictures of its right half, which no training saw and nothing was chosen by. Each
is measured {len(DRAWS)} times, at other pixels; networks and fills are told the same. Scores are over all pixels with
a known depth, of all of them together: the mean over the seeds {", ".join(map(str, SEEDS))}, the smallest and the
largest. Networks that are not said to be the paper's are of the form `filled`, which begins with the measurements,
filled in a plain way (pull-push): as long as nothing is learned, that is the answer without CSPN."""


def _scores(evidence: DepthEvidence, count: int) -> str:
    rows = [
        [words, *(f"{evidence.of_fill(fill, count, name):.{decimals}f}" for name, (_, decimals) in SCORES.items())]
        for fill, words in FILLS.items()
    ]
    rows.append(
        [BEGINNING, *(f"{evidence.beginnings[count][name]:.{decimals}f}" for name, (_, decimals) in SCORES.items())]
    )
    rows += [
        [
            v.label,
            *(mean_and_range(evidence.scores(v, count, name), decimals) for name, (_, decimals) in SCORES.items()),
        ]
        for v in VARIANTS
        if count in v.counts
    ]
    return table([f"{count} measured", *(title for title, _ in SCORES.values())], rows)


def _rule() -> str:
    return (
        f"The difference of RMSE, in metres: its mean, and seed by seed. It **shows** if it has the same sign for all "
        f"{len(SEEDS)}\nseeds and its mean exceeds the larger spread of both sides, from a side's smallest to its "
        "largest score."
    )


def _verdicts(evidence: DepthEvidence) -> str:
    rows = [
        [
            f"{one.label} − {other.label}",
            str(count),
            *_difference(evidence.scores(one, count), evidence.scores(other, count)),
        ]
        for one, other in AGAINST
        for count in COUNTS
        if count in one.counts and count in other.counts
    ]
    rows += [
        [
            f"{v.label} − {FILLS[fill]}",
            str(count),
            *_difference(evidence.scores(v, count), [evidence.of_fill(fill, count)] * len(SEEDS)),
        ]
        for v in (CSPN, PLAIN)
        for fill in FILLS
        for count in COUNTS
    ]
    return table(["", "measured", "difference", "lower RMSE"], rows)


def _difference(first: Sequence[float], second: Sequence[float]) -> tuple[str, Verdict]:
    differences = [one - other for one, other in zip(first, second, strict=True)]
    shows = verdict(first, second, "below")
    written = f"{mean(differences):+.3f}"
    each = ", ".join(f"{difference:+.3f}" for difference in differences)
    return f"{written if shows == 'does not show at this size' else f'**{written}**'} ({each})", shows


def chart(evidence: DepthEvidence) -> str:
    """A panel a count, a row a fill or a variant."""
    panels = [
        Panel(
            f"{count} measured",
            (
                *(Row(words, (evidence.of_fill(fill, count),)) for fill, words in FILLS.items()),
                Row(BEGINNING, (evidence.beginnings[count]["rmse"],)),
                *(Row(v.label, tuple(evidence.scores(v, count))) for v in VARIANTS if count in v.counts),
            ),
        )
        for count in COUNTS
    ]
    return dot_chart(panels, "RMSE of every network, each seed, and of every fill", "metres", 3)
