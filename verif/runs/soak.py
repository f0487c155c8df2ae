"""Random arrays and random layers on the simulated accelerator, as many as asked for.

Every pair of an array and a network of one to three layers must agree with the golden model in every bit and in the
number of cycles.
"""

import argparse
import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from signum.verif.bench.cases import draw_case, draw_config
from signum.verif.bench.programs import check_cases
from signum.verif.bench.simulate import SIMULATORS, simulator_missing

__all__ = ["check_array", "main"]

PAIRS = 5       # networks for each array


def check_array(seed: int, index: int, pairs: int, simulator: str | None = None) -> None:
    """Draw an array and ``pairs`` networks for it, and check them in one simulation.

    Raises
    ------
    AssertionError
        See `verif.bench.programs.check_cases`.
    """
    rng = np.random.default_rng([seed, index])
    config = draw_config(rng)
    cases = [draw_case(rng, config, layers=3) for _ in range(pairs)]
    check_cases(config, cases, simulator=simulator, stall=0.1 * (index % 2))


def positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, not {text!r}")
    return value


def main() -> int:
    """The command; returns 1 if a network disagreed, 2 if the simulator of ``SIM`` cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m signum.verif.runs.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=positive, default=200, help="pairs of an array and a network")
    parser.add_argument("--seed", type=positive, default=1)
    options = parser.parse_args()
    console = Console()
    chosen = os.environ.get("SIM")
    if chosen and (reason := simulator_missing(chosen)):
        console.print(reason, markup=False)
        return 2
    simulators = [chosen] if chosen else [name for name in SIMULATORS if not simulator_missing(name)]
    groups = [min(PAIRS, options.n - first) for first in range(0, options.n, PAIRS)]
    failures = []
    columns = (TextColumn("arrays and networks"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar, ProcessPoolExecutor(os.cpu_count()) as pool:
        task = bar.add_task("soak", total=options.n)
        jobs: dict[Future[None], int] = {
            pool.submit(check_array, options.seed, i, pairs, simulators[i % len(simulators)]): pairs
            for i, pairs in enumerate(groups)}
        for job in as_completed(jobs):
            if error := job.exception():
                failures.append(str(error))
                console.print(str(error), style="red", markup=False)
            bar.advance(task, jobs[job])
    console.print(f"{options.n} networks on {len(groups)} arrays, seed {options.seed}, on {' and '.join(simulators)}: "
                  f"mismatches of results or cycles on {len(failures)} arrays", soft_wrap=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
