"""A Verilated library against Amaranth's own simulator, and its refusals."""

import random
import re

import pytest

from signum.fpga.host.model import Model, ModelError, build_model
from signum.fpga.host.verilate import Port
from signum.hdl.lib.emit import to_verilog
from signum.hdl.lib.memory import Bank
from signum.verif.bench.trace import AMARANTH, play

WIDTH, DEPTH = 70, 9        # more than 64 bits have another port type in C++


@pytest.fixture(scope="module")
def verilog():
    return to_verilog(Bank(width=WIDTH, depth=DEPTH), "bank")[0]


@pytest.fixture
def bank(verilog):
    with Model(verilog, "bank") as model:
        yield model


def test_ports(bank):
    assert bank.ports == {
        "clk": Port(True, 1), "rst": Port(True, 1), "read_address": Port(True, 4), "read_data": Port(False, WIDTH),
        "write_address": Port(True, 4), "write_data": Port(True, WIDTH), "write": Port(True, 3)}


def test_it_does_what_amaranth_simulates(bank, seed):
    rng = random.Random(seed)
    steps = [{"write": 7, "write_address": i, "write_data": rng.getrandbits(WIDTH), "read_address": i}
             for i in range(DEPTH)]
    steps += [{"write": rng.getrandbits(3), "write_address": rng.randrange(DEPTH),
               "write_data": rng.getrandbits(WIDTH), "read_address": rng.randrange(DEPTH)} for _ in range(300)]
    expected = play(Bank(width=WIDTH, depth=DEPTH), steps, AMARANTH)
    for number, (step, outputs) in enumerate(zip(steps, expected, strict=True)):
        for name, value in step.items():
            bank[name] = value
        bank.settle()
        if number > DEPTH:              # earlier words and outputs of the memory are random
            assert bank["read_data"] == outputs["read_data"], f"cycle {number}"
        bank.run(1)
    assert bank.cycles == len(steps)


def test_until(bank):
    bank["write_data"], bank["write"] = 5, 7
    bank.run(1)
    assert bank.until("read_data", 5, 2) <= 1
    with pytest.raises(ModelError, match=r"^read_data must be 6 within 3 cycles$"):
        bank.until("read_data", 6, 3)


def test_models_are_apart(verilog, bank):
    with Model(verilog, "bank", seed=2) as other:
        for model, value in ((bank, 1), (other, 2)):
            model["write_data"], model["write"] = value, 7
            model.run(2)
        assert (bank["read_data"], other["read_data"]) == (1, 2)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("read_data", 0, "read_data must be an input, not an output"),
    ("write", 8, "write must be 0 to 7, not 8"),
    ("write", -1, "write must be 0 to 7, not -1"),
])
def test_what_cannot_be_set(bank, name, value, message):
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        bank[name] = value


def test_what_cannot_be_built(verilog):
    with pytest.raises(ModelError, match=r"^the Verilog must have a module nothing$"):
        build_model(verilog, "nothing")
    with pytest.raises(ModelError, match=r"^verilator: %Error: bank.v:17"):
        build_model(verilog.replace("  wire clk;", "  wire clk clk;"), "bank")


def test_a_store_of_ones_own(verilog, tmp_path):
    library = build_model(verilog, "bank", store=tmp_path)
    assert library.is_relative_to(tmp_path)
    assert build_model(verilog, "bank", store=tmp_path) == library
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [library.parent]

