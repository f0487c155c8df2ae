"""Candidate arrays for a network and a board: their enumeration, the figures of the models, and the choice of the best.

A candidate is a dict of JSON values; see `candidate`.
"""

import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from signum.fpga.flow.board_record import Board
from signum.fpga.flow.estimate import AreaModel, memory_blocks, ram_blocks
from signum.fpga.flow.tools import GET_IMPORT
from signum.golden.compiler.compile import CapacityError
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.sizing import compile_fitted, widened
from signum.golden.compiler.stages import plan_stages, stage_costs
from signum.golden.networks.digits import NETWORKS
from signum.hdl.config import ArrayConfig, ConfigError

__all__ = [
    "AXES",
    "CHECKSUM",
    "OBJECTIVES",
    "ExploreError",
    "axes_of",
    "board_rams",
    "candidate",
    "candidates",
    "limits",
    "link_seconds",
    "model_stages",
    "model_whole",
    "nearest",
    "network_named",
    "ranked",
    "rate",
    "score",
    "stage_configs",
]

AXES: Mapping[str, tuple[int, ...]] = {
    "rows": (1, 2, 4, 8, 16, 32), "cols": (4, 8, 16, 32, 64), "lanes": (16, 32, 64), "tile": (4, 8, 16),
    "pipeline": (1, 2), "drain_width": (1, 2, 4),
}
"""Candidate values of each parameter, except where the board's family has its own."""

OBJECTIVES: Mapping[str, str] = {
    "images_per_s": "images/s", "latency": "ms an image", "images_per_s_per_lut": "images/s a LUT"}

FRAME_BITS = 10         # bits of a byte on the serial line
WORD_BYTES = 4
DEEPEST = 65536
STAGE_DEPTHS = {"weight_depth": 256, "activation_depth": 256, "threshold_depth": 512, "program_depth": 64}

Candidate = dict[str, Any]


CHECKSUM = ".sha256="


class ExploreError(ValueError):
    """An impossible exploration; in one line."""


def network_named(text: str) -> str:
    """The network of an option for `graph_of`: a name, or an ONNX file and the checksum of its contents."""
    path = Path(text)
    if path.suffix != ".onnx":
        return text
    try:
        return f"{path.resolve()}{CHECKSUM}{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError as error:
        raise ExploreError(f"network must be a readable file, not {text} ({error.strerror})") from None


@functools.lru_cache(maxsize=2)
def graph_of(network: str) -> Graph:
    """The graph of this name in `golden.networks.digits.NETWORKS`, or of `network_named`'s file.

    Raises
    ------
    ExploreError
        If there is none, or the file's network is refused.
    """
    path, mark, _ = network.partition(CHECKSUM)
    if mark:
        try:
            from signum.golden.importers import NetworkError, load_qonnx
        except ImportError as error:
            raise ExploreError(f"{GET_IMPORT} ({error.name} is missing)") from None
        try:
            return load_qonnx(path).graph
        except NetworkError as error:
            raise ExploreError(str(error)) from None
    if network not in NETWORKS:
        raise ExploreError(f"network must be one of {', '.join(sorted(NETWORKS))}, not {network}")
    return NETWORKS[network]()


def axes_of(board: Board) -> dict[str, tuple[int, ...]]:
    """Candidate values of each parameter on a board."""
    return {**AXES, **board.family.axes}


def candidates(graph: Graph, board: Board, axes: Mapping[str, Sequence[int]]) -> list[tuple[ArrayConfig, bool]]:
    """All valid arrays of the values of ``axes``, each in batch mode (False) and in split mode (True).

    Sums have the width that the network needs. A tile is no larger than the array. Rows share one threshold memory
    where the network allows it and their raw results may be in LUTs.
    """
    found: dict[tuple[ArrayConfig, bool], None] = {}
    for values in itertools.product(*axes.values()):
        size = dict(zip(axes, values, strict=True))
        size["tile"] = min(size["tile"], max(size["rows"], size["cols"]))
        try:
            shared = size["rows"] > 1 and board.family.lut_memory_bits > 0
            config = widened(graph, ArrayConfig(**size, acc_bits=13, sum_bits=16, zero_padding=0,
                                                raw_depth=int(shared), **board.family.common))
        except ConfigError:         # a drain that does not divide the tile, for example
            continue
        for split in (False, True) if config.rows > 1 else (False,):
            found[config, split] = None
    if not found:
        raise ExploreError("the values of the axes must allow an array: drain_width must divide lanes, cols and tile")
    return list(found)


def model_whole(network: str, values: Mapping[str, int], split: bool) -> dict[str, Any]:
    """The network as one program: its array with the least memories, cycles and images of a run.

    ``link_words`` are the 32-bit words over the bus for a run: inputs and results. Where the network does not fit one
    program, ``why`` is the only entry.
    """
    try:
        program = compile_fitted(graph_of(network), ArrayConfig.from_dict(dict(values)), split=split)
    except CapacityError as refusal:
        return {"why": str(refusal)}
    inputs = sum(len(entry.place.addresses) for entry in program.inputs.values()) * program.address_map.slices
    return {"config": program.config.to_dict(), "images": program.images, "stages": 1,
            "cycles": predict_cycles(program.config, program.records),
            "link_words": inputs * program.images + len(program.result_reads(program.images))}


def model_stages(network: str, values: Mapping[str, int], split: bool) -> dict[str, Any]:
    """The network in stages on an array with given memories; result as of `model_whole`.

    ``link_words`` include all words loaded for each stage, such as weights.
    """
    config = ArrayConfig.from_dict(dict(values))
    try:
        stages = plan_stages(graph_of(network), config, split=split)
    except CapacityError as refusal:
        return {"why": str(refusal)}
    costs = stage_costs(stages)
    load = sum(len(list(stage.program.load_writes())) for stage in stages)
    return {"config": config.to_dict(), "images": stages[0].program.images, "stages": len(stages),
            "cycles": sum(cost.cycles for cost in costs),
            "link_words": load + sum(cost.inputs + cost.results for cost in costs)}


def stage_configs(config: ArrayConfig, board: Board) -> list[ArrayConfig]:
    """Arrays with memories for stages, as deep as the board's block RAMs allow; empty where these are too few.

    One array has the depths of activations and weights doubled in turn, another first the depth of activations:
    weights can always be cut into groups of channels, but a map only into bands of lines.
    """
    rams = board.capacity.rams
    config = config.replace(**STAGE_DEPTHS, raw_depth=0, requantize_depth=min(config.requantize_depth, 1024))
    if board_rams(config, board) > rams:
        return []
    found = []
    for orders in ((("activation_depth", "weight_depth"),), (("activation_depth",), ("weight_depth",))):
        grown = config
        for order in orders:
            grown = _deeper(grown, order, board)
        found.append(grown)
    return list(dict.fromkeys(found))


def _deeper(config: ArrayConfig, names: Sequence[str], board: Board) -> ArrayConfig:
    """The array with the depths ``names`` doubled in turn while the block RAMs suffice."""
    found: ArrayConfig | None = config
    rams = board.capacity.rams
    while found:
        config, found = found, None
        for name in names:
            depth = 2 * getattr(found or config, name)
            if depth <= DEEPEST and board_rams(larger := (found or config).replace(**{name: depth}), board) <= rams:
                found = larger
    return config


def board_rams(config: ArrayConfig, board: Board) -> int:
    """Block RAMs of an accelerator and of the frames that wait behind the board's line (`ReceiveWindow`)."""
    frames = 0 if board.spram else memory_blocks(board.window.slots * board.window.slot_bytes // 2, 16, board.family)
    return ram_blocks(config, board.family) + frames


def limits(board: Board) -> tuple[int, int]:
    """Largest LUT4 count of Yosys on a board, and its block RAMs."""
    return round(board.family.fill * board.capacity.luts), board.capacity.rams


def candidate(board: Board, config: ArrayConfig, split: bool, area: AreaModel, clock: float,
              modelled: Mapping[str, Any] | None) -> Candidate:
    """The figures of a candidate before synthesis.

    Parameters
    ----------
    board : Board
    config : ArrayConfig
    split : bool
    area : AreaModel
    clock : float
        In Hz.
    modelled : mapping, optional
        Result of `model_whole` or `model_stages`; None for an array too large to be modelled.

    Returns
    -------
    dict
        ``config``, ``mode``, ``binops_per_cycle``, ``lut`` and ``ram`` by the models, ``clock_mhz``, ``cycles`` and
        ``images`` of a run, ``stages``, ``link_words``, ``images_per_s``, ``latency_ms``, ``images_per_s_per_lut``,
        ``fits``, and ``why`` not. With one stage times are of the array alone; with several they include loading the
        stages over the board's serial line. Unknown figures are None.
    """
    modelled = modelled or {}
    config = ArrayConfig.from_dict(modelled["config"]) if "config" in modelled else config
    most_luts, most_rams = limits(board)
    row: Candidate = {
        "config": config.to_dict(), "mode": "split" if split else "batch",
        "binops_per_cycle": config.binops_per_cycle, "lut": area(config),
        "ram": board_rams(config, board) if "config" in modelled else None, "clock_mhz": clock / 1e6,
        "cycles": None, "images": None, "stages": None, "link_words": None, "images_per_s": None, "latency_ms": None,
        "images_per_s_per_lut": None, "measured": None,
        **{name: modelled[name] for name in ("cycles", "images", "stages", "link_words") if name in modelled}}
    why = []
    if row["lut"] > most_luts:
        why.append(f"LUTs must be at most {most_luts}, not {row['lut']}")
    if row["ram"] is not None and row["ram"] > most_rams:
        why.append(f"block RAMs must be at most {most_rams}, not {row['ram']}")
    if "why" in modelled:
        why.append(modelled["why"])
    row |= {"fits": not why and row["cycles"] is not None, "why": "; ".join(why)}
    if row["cycles"] is not None:
        rate(row, board, clock)
    return row


def link_seconds(words: int, board: Board) -> float:
    """Seconds of 32-bit words on the board's serial line."""
    return words * WORD_BYTES * FRAME_BITS / board.baud


def rate(row: Candidate, board: Board, clock: float) -> None:
    """Set the times of a candidate for a clock in Hz, and its rate a LUT, measured or estimated."""
    seconds = row["cycles"] / clock
    if row["stages"] > 1:
        seconds += link_seconds(row["link_words"], board)
    luts = (row["measured"] or row)["lut"]
    row |= {"clock_mhz": clock / 1e6, "images_per_s": row["images"] / seconds, "latency_ms": 1000 * seconds,
            "images_per_s_per_lut": row["images"] / seconds / luts}


def score(row: Candidate, objective: str) -> float:
    """Figure of merit; larger is better."""
    return -row["latency_ms"] if objective == "latency" else row[objective]


def ranked(rows: Sequence[Candidate], objective: str) -> list[Candidate]:
    """The fitting candidates, best first; equal ones by size, then in the order of the trials."""
    return sorted((row for row in rows if row["fits"]), key=lambda row: (-score(row, objective), row["lut"]))


def nearest(rows: Sequence[Candidate], board: Board) -> Candidate:
    """The candidate with the smallest excess over the resources of the board, if none fits."""
    most_luts, most_rams = limits(board)

    def excess(row: Candidate) -> tuple[bool, float]:
        return row["ram"] is None, max(row["lut"] / most_luts, (row["ram"] or 0) / most_rams)

    return min(rows, key=excess)
