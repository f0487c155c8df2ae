"""The search for the best array for a network on a board: models of all candidates, synthesis of the best few."""

import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from signum.fpga.flow.board_record import Board
from signum.fpga.flow.boards import board_named
from signum.fpga.flow.build import synthesize
from signum.fpga.flow.commands import FAILED, REFUSED, board_option
from signum.fpga.flow.estimate import fit_area
from signum.fpga.flow.families import BOARD_FAMILIES
from signum.fpga.flow.placement import place
from signum.fpga.flow.report import fmax_mhz, load_board_rows, utilization
from signum.fpga.flow.tools import BuildError
from signum.golden.networks.digits import NETWORKS
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.command import Command, Folder, Integer, Number, OneOf, Refusal
from signum.hdl.presets import PRESETS

from .cache import Cache, sources
from .candidates import (
    AXES,
    CHECKSUM,
    OBJECTIVES,
    Candidate,
    ExploreError,
    axes_of,
    candidate,
    candidates,
    graph_of,
    limits,
    link_seconds,
    model_stages,
    model_whole,
    nearest,
    network_named,
    ranked,
    rate,
    stage_configs,
)
from .pareto import pareto_front, picture_candidates

__all__ = ["Runner", "build_candidate", "clock_of", "executor_of", "explore", "explore_command", "save"]

OUT = Path("build/explore")
STAGED = 16
"""Number of arrays modelled with a network in stages, if no array holds it whole: the largest that fit."""
SHOWN = 12
GET_DASK = "the scheduler needs Dask: python -m pip install 'distributed>=2024.8'"


@contextmanager
def executor_of(jobs: int, scheduler: str | None) -> Iterator[Executor | None]:
    """The executor of the work: None for this process alone, processes of this machine, or workers of a Dask scheduler.

    Raises
    ------
    ExploreError
        If Dask is not installed, the scheduler does not answer, or a worker has other sources than this machine.
    """
    if scheduler is None:
        if jobs == 1:
            yield None
            return
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool
        return
    try:
        from distributed import Client
    except ImportError:
        raise ExploreError(GET_DASK) from None
    try:
        client = Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ExploreError(f"scheduler must be the address of a Dask scheduler, such as tcp://host:8786, "
                           f"not {scheduler} ({' '.join(str(error).split())})") from None
    with client:
        different = sorted(worker for worker, found in client.run(sources).items() if found != sources())
        if different:
            raise ExploreError(f"all workers must have the sources of this machine, not {', '.join(different)}")
        yield client.get_executor()


@dataclass(frozen=True)
class Runner:
    """Calls functions of JSON values, in this process or by an executor, and keeps their results.

    Parameters
    ----------
    cache : Cache
    executor : Executor, optional
        By default this process makes the calls, one after the other.
    progress : callable
        Called with the name of the work, the number of finished calls, and the number of calls.
    """

    cache: Cache
    executor: Executor | None = None
    progress: Callable[[str, int, int], None] = field(default=lambda what, done, total: None)

    def map(self, what: str, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The results in order; calls with kept results are not repeated."""
        results: dict[int, Any] = {}
        for i, call in enumerate(calls):
            try:
                results[i] = self.cache.get(function.__name__, call)
            except KeyError:
                continue
        self.progress(what, len(results), len(calls))
        for i, result in self._call(function, {i: call for i, call in enumerate(calls) if i not in results}):
            results[i] = result
            self.cache.put(function.__name__, calls[i], result)
            self.progress(what, len(results), len(calls))
        return [results[i] for i in range(len(calls))]

    def _call(self, function: Callable[..., Any], calls: Mapping[int, tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        if self.executor is None:
            for i, call in calls.items():
                yield i, function(*call)
            return
        futures: dict[Future[Any], int] = {self.executor.submit(function, *call): i for i, call in calls.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()


def clock_of(board: Board, pipeline: int) -> float:
    """The assumed clock in Hz: the lowest Fmax of kept builds for the board with this pipeline, or its default.

    Only builds of presets count, from `fpga.flow.report.BOARDS_REPORT`.
    """
    reached = [row["fmax_mhz"] for row in load_board_rows() if row["board"] == board.name and row["preset"]
               and ArrayConfig.from_dict(PRESETS[row["preset"]]).pipeline == pipeline]
    return min(reached) * 1e6 if reached else board.pll(board.frequency).frequency


def build_candidate(name: str, values: Mapping[str, int], placed: bool) -> dict[str, Any]:
    """Synthesize an array for a board, and place it if asked.

    Returns ``lut`` (LUT4 equivalents of Yosys), ``ram``, ``ff``, and with ``placed`` nextpnr's ``fmax_mhz`` and
    ``logic`` cells; ``why`` where nextpnr could not place or route the array.
    """
    board = board_named(name)
    pll, line = board.pll(board.frequency), board.line()
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        counts = synthesize(board, board.design(ArrayConfig.from_dict(dict(values)), pll, line), line, folder)
        kinds = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
        rams = sum(count for kind, count in kinds.items() if kind.startswith(board.family.rams))
        found: dict[str, Any] = {"lut": counts["lut4_equivalents"], "ram": rams, "ff": counts["ff"]}
        if placed:
            try:
                report = place(board, 1, folder, pll.frequency)
            except BuildError as error:
                return found | {"why": str(error)}
            found |= {"fmax_mhz": round(fmax_mhz(report, pll.frequency / 1e6), 2),
                      "logic": utilization(report, board.family)["lut"]}
    return found


def measure(row: Candidate, found: Mapping[str, Any], board: Board) -> None:
    """Set the figures of a candidate from synthesis; its fit and its clock may change."""
    most_luts, most_rams = limits(board)
    row["measured"] = {name: value for name, value in found.items() if name != "why"}
    why = [found["why"]] if "why" in found else []
    if "fmax_mhz" not in found and found["lut"] > most_luts:        # with an Fmax, nextpnr has placed them
        why.append(f"LUTs must be at most {most_luts}, not {found['lut']}")
    if found["ram"] > most_rams:
        why.append(f"block RAMs must be at most {most_rams}, not {found['ram']}")
    row |= {"fits": not why, "why": "; ".join(why)}
    rate(row, board, found["fmax_mhz"] * 1e6 if "fmax_mhz" in found else row["clock_mhz"] * 1e6)


def explore(network: str, board: Board, runner: Runner, *, objective: str = "images_per_s",
            axes: Mapping[str, Sequence[int]] = AXES, top: int = 3, placed: bool = False,
            frequency: float | None = None) -> dict[str, Any]:
    """Search for the best array.

    Parameters
    ----------
    network : str
        See `fpga.explore.candidates.network_named`.
    board : Board
    runner : Runner
    objective : str
        A name in `OBJECTIVES`.
    axes : mapping of str to sequence of int
        Values to try of each parameter of `AXES`.
    top : int
        Number of the best arrays to synthesize; an array that does not fit is replaced by the next, `top` times.
    placed : bool
        Place and route them too, and use their Fmax.
    frequency : float, optional
        Assumed clock in Hz; by default `clock_of` the board and the pipeline.

    Returns
    -------
    dict
        ``network``, ``board``, ``device``, ``objective``, ``sources``, ``best`` (an entry of ``candidates``), and
        ``candidates``, each as of `fpga.explore.candidates.candidate`, with ``measured`` after its synthesis.

    Raises
    ------
    ExploreError
        If the network or the objective is unknown, or no array fits.
    """
    if objective not in OBJECTIVES:
        raise ExploreError(f"objective must be one of {', '.join(OBJECTIVES)}, not {objective}")
    graph = graph_of(network)
    pairs = candidates(graph, board, axes)
    family = board.family.name
    area = fit_area(pairs[0][0], [(config.lanes, config.pipeline) for config, _ in pairs], family,
                    lambda function, calls: runner.map("areas of small arrays", function, calls))
    clocks = {pipeline: clock_of(board, pipeline) if frequency is None else frequency
              for pipeline in {config.pipeline for config, _ in pairs}}

    def rows_of(modelled: Mapping[int, Mapping[str, Any]]) -> list[Candidate]:
        return [candidate(board, config, split, area, clocks[config.pipeline], modelled.get(i))
                for i, (config, split) in enumerate(pairs)]

    small = [i for i, (config, _) in enumerate(pairs) if area(config) <= limits(board)[0]]
    calls = [(network, pairs[i][0].to_dict(), pairs[i][1]) for i in small]
    whole = runner.map("cycles", model_whole, calls)
    rows = rows_of(dict(zip(small, whole, strict=True)))
    if not any(row["fits"] for row in rows):
        rows = rows_of(dict(zip(small, whole, strict=True)) | _in_stages(network, board, pairs, small, runner))
    if not any(row["fits"] for row in rows):
        raise ExploreError(refusal(network, board, rows))
    _synthesize(rows, board, runner, objective, top, placed)
    order = ranked(rows, objective)
    best = next((row for row in order if row["measured"]), None if top else order[0])
    if best is None:
        raise ExploreError(refusal(network, board, [row for row in rows if row["measured"]]))
    return {"network": title(network), "board": board.name, "device": board.device, "objective": objective,
            "sources": sources(), "best": rows.index(best), "candidates": rows}


def _in_stages(network: str, board: Board, pairs: Sequence[tuple[ArrayConfig, bool]], small: Sequence[int],
               runner: Runner) -> dict[int, dict[str, Any]]:
    """The largest arrays that take the network in stages, by number, each with the memories of the shortest run."""
    found: dict[int, dict[str, Any]] = {}
    order = sorted(small, key=lambda i: -pairs[i][0].binops_per_cycle)
    for start in range(0, len(order), STAGED):
        if sum("cycles" in modelled for modelled in found.values()) >= STAGED:
            break
        tasks = [(i, config) for i in order[start:start + STAGED] for config in stage_configs(pairs[i][0], board)]
        calls = [(network, config.to_dict(), pairs[i][1]) for i, config in tasks]
        for (i, _), modelled in zip(tasks, runner.map("cycles in stages", model_stages, calls), strict=True):
            if i not in found or run_seconds(modelled, board) < run_seconds(found[i], board):
                found[i] = modelled
    return found


def run_seconds(modelled: Mapping[str, Any], board: Board) -> float:
    """Seconds of a run in stages at the board's default clock; infinite where the network does not fit."""
    if "cycles" not in modelled:
        return float("inf")
    return modelled["cycles"] / board.frequency + link_seconds(modelled["link_words"], board)


def _synthesize(rows: Sequence[Candidate], board: Board, runner: Runner, objective: str, top: int,
                placed: bool) -> None:
    """Synthesize the best arrays until ``top`` of them fit, at most twice as many."""
    tried: list[dict[str, int]] = []
    while True:
        good = sum(any(row["fits"] for row in rows if row["config"] == config) for config in tried)
        wanted: list[dict[str, int]] = []
        for row in ranked(rows, objective):
            if len(wanted) < min(top - good, 2 * top - len(tried)) and row["config"] not in (*tried, *wanted):
                wanted.append(row["config"])
        if not wanted:
            return
        tried += wanted
        found = runner.map("synthesis", build_candidate, [(board.name, config, placed) for config in wanted])
        for config, counts in zip(wanted, found, strict=True):
            for row in rows:
                if row["config"] == config and row["cycles"] is not None:
                    measure(row, counts, board)


def name_of(row: Candidate) -> str:
    config = row["config"]
    return (f"{config['rows']}x{config['cols']}x{config['lanes']}, tile {config['tile']}, "
            f"pipeline {config['pipeline']}, drain {config['drain_width']}, {row['mode']}")


def title(network: str) -> str:
    """The name of a network in results, of a file that of the file."""
    path, mark, _ = network.partition(CHECKSUM)
    return Path(path).stem if mark else network


def refusal(network: str, board: Board, rows: Sequence[Candidate]) -> str:
    """The reason why no array fits, in one line."""
    row = nearest(rows, board)
    return f"{title(network)} fits no array tried for {board.name}; the nearest is {name_of(row)}: {row['why']}"


def save(result: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """Write NETWORK-BOARD.json, two pictures and the best array as TOML; returns the paths by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{result['network']}-{result['board']}"
    paths = {"candidates": folder / f"{stem}.json", "throughput": folder / f"{stem}-images_per_s.png",
             "latency": folder / f"{stem}-latency_ms.png", "config": folder / f"{stem}.toml"}
    rows = result["candidates"]
    paths["candidates"].write_text(json.dumps(result, indent=1) + "\n")
    for name, speed in (("throughput", "images_per_s"), ("latency", "latency_ms")):
        picture_candidates(paths[name], rows, speed, board_named(result["board"]).capacity.luts,
                           f"{result['network']} on {result['board']}")
    best = rows[result["best"]]
    paths["config"].write_text(
        f"# {result['network']} on {result['board']}, {result['objective']}: {name_of(best)}\n"
        + ArrayConfig.from_dict(best["config"]).to_toml())
    return paths


def show(result: Mapping[str, Any], console: Console) -> None:
    """The best candidates as a table."""
    rows = result["candidates"]
    order = ranked(rows, result["objective"])
    best = rows[result["best"]]
    front = {id(row) for speed in ("images_per_s", "latency_ms") for row in pareto_front(rows, speed)}
    table = Table("array", "tile", "pipe", "drain", "mode", "LUT", "RAM", "MHz", "cycles", "images/s", "ms", box=None,
                  title=f"{result['network']} on {result['board']} by {result['objective']}: "
                        f"{sum(row['fits'] for row in rows)} of {len(rows)} fit")
    synthesized = [row for row in order if row["measured"]]
    for row in [*synthesized, *(row for row in order if not row["measured"])][:SHOWN]:
        config = row["config"]
        known, about = row["measured"] or row, "" if row["measured"] else "~"
        table.add_row(f"{config['rows']}x{config['cols']}x{config['lanes']}", str(config["tile"]),
                      str(config["pipeline"]), str(config["drain_width"]), row["mode"], f"{about}{known['lut']}",
                      f"{about}{known['ram']}", f"{row['clock_mhz']:.1f}", str(row["cycles"]),
                      f"{row['images_per_s']:.5g}", f"{row['latency_ms']:.4g}",
                      style="bold" if row is best else "" if id(row) in front else "dim")
    console.print(table)
    if (stages := best["stages"]) > 1:
        console.print(f"In {stages} stages, which the host loads over the serial line: that takes most of the time.")


class Values(click.ParamType):
    """The values of an axis, such as 1,2,4."""

    name = "values"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            raise Refusal(f"values must be integers with commas between them, not {value}") from None


def axis_options(function: Callable[..., None]) -> Callable[..., None]:
    """An option for each axis, with its default values."""
    for name, values in reversed(list(AXES.items())):
        others = "".join(f"; {family.name} {','.join(map(str, family.axes[name]))}"
                         for family in BOARD_FAMILIES.values() if name in family.axes)
        function = click.option(f"--{name.replace('_', '-')}", name, type=Values(), metavar="N,N",
                                help=f"Values to try.  [default: {','.join(map(str, values))}{others}]")(function)
    return function


@click.command("explore", cls=Command, refused=(*REFUSED, ExploreError), failed=FAILED)
@click.option("--network", required=True, metavar="NAME",
              help=f"The network to choose an array for: {', '.join(sorted(NETWORKS))}, or an ONNX file.")
@board_option
@click.option("--objective", type=OneOf(OBJECTIVES), default="images_per_s", show_default=True,
              help="What the best array is best in.")
@click.option("--top", type=Integer(0), default=3, show_default=True, metavar="N",
              help="How many of the best are synthesized.")
@click.option("--place", is_flag=True, help="Place and route them too.")
@click.option("--frequency", type=Number(), metavar="MHZ", help="Clock to reckon with.")
@click.option("--jobs", type=Integer(1), default=os.cpu_count() or 1, metavar="N",
              help="Processes; by default all cores.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler instead, such as tcp://host:8786.")
@click.option("--out", type=Folder(), default=OUT, show_default=True, help="Folder of the results.")
@axis_options
def explore_command(network: str, board: str, objective: str, top: int, place: bool, frequency: float | None,
                    jobs: int, scheduler: str | None, out: Path, **given: tuple[int, ...] | None) -> None:
    """Look for the best array for a network on a board.

    All candidates are modelled, the best few synthesized, and all drawn as pictures. The result is a configuration
    for `signum build`.
    """
    console = Console()
    chosen = board_named(board)
    network = network_named(network)
    graph_of(network)
    axes = {name: given[name] or values for name, values in axes_of(chosen).items()}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with executor_of(jobs, scheduler) as executor, Progress(*columns, console=console) as bar:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        runner = Runner(Cache(out / "cache"), executor, progress)
        result = explore(network, chosen, runner, objective=objective, axes=axes, top=top, placed=place,
                         frequency=None if frequency is None else frequency * 1e6)
    paths = save(result, out)
    show(result, console)
    for path in paths.values():
        console.print(str(path), highlight=False, soft_wrap=True)
    console.print(f"signum build --board {chosen.name} --config {paths['config']}", highlight=False, soft_wrap=True)
