"""Program files: a loaded file equals the saved program, and damaged files are refused with a message."""

import re

import numpy as np
import pytest

from signum.fpga.flow.program_file import ProgramFile, ProgramFileError
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.program import Program
from signum.golden.compiler.stages import run_stages
from signum.golden.compiler.weight_streaming import Streamed
from signum.golden.layers.encoder import Thermometer
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.reference.interpret import interpret
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import draw_case, draw_config, draw_maps
from signum.verif.golden.compiler.test_weight_streaming import draw_plan


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("programs") / "new" / "digits.sgn"
    program = compile_graph(digits_graph_untrained(0), ArrayConfig.preset("icebreaker"))
    ProgramFile(program, digits_encoder(), "digits").save(path)
    return path


@pytest.mark.parametrize("draw", range(12))
def test_what_comes_back_is_the_same_program(draw, seed, tmp_path):
    rng = np.random.default_rng([seed, draw])
    case = draw_case(rng, draw_config(rng))
    path = tmp_path / "case.sgn"
    ProgramFile(case.program).save(path)
    found = ProgramFile.load(path)
    program = found.program
    assert isinstance(program, Program)
    assert found.encoder is None
    assert program.config == case.program.config
    assert list(program.load_writes()) == list(case.program.load_writes())
    assert list(program.input_writes(case.maps)) == list(case.program.input_writes(case.maps))
    assert program.result_reads(program.images) == case.program.result_reads(program.images)
    for one, other in zip(interpret(program, case.maps), interpret(case.program, case.maps), strict=True):
        assert np.array_equal(one, other)
    words = rng.integers(0, 2, len(program.result_reads(1))).tolist()
    assert np.array_equal(program.results(1, words), case.program.results(1, words))
    again = tmp_path / "again.sgn"
    ProgramFile(program).save(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_network_of_stages_comes_back(seed, tmp_path):
    rng = np.random.default_rng(seed)
    graph, stages = draw_plan(rng, 3)
    ProgramFile(Streamed(graph, stages), name="stages").save(tmp_path / "case.sgn")
    found = ProgramFile.load(tmp_path / "case.sgn").program
    assert isinstance(found, Streamed)
    assert (found.config, found.images) == (stages[0].program.config, stages[0].program.images)
    assert (found.inputs, found.output) == (graph.inputs, graph.layers[-1].name)
    maps = draw_maps(rng, graph, 2)
    for name, made in run_stages(found.graph, found.stages, maps).items():
        assert np.array_equal(made, run_stages(graph, stages, maps)[name])
    ProgramFile(found, name="stages").save(tmp_path / "again.sgn")
    assert (tmp_path / "again.sgn").read_bytes() == (tmp_path / "case.sgn").read_bytes()


def test_the_encoder_and_the_name_come_back(saved):
    found = ProgramFile.load(saved)
    assert isinstance(found.encoder, Thermometer)
    assert (found.encoder, found.name) == (digits_encoder(), "digits")


@pytest.mark.parametrize("length", [0, 5, 16, 40, 100, 1000, -1])
def test_cut_files(saved, tmp_path, length):
    path = tmp_path / "cut.sgn"
    path.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(ProgramFileError, match=f"^{re.escape(str(path))} must "):
        ProgramFile.load(path)


def test_a_flipped_bit_anywhere(saved, tmp_path, seed):
    rng = np.random.default_rng(seed)
    whole = saved.read_bytes()
    path = tmp_path / "flipped.sgn"
    for place in [*range(120), *rng.integers(120, len(whole), 100)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ProgramFileError):
            ProgramFile.load(path)


@pytest.mark.parametrize(("old", "new", "message"), [
    (b"program 2\n", b"program 7\n", "must be a program file of version 2, not 7"),
    (b"signum", b"singum", "must be a program file, which begins with 'signum program'"),
    (b"\nPK", b"\npk", "must have the checksum that its head tells: it is damaged"),
])
def test_other_files(saved, tmp_path, old, new, message):
    path = tmp_path / "other.sgn"
    path.write_bytes(saved.read_bytes().replace(old, new, 1))
    with pytest.raises(ProgramFileError, match=f"^{re.escape(f'{path} {message}')}$"):
        ProgramFile.load(path)


def test_other_hardware(saved, tmp_path, monkeypatch):
    path = tmp_path / "other.sgn"
    monkeypatch.setattr("signum.fpga.flow.program_file.VERSION", 99)
    ProgramFile(compile_graph(
        digits_graph_untrained(0), ArrayConfig.preset("icebreaker"))).save(path)
    monkeypatch.undo()
    with pytest.raises(ProgramFileError, match=r"hardware of version \d+, not 99: compile it again$"):
        ProgramFile.load(path)
