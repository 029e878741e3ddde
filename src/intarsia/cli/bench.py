"""`intarsia bench`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def bench(
    what: Literal["claims", "models", "affinity", "depth", "training"],
    /,
    *,
    out: Path | None = None,
    runs: Path = Path("runs/claims"),
    only: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = (),
    processes: int = 2,
) -> None:
    """Train small networks with and without what the papers claim to help, and write a page of what came out.

    claims: output_stride, fcn_skips, fcn_deconvolution, unet_skip, unet_upsampling, checkerboard, auxiliary, aspp,
    decoder, hybrid_rates, dual_attention, gates, attention_blocks. models: every model that `intarsia models` lists.
    affinity: one network with SPN, CSPN, a dense CRF and affinity fields behind it, beside it, and without. depth: a
    network that completes depths with and without CSPN, from 100, 500 and 1000 measured ones, and filling without
    learning: 24 trainings on cuttings of sample:motorcycle, 97 minutes of one core, half of that two at a time.
    training: stages, batch norm in several processes, rare classes, auxiliary loss, averages.
    What is finished is kept in the folder of runs and not repeated, so that the same command goes on where it was
    stopped.

    Args:
        what: claims compares variants of networks; models trains every model on the same backbone; affinity refines
            the borders of one; depth completes depths with and without CSPN; training changes how one is trained.
        out: The page; charts go to pictures/claims beside it, or to pictures/depth or training. By default claims.md,
            depth.md and so on in the folder of runs.
        runs: Where trainings and results are kept.
        only: Names of claims or models; by default all. The others are compared whole.
        processes: Trainings at a time, each with one thread.
    """
    from intarsia.ablations.affinity import MOSAICS
    from intarsia.ablations.depth_bench import DepthBench
    from intarsia.ablations.network_bench import NetworkBench
    from intarsia.ablations.training_bench import TrainingBench
    from intarsia.errors import ArgumentError

    page = out or runs / f"{what}.md"
    of_networks = NetworkBench(runs, processes)
    if what == "claims":
        of_networks.claims(page, only)
    elif what == "models":
        of_networks.models(page, only)
    elif only:
        raise ArgumentError(f"`only` (={' '.join(only)}) names claims or models; leave it out for bench {what}.")
    elif what == "affinity":
        NetworkBench(runs, processes, mosaics=MOSAICS).affinity(page)
    else:
        bench = DepthBench if what == "depth" else TrainingBench
        bench(runs, processes).write(page)
