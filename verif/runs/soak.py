"""The soak run: any number of random arrays and random networks on the simulated accelerator.

Every pair of an array and a network of one to three layers must agree with the golden model in every bit and in the
number of cycles.
"""

import os
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from signum.hdl.lib.command import Command, Integer, Refusal
from signum.verif.bench.cases import draw_case, draw_config
from signum.verif.bench.programs import check_cases
from signum.verif.bench.simulate import SIMULATORS, simulator_missing

__all__ = ["check_array", "command"]

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


@click.command("soak", cls=Command)
@click.option("--n", "-n", type=Integer(1), default=200, show_default=True, help="Pairs of an array and a network.")
@click.option("--seed", type=Integer(1), default=1, show_default=True, help="Which arrays and networks are drawn.")
def command(n: int, seed: int) -> int:
    """Check random arrays and random networks, as many as asked for.

    SIM of the environment chooses the simulator. The exit status is 1 if a result or a cycle count differs.
    """
    console = Console()
    chosen = os.environ.get("SIM")
    if chosen and (reason := simulator_missing(chosen)):
        raise Refusal(reason)
    simulators = [chosen] if chosen else [name for name in SIMULATORS if not simulator_missing(name)]
    groups = [min(PAIRS, n - first) for first in range(0, n, PAIRS)]
    failures = []
    columns = (TextColumn("arrays and networks"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar, ProcessPoolExecutor(os.cpu_count()) as pool:
        task = bar.add_task("soak", total=n)
        jobs: dict[Future[None], int] = {
            pool.submit(check_array, seed, i, pairs, simulators[i % len(simulators)]): pairs
            for i, pairs in enumerate(groups)}
        for job in as_completed(jobs):
            if error := job.exception():
                failures.append(str(error))
                console.print(str(error), style="red", markup=False)
            bar.advance(task, jobs[job])
    console.print(f"{n} networks on {len(groups)} arrays, seed {seed}, on {' and '.join(simulators)}: "
                  f"mismatches of results or cycles on {len(failures)} arrays", soft_wrap=True)
    return 1 if failures else 0
