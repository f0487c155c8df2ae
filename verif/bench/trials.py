"""Trials: an array, a network and its inputs, checked in RTL against the golden model, and kept in a file."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from signum.fpga.flow.program_file import from_plain, to_plain
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import CapacityError, compile_graph
from signum.golden.compiler.graph import Graph, GraphError
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import AnswerKind
from signum.hdl.lib.emit import write_whole
from signum.verif.bench.cases import Case, draw_case, draw_config, draw_graph, draw_maps
from signum.verif.bench.crosses import Point, points
from signum.verif.bench.programs import CyclesError, check_cases
from signum.verif.bench.stream_cases import BIT, draw_stream, with_streams
from signum.verif.bench.stream_runs import StreamCase, check_streams

__all__ = ["Failure", "Trial", "TrialError", "draw_filling", "draw_trials",
           "failure_of", "failures", "load_trial", "save_trial"]

STREAMS = 3
"""Of so many arrays one takes pixels."""

INVALID = (ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError, RecursionError, SyntaxError)
"""What reading and building of wrong values raises; numpy parses the name of a type."""


class TrialError(ValueError):
    """A file that holds no trial; in one line."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A network on an array, and inputs for it.

    Members
    -------
    config : ArrayConfig
    graph : Graph
    split : bool
    maps : dict of str to bool or uint8 (B, H, W, C)
        Input maps; of a network that takes pixels its only one, each value a pixel of one bit.
    answers : Answers, or None
        Those of a network that takes pixels.
    stall : float
        Share of the cycles in which the bench is not ready.
    """

    config: ArrayConfig
    graph: Graph
    split: bool
    maps: Mapping[str, np.ndarray]
    answers: Answers | None = None
    stall: float = 0.0

    def replace(self, **changes: Any) -> "Trial":
        """A copy with other values."""
        return dataclasses.replace(self, **changes)

    def case(self) -> Case | StreamCase:
        """The compiled program and its inputs.

        Raises
        ------
        CapacityError, GraphError
            If the network does not fit the array.
        """
        program = compile_graph(self.graph, self.config, split=self.split, answers=self.answers)
        if self.answers is None:
            return Case(program, self.graph, dict(self.maps))
        (bits,) = self.maps.values()
        return StreamCase(program=program, graph=self.graph, encoder=BIT, answers=self.answers,
                          images=bits.transpose(0, 3, 1, 2).astype(np.int64))

    def __str__(self) -> str:
        layers = ", ".join(f"{layer.name} of {len(layer.segments)} segments {layer.segments[0].weights.shape}"
                           for layer in self.graph.layers)
        shapes = ", ".join(f"{name} {elements.shape}" for name, elements in self.maps.items())
        answers = f", answers {self.answers.kind.name.lower()}" if self.answers else ""
        return f"{self.config}, split {self.split}, {layers}, maps {shapes}{answers}"


def draw_trials(seed: int, index: int, count: int) -> list[Trial]:
    """Random networks for a random array; every third array takes pixels."""
    rng = np.random.default_rng([seed, index])
    if index % STREAMS != STREAMS - 1:
        config = draw_config(rng)
        cases = [draw_case(rng, config, layers=3) for _ in range(count)]
        return [Trial(config, case.graph, case.program.split, case.maps, stall=0.1 * (index % 2)) for case in cases]
    config = with_streams(draw_config(rng, element_bits=1), ranks=int(rng.integers(1, 4)),
                          answer_bytes=int(rng.integers(2)), input_places=int(rng.integers(1, 3)),
                          answer_shuffle=int(rng.choice([0, 2, 3])))
    streams = [draw_stream(rng, config, batches=2) for _ in range(count)]
    return [Trial(config, case.graph, case.program.split,
                  {next(iter(case.graph.inputs)): case.images.transpose(0, 2, 3, 1).astype(bool)}, case.answers,
                  stall=0.3 * (index // (2 * STREAMS) % 2)) for case in streams]


def draw_filling(seed: int, index: int, left: set[Point], graphs: int) -> list[Trial]:
    """Of ``graphs`` random networks for a random array those that reach points of a cross; they leave ``left``."""
    rng = np.random.default_rng([seed, index])
    config = draw_config(rng)
    found = []
    for _ in range(graphs):
        try:
            graph = draw_graph(rng, 3, config.element_bits, config.threshold_levels, bool(config.gate))
        except GraphError:
            continue
        for split in (False, True):
            reached = left.intersection(points(graph, config, split))
            if not reached:
                continue
            try:
                program = compile_graph(graph, config, split=split)
            except (CapacityError, GraphError):
                continue
            found.append(Trial(config, graph, split, draw_maps(rng, graph, program.images), stall=0.1 * (index % 2)))
            left -= reached
    return found


@dataclass(frozen=True)
class Failure:
    """A trial that differs from the golden model: in the results, or in the cycles alone."""

    trial: Trial
    message: str
    cycles: bool

    @property
    def kind(self) -> str:
        return "cycles" if self.cycles else "results"


def check(trials: Sequence[Trial], simulator: str | None) -> None:
    """Run trials of one array in one simulation; AssertionError as `check_cases` and `check_streams`."""
    cases = [trial.case() for trial in trials]
    stall = trials[0].stall
    plain = [case for case in cases if isinstance(case, Case)]
    streams = [case for case in cases if isinstance(case, StreamCase)]
    if plain:
        check_cases(trials[0].config, plain, stall=stall, simulator=simulator)
    if streams:
        check_streams(streams, stall_pixels=stall, stall_answers=stall, simulator=simulator)


def failure_of(trial: Trial, simulator: str | None = None) -> Failure | None:
    """The failure of a trial in RTL, or None."""
    try:
        check([trial], simulator)
    except CyclesError as error:
        return Failure(trial, str(error), cycles=True)
    except AssertionError as error:
        return Failure(trial, str(error), cycles=False)
    return None


def failures(trials: Sequence[Trial], simulator: str | None = None) -> list[Failure]:
    """The failures of trials of one array: one simulation, and one for each trial where it fails."""
    try:
        check(trials, simulator)
    except AssertionError as error:
        found = [failure for trial in trials if (failure := failure_of(trial, simulator))]
        # one that needs the trials before it
        return found or [Failure(trials[-1], str(error), isinstance(error, CyclesError))]
    return []


def save_trial(path: Path, trial: Trial, **further: Any) -> None:
    """Write a trial as JSON, with further entries."""
    arrays: list[np.ndarray] = []
    content = {**further, "config": trial.config.to_dict(), "split": trial.split, "stall": trial.stall,
               "answers": dataclasses.asdict(trial.answers) if trial.answers else None,
               "graph": to_plain(trial.graph, arrays), "maps": to_plain(dict(trial.maps), arrays)}
    content["arrays"] = [{"dtype": str(array.dtype), "shape": array.shape, "values": array.reshape(-1).astype(
        int if array.dtype == bool else array.dtype).tolist()} for array in arrays]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(content) + "\n")


def load_trial(path: Path) -> tuple[Trial, dict[str, Any]]:
    """A trial of `save_trial`, and the whole file.

    Raises
    ------
    TrialError
        If the file cannot be read, or holds no trial.
    """
    try:
        content = json.loads(path.read_text())
        arrays = {str(i): np.array(entry["values"], dtype=entry["dtype"]).reshape(entry["shape"])
                  for i, entry in enumerate(content["arrays"])}
        answers = content["answers"]
        if answers is not None:
            answers = Answers(**{**answers, "kind": AnswerKind(answers["kind"])})
        graph, maps = from_plain(content["graph"], arrays), from_plain(content["maps"], arrays)
        trial = Trial(ArrayConfig.from_dict(content["config"]), graph, bool(content["split"]), maps, answers,
                      float(content["stall"]))
        trial.case()
    except OSError as error:
        raise TrialError(f"replay must be a readable file, not {path} ({error.strerror})") from None
    except INVALID as error:
        raise TrialError(f"replay must be a file that `signum soak` wrote, not {path}: "
                         f"{' '.join(str(error).split())[:200] or type(error).__name__}") from None
    return trial, content
