"""Shrinking: a compiler that is broken on purpose, with the reference interpreter as the hardware; files of trials."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.program import Program
from signum.golden.reference.interpret import interpret
from signum.verif.bench import trials
from signum.verif.bench.cases import Case
from signum.verif.bench.shrink import shrink, size_of
from signum.verif.bench.trials import Trial, TrialError, draw_trials, load_trial, save_trial


def compile_with_wrong_padding(graph: Graph, *arguments: Any, **options: Any) -> Program:
    """A compiler that pads with the other bit."""
    layers = tuple(replace(layer, segments=tuple(replace(segment, pad=~segment.pad) for segment in layer.segments))
                   for layer in graph.layers)
    return compile_graph(replace(graph, layers=layers), *arguments, **options)


def differs(trial: Trial) -> bool:
    """Whether the interpreter's result of a program differs from the graph's."""
    case = trial.case()
    assert isinstance(case, Case)
    last = case.graph.layers[-1]
    expected = case.graph.run(case.maps)[last.name]
    memory, results = interpret(case.program, case.maps)
    if last.raw:
        return not np.array_equal(results.reshape(expected.shape), expected)
    place = case.program.maps[last.name]
    found = case.program.output.ordered(place.to_elements(memory[:, place.addresses]))
    return not np.array_equal(found, expected)


def test_a_broken_compiler_fails_with_one_padded_position(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = [trial for index in range(12) for trial in draw_trials(seed, index, 3)
              if trial.answers is None and not trial.config.signed]
    assert [str(trial) for trial in binary if differs(trial)] == []
    monkeypatch.setattr(trials, "compile_graph", compile_with_wrong_padding)
    failing = [trial for trial in binary if differs(trial)]
    assert failing
    for trial in failing[:4]:
        least = shrink(trial, differs)
        assert differs(least)
        assert size_of(least) < size_of(trial)
        (layer,) = least.graph.layers
        (segment,) = layer.segments
        assert layer.channels == segment.weights.shape[1] == 1
        assert any(segment.padding)
        assert [elements.size for elements in least.maps.values()] == [1]
        assert (least.config.rows, least.config.cols, least.config.lanes) == (1, 1, 1)


def test_a_trial_that_never_fails_again_stays(seed: int) -> None:
    trial = draw_trials(seed, 0, 1)[0]
    assert shrink(trial, lambda other: False) is trial


def test_the_number_of_trials_is_bounded(seed: int) -> None:
    tried: list[Trial] = []

    def differs(other: Trial) -> bool:
        tried.append(other)
        return True

    shrink(draw_trials(seed, 0, 1)[0], differs, most=7)
    assert len(tried) == 7


@pytest.mark.parametrize("index", range(6))
def test_a_file_of_a_trial(index: int, seed: int, tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    for trial in draw_trials(seed, index, 2):
        save_trial(path, trial, kind="results")
        found, content = load_trial(path)
        assert content["kind"] == "results"
        assert str(found) == str(trial)
        assert list(found.case().program.load_writes()) == list(trial.case().program.load_writes())
        for name, elements in trial.maps.items():
            assert found.maps[name].dtype == elements.dtype
            assert np.array_equal(found.maps[name], elements)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", '{"arrays": [], "answers": null, "graph": ["Graph"]}',
                                  '{"arrays": [{"values": [1], "dtype": "a, (", "shape": [1]}]}'])
def test_other_files(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(TrialError, match=r"^replay must be a file that `signum soak` wrote, not "):
        load_trial(path)
    with pytest.raises(TrialError, match=r"^replay must be a readable file, not "):
        load_trial(tmp_path / "missing.json")
