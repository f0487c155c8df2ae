"""The accelerator as a library: results of random programs, and the hardware's count of cycles."""

import numpy as np
import pytest

from signum.fpga.host.accelerator_model import AcceleratorModel
from signum.fpga.host.model import ModelError
from signum.golden.compiler.cycles import predict_cycles
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import MAGIC, VERSION, Region, Register
from signum.verif.bench.cases import draw_case
from signum.verif.bench.programs import program_job

CONFIG = ArrayConfig(rows=2, cols=3, lanes=40, tile=2, acc_bits=8, sum_bits=12, weight_depth=512,
                     activation_depth=512, threshold_depth=512, program_depth=256, requantize_depth=64)


@pytest.fixture(scope="module")
def hardware():
    made = AcceleratorModel(CONFIG)
    yield made
    made.close()


def test_random_programs(hardware, seed):
    rng = np.random.default_rng(seed)
    for number in range(8):
        case = draw_case(rng, CONFIG)
        last = case.graph.layers[-1]
        expected = case.graph.run(case.maps)[last.name]
        if last.raw:
            expected = last.values(expected)
        [cycles], [words] = hardware.do(program_job(case.program, [case.maps]))
        assert cycles == predict_cycles(CONFIG, case.program.records), f"case {number}: {case}"
        found = case.program.results(len(expected), words).reshape(expected.shape)
        assert (found == expected).all(), f"case {number}: {case}"


def test_registers_and_memories(hardware):
    place = hardware.map.address
    assert hardware.read([place(Region.REGISTERS, word=word) for word in (Register.MAGIC, Register.VERSION)]) \
        == [MAGIC, VERSION]
    writes = [(place(Region.ACTIVATIONS, unit=row, word=3, slice=part), 10 * row + part)
              for row in range(2) for part in range(2)]
    hardware.write(writes)
    assert hardware.read([address for address, _ in writes]) == [0, 1, 10, 11]


def test_a_run_that_takes_too_long(seed):
    """On a separate model, since the run is never finished."""
    case = draw_case(np.random.default_rng(seed), CONFIG)
    job = program_job(case.program, [case.maps])
    hardware = AcceleratorModel(CONFIG)
    hardware.write(job["writes"])
    with pytest.raises(ModelError, match=r"^busy must be 0 within 3 cycles$"):
        hardware.run(3)
    with pytest.raises(ModelError, match=r"^the bus must take a request within 3 cycles$"):
        # the first request is taken, and waits
        hardware.model.bus(np.array(2 * [[hardware.map.address(Region.PROGRAM), 0, 1]]), hardware.map.address_bits, 3)
    hardware.close()
