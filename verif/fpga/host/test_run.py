"""The commands ``run`` and ``board-sim``: a program file on a virtual board, and every refusal in one line."""

import contextlib
import re
import threading

import numpy as np
import pytest
from rich.console import Console

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.boot_image import joined
from signum.fpga.flow.flash_contents import flash_contents
from signum.fpga.flow.program_file import ProgramFile
from signum.fpga.host.model import ModelError
from signum.fpga.host.pseudo_terminal import PseudoTerminal
from signum.fpga.host.run import DataError, accuracy, input_maps, virtual_board
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.program import Program
from signum.golden.compiler.weight_streaming import Streamed
from signum.golden.layers.encoder import Thermometer
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.bench.cases import draw_case, draw_maps
from signum.verif.command_line import main
from signum.verif.golden.compiler.test_stages import expected_maps
from signum.verif.golden.compiler.test_weight_streaming import draw_plan
from signum.verif.runs.faults import CONFIG, expected_results


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A program of raw sums with one input, its maps, and the expected classes."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(5)
    while True:
        case = draw_case(rng, CONFIG)
        expected = expected_results(case)
        if len(case.maps) == 1 and case.program.result and case.program.images > 1 and expected.shape[-1] > 1:
            break
    ProgramFile(case.program, None, "a case").save(folder / "case.sgn")
    np.save(folder / "x.npy", next(iter(case.maps.values())))
    labels = expected.reshape(len(expected), -1, expected.shape[-1]).argmax(axis=-1)
    np.save(folder / "y.npy", labels)
    np.save(folder / "short.npy", labels[:1])
    np.save(folder / "none.npy", next(iter(case.maps.values()))[:0])
    (folder / "cut.sgn").write_bytes((folder / "case.sgn").read_bytes()[:-1])
    (folder / "text.npy").write_text("no array")
    np.save(folder / "expected.npy", expected)
    return folder


def run(folder, capsys, *, port="sim", program="case.sgn", images="x.npy", labels="y.npy", more=()):
    status = main(["run", "--port", port, "--program", str(folder / program), "--input", str(folder / images),
                   "--labels", str(folder / labels), *more])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_run_on_a_virtual_board(files, capsys, tmp_path):
    status, out, err = run(files, capsys, more=["--out", str(tmp_path / "found.npy")])
    assert (status, err) == (0, "")
    assert re.search(r"accuracy\W+100\.00 %", out)
    expected = np.load(files / "expected.npy")
    assert (np.load(tmp_path / "found.npy").reshape(expected.shape) == expected).all()


def staged_files(folder, seed):
    """Writes a network of stages and images; the network, and its results."""
    rng = np.random.default_rng(seed)
    while True:
        graph, stages = draw_plan(rng, 3)
        if len(graph.inputs) == 1:
            break
    streamed = Streamed(graph, stages)
    ProgramFile(streamed, None, "stages").save(folder / "case.sgn")
    maps = draw_maps(rng, graph, 3)
    np.save(folder / "x.npy", next(iter(maps.values())))
    return streamed, expected_maps(graph, maps)[graph.layers[-1].name]


def test_run_of_a_network_of_stages(capsys, tmp_path, seed):
    streamed, expected = staged_files(tmp_path, seed)
    status = main(["run", "--port", "sim", "--program", str(tmp_path / "case.sgn"), "--input", str(tmp_path / "x.npy"),
                   "--out", str(tmp_path / "found.npy")])
    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    assert re.search(rf"stages\W+{len(streamed.stages)}\b", told.out)
    assert (np.load(tmp_path / "found.npy").reshape(expected.shape) == expected).all()


def test_run_of_a_network_in_the_flash(capsys, tmp_path, seed):
    streamed, expected = staged_files(tmp_path, seed)
    contents = flash_contents(board_named("icebreaker"), streamed)
    board = VirtualBoard(streamed.config, boot=contents.place,
                         flash=joined(b"", contents.image, contents.place.image_address))
    with contextlib.closing(board), PseudoTerminal(board) as server:
        status = main(["run", "--port", server.port, "--program", str(tmp_path / "case.sgn"), "--input",
                       str(tmp_path / "x.npy"), "--out", str(tmp_path / "found.npy"), "--flash", "--baud", "9600"])
    assert (status, capsys.readouterr().err) == (0, "")
    assert (np.load(tmp_path / "found.npy").reshape(expected.shape) == expected).all()


def test_run_at_the_port_of_a_virtual_board(files, capsys):
    with virtual_board(CONFIG, Console(quiet=True)) as (_, port):
        status, out, _ = run(files, capsys, port=port)
    assert status == 0
    assert "100.00 %" in out


@pytest.mark.parametrize(("changes", "status", "message"), [
    ({"port": "/dev/none"}, 1, "serial port /dev/none cannot be opened: "),
    ({"program": "cut.sgn"}, 2, r"\S+cut.sgn must have \d+ bytes behind its head, not \d+: it was cut or added to"),
    ({"program": "none.sgn"}, 2, r"\S+none.sgn must be a readable file: No such file or directory"),
    ({"images": "text.npy"}, 2, r"\S+text.npy must be an array that numpy.save wrote: "),
    ({"images": "none.npy"}, 2, "the labels must be as many as the images, 0, not 2"),
    ({"images": "away.npy"}, 2, r"\S+away.npy must be a readable file: No such file or directory"),
    ({"labels": "short.npy"}, 2, "the labels must be as many as the images, 2, not 1"),
    ({"more": ["--flash"]}, 2, "flash must be left out with the port sim, whose board has none"),
    ({"more": ["--baud", "0"]}, 2, "baud must be at least 1, not 0"),
    ({"images": "none.npy", "labels": "none.npy"}, 2, "the input must be at least one image, not none"),
    ({"images": "y.npy"}, 1, r"input map \S+ must be \(B, .*\), not "),
])
def test_refusals(files, capsys, changes, status, message):
    found, _, err = run(files, capsys, **changes)
    assert found == status
    assert re.match(f"^{message}.*\n$", err)


def test_a_program_for_another_board(files, capsys):
    with virtual_board(CONFIG.replace(cols=2), Console(quiet=True)) as (_, port):
        status, _, err = run(files, capsys, port=port)
    assert status == 1
    assert err == "the program must be compiled for the board's array, which has cols = 2 and not 3\n"


def test_board_sim_serves_until_it_is_interrupted(files, capsys, monkeypatch):
    served = threading.Event()

    def interrupt(seconds):
        served.set()
        raise KeyboardInterrupt

    monkeypatch.setattr("signum.fpga.host.run.time.sleep", interrupt)
    assert main(["board-sim", "--program", str(files / "case.sgn")]) == 0
    assert served.is_set()
    assert re.match(r"the virtual board is at /dev/pts/\d+: 2 x 3 elements of 12 lanes; Ctrl-C ends it\n\d+ cycles",
                    capsys.readouterr().out)


def test_what_cannot_be_simulated(files, capsys, monkeypatch):
    def refuse(*_, **__):
        raise ModelError("no compiler")

    monkeypatch.setattr("signum.fpga.host.run.VirtualBoard", refuse)
    assert run(files, capsys)[0] == 1


@pytest.mark.slow
def test_the_commands_of_the_readme(tmp_path, monkeypatch, capsys):
    """Word for word, on an untrained network."""
    text = (REPOSITORY / "README.md").read_text()
    section = text.split("## On your board\n")[1].split("\n## ")[0]
    commands = re.findall(r"^    \.venv/bin/signum (.* --port sim .*)$", section, re.MULTILINE)
    assert len(commands) == 1
    folder = tmp_path / "build" / "demo"
    graph = digits_graph_untrained(0)
    program = compile_graph(graph, ArrayConfig.preset("icebreaker"))
    ProgramFile(program, digits_encoder(), "digits").save(folder / "digits.sgn")
    images = digits().test.images[:20]
    last = graph.layers[-1]
    sums = last.values(graph.run(digits_encoder().bits(images))[last.name])
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", sums.reshape(len(images), -1).argmax(axis=1))
    monkeypatch.chdir(tmp_path)
    assert main(commands[0].split()) == 0
    assert re.search(r"accuracy\W+100\.00 %", capsys.readouterr().out)


def test_input_maps(files):
    program = ProgramFile.load(files / "case.sgn").program
    assert isinstance(program, Program)
    [(name, entry)] = program.inputs.items()
    shape = (2, entry.shape.height, entry.shape.width, entry.shape.channels)
    assert input_maps(program, None, np.zeros(shape, dtype=bool)).keys() == {name}
    with pytest.raises(DataError, match=r"^images must be in 0..16, not 0..99$"):
        input_maps(program, Thermometer(levels=4, maximum=16), np.array([0, 99]).reshape(1, 1, 1, 2))


def test_accuracy():
    sums = np.array([[[1, 5]], [[7, 2]], [[0, 1]]])
    assert accuracy(sums, np.array([1, 0, 0])) == pytest.approx(2 / 3)
    assert accuracy(sums[:2], np.array([1, 0, 0])) == 1.0
    assert accuracy(np.array([[True, False]]), np.array([[1, 1]])) == 0.5
