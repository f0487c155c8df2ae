"""The driver in C and programs as headers: compiled without a warning, and run on the simulated accelerator."""

import ctypes
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from signum.fpga.flow.program_file import ProgramFile
from signum.fpga.host.accelerator_model import AcceleratorModel
from signum.fpga.host.model import Model
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.program import Program
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import (
    FAULT_BIT,
    MAGIC,
    REGION_AT,
    UNIT_AT,
    VERSION,
    WORD_AT,
    AddressMap,
    Region,
    Register,
    config_words,
    wrong_word,
)
from signum.hdl.input.frame_receiver import pixel_layout
from signum.hdl.lib.c_header import c_header
from signum.hdl.verilog import PROTOCOL, describe
from signum.verif.bench.simulate import default_seed
from signum.verif.bench.stream_cases import draw_stream, with_streams
from signum.verif.bench.stream_runs import expected_answers, stream_values
from signum.verif.bench.streams import pack
from signum.verif.command_line import main

CALLS = """\
#include "network.h"

struct functions {
    uint32_t (*read)(void *, uint32_t);
    void (*write)(void *, uint32_t, uint32_t);
};

static struct signum_bus bus_of(struct functions functions)
{
    struct signum_bus bus = {0, functions.read, functions.write};
    return bus;
}

int check(struct functions functions) { struct signum_bus bus = bus_of(functions); return signum_check(&bus); }
void load(struct functions functions) { struct signum_bus bus = bus_of(functions); signum_load(&bus, &network); }

uint32_t run(struct functions functions)
{
    struct signum_bus bus = bus_of(functions);
    signum_start(&bus);
    while (signum_busy(&bus)) { }
    return signum_cycles(&bus) == network.cycles ? network.cycles : 0;
}
"""
STREAMS = """
void stream(struct functions functions, int on) { struct signum_bus bus = bus_of(functions); signum_stream(&bus, on); }
int answer(struct functions functions, uint32_t *value)
{
    struct signum_bus bus = bus_of(functions);
    return signum_answer(&bus, value);
}
void flush(struct functions functions) { struct signum_bus bus = bus_of(functions); signum_flush(&bus); }
"""
FAULT = """\
#include "network.h"

struct functions {
    uint32_t (*read)(void *, uint32_t);
    void (*write)(void *, uint32_t, uint32_t);
};

int check(struct functions functions)
{
    struct signum_bus bus = {0, functions.read, functions.write};
    return signum_check(&bus);
}

int fault(struct functions functions, uint32_t told[3])
{
    struct signum_bus bus = {0, functions.read, functions.write};
    return signum_fault(&bus, &told[0], &told[1], &told[2]);
}
"""
READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)


class Functions(ctypes.Structure):
    _fields_ = (("read", READ), ("write", WRITE))


def compiled(folder: Path) -> None:
    """Compile ``calls.c``, without a warning, into ``driver.so``."""
    done = subprocess.run(
        [os.environ.get("CC", "cc"), "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-shared",
         "-fPIC", "-o", "driver.so", "calls.c"], cwd=folder, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


class Driver:
    """The compiled driver, with the bus of a model."""

    def __init__(self, config: ArrayConfig, program: Program, folder: Path) -> None:
        config_file = folder / "array.toml"
        config_file.write_text(config.to_toml())
        ProgramFile(program).save(folder / "network.sgn")
        assert main(["verilog", f"--config={config_file}", f"--out={folder}"]) == 0
        assert main(["c-program", f"--program={folder / 'network.sgn'}", f"--out={folder / 'network.h'}"]) == 0
        (folder / "calls.c").write_text(CALLS + (STREAMS if config.streams else ""))
        compiled(folder)
        self.library = ctypes.CDLL(str(folder / "driver.so"))
        self.model = AcceleratorModel(config)
        self.functions = Functions(READ(lambda _, address: self.model.read([address])[0]),
                                   WRITE(lambda _, address, word: self.model.write([(address, word)])))

    def call(self, name: str, *arguments: object) -> int:
        return int(getattr(self.library, name)(self.functions, *arguments) or 0)


def test_digits_by_a_host_in_c(tmp_path: Path) -> None:
    """Load, start and poll in C; maps and results by their addresses."""
    config = ArrayConfig.preset("icebreaker")
    graph = digits_graph_untrained(0)
    program = compile_graph(graph, config)
    driver = Driver(config, program, tmp_path)
    assert driver.call("check") == 0
    driver.call("load")
    maps = {name: bits[:2] for name, bits in digits_encoder().bits(digits().test.images[:2]).items()}
    driver.model.write(program.input_writes(maps))
    assert driver.call("run") == predict_cycles(config, program.records)
    found = program.results(2, driver.model.read(program.result_reads(2)))
    layer = graph.layers[-1]
    assert np.array_equal(found[:, 0], layer.values(graph.run(maps)[layer.name])[:, 0, 0])
    driver.model.close()


def test_another_array_is_found_out(tmp_path: Path) -> None:
    config = ArrayConfig.preset("icebreaker")
    driver = Driver(config, compile_graph(digits_graph_untrained(0), config), tmp_path)
    driver.model.close()
    driver.model = AcceleratorModel(config.replace(acc_bits=11))
    assert driver.call("check") == 3
    driver.functions = Functions(READ(lambda _, address: 0), WRITE(lambda _, address, word: None))
    assert driver.call("check") == 1
    driver.model.close()


@pytest.mark.parametrize("gate", [0, 1])
def test_the_wrong_word_in_c(gate: int, tmp_path: Path) -> None:
    """The driver of an array with parity, with gates and without, on a bus of registers alone."""
    config = ArrayConfig(rows=2, cols=3, lanes=5, parity=1, gate=gate)
    header = c_header({"name": "signum", **describe(config)}, PROTOCOL)
    (tmp_path / "network.h").write_text(header)
    (tmp_path / "calls.c").write_text(FAULT)
    compiled(tmp_path)
    library = ctypes.CDLL(str(tmp_path / "driver.so"))
    registers = config_words(config) | {Register.MAGIC: MAGIC, Register.VERSION: VERSION}
    step = 1 << AddressMap(config).slice_bits
    functions = Functions(READ(lambda _, address: registers[address // step]), WRITE(lambda _, address, word: None))
    told = (ctypes.c_uint32 * 3)()
    assert library.check(functions) == 0
    assert library.fault(functions, told) == 0
    for region, unit, word in ((Region.WEIGHTS, 2, 1023), (Region.COEFFICIENTS, 2047, 65535), (Region.PROGRAM, 0, 7)):
        registers[Register.PARITY] = 1 | 1 << FAULT_BIT | region << REGION_AT | unit << UNIT_AT | word << WORD_AT
        assert library.fault(functions, told) == 1
        assert tuple(told) == (region, unit, word) == wrong_word(registers[Register.PARITY])
    assert library.check(functions) == 0
    registers |= {Register.CONTROL: 1 - gate}
    assert library.check(functions) == 3
    registers |= {Register.CONTROL: gate, Register.PARITY: 0}
    assert library.check(functions) == 3


def send(model: Model, values: list[tuple[int, int, int]]) -> None:
    """Send values with their marks into the port of pixels."""
    for value, first, last in values:
        model["pixels__payload"] = pack(pixel_layout, {"value": value, "first": first, "last": last})
        model["pixels__valid"] = 1
        model.settle()
        model.until("pixels__ready", 1, 100_000)
        model.run(1)
    model["pixels__valid"] = 0


def test_pixels_to_answers_by_a_host_in_c(tmp_path: Path) -> None:
    """Program, streams and answers by C, pixels at the pins; with a batch that is flushed."""
    rng = np.random.default_rng(default_seed())
    config = with_streams(ArrayConfig(rows=2, cols=3, lanes=8, sum_bits=20))
    case = draw_stream(rng, config)
    while case.program.split or len(expected_answers(case)[0]) < 2:
        case = draw_stream(rng, config)
    images = case.images[:3]
    driver = Driver(config, case.program, tmp_path)
    driver.call("load")
    driver.call("stream", 1)
    value = ctypes.c_uint32()
    assert driver.call("answer", ctypes.byref(value)) == 0
    found: list[list[int]] = []
    for number, image in enumerate(images):
        send(driver.model.model, stream_values(image))
        if number == len(images) - 1:
            driver.call("flush")
        if number % 2 or number == len(images) - 1:
            while len(found) <= number:
                answer: list[int] = []
                while (state := driver.call("answer", ctypes.byref(value))) != 2:
                    answer += [value.value] if state else []
                found.append([*answer, value.value])
    assert found == expected_answers(case)[:3]
    driver.call("stream", 0)
    assert driver.call("run") == predict_cycles(config, case.program.records)
    driver.model.close()


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["c-program", "--program=/no.sgn", f"--out={tmp_path / 'network.h'}"]) == 2
    assert capsys.readouterr().err == "program must be a readable file, not /no.sgn (No such file or directory)\n"
    assert main(["c-program", "--program=/no.sgn", f"--out={tmp_path / '9.h'}"]) == 2
    assert capsys.readouterr().err == "out must be NAME.h, where NAME is a name in C, not 9.h\n"
    assert not list(tmp_path.iterdir())
