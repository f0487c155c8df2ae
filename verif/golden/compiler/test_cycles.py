"""The cycle model; test_accelerator compares it with the hardware's counter for every program."""

import numpy as np
import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import dot_products, gaps, layer_cycles, predict_cycles
from signum.golden.networks.digits import digits_graph_untrained
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa
from signum.verif.bench.cases import draw_case, draw_config

CONFIG = ArrayConfig(rows=3, cols=8, lanes=32, tile=4)


@pytest.mark.parametrize(("split", "cycles"), [(False, 5678), (True, 2926)])
def test_digits_network_takes_these_cycles(split, cycles):
    program = compile_graph(digits_graph_untrained(0), ArrayConfig.preset("icebreaker"), split=split)
    assert predict_cycles(program.config, program.records) == cycles


def test_layers_add_up_to_the_run(seed):
    rng = np.random.default_rng(seed)
    for _ in range(10):
        program = draw_case(rng, draw_config(rng), layers=3).program
        cycles = layer_cycles(program.config, program.records)
        assert len(cycles) == len(program.records)
        assert sum(cycles) == predict_cycles(program.config, program.records)
        assert all(spent >= sum(dot_products(record)) for spent, record in zip(cycles, program.records, strict=True))


def test_long_dot_products_wait_for_nothing():
    assert gaps(CONFIG, [40], [40], 1, [8, 8], split=False) == [0]


@pytest.mark.parametrize("steps", [1, 4, CONFIG.drain_cycles])
def test_short_dot_products_wait_for_the_drain(steps):
    assert gaps(CONFIG, [steps], [steps], 1, [8], split=False) == [CONFIG.drain_cycles - steps]


def test_the_end_of_a_short_dot_product_keeps_its_distance_from_a_long_one():
    long, short = 20, 2
    behind_long = CONFIG.drain_cycles - short
    behind_short = Isa(CONFIG).segment_fetch - short
    assert gaps(CONFIG, [long, short], [long, short], 1, [8], split=False) == [behind_long, behind_short]


@pytest.mark.parametrize("registers", [0, 1, 2])
def test_the_first_gated_drain_waits_for_its_gate(registers: int) -> None:
    """A decision takes a threshold read and two cycles more; behind it another gated drain waits for nothing."""
    config = ArrayConfig(rows=1, cols=1, lanes=8, fetch_width=32, memory_registers=registers)
    assert gaps(config, [20, 1, 20], [20, 1, 20], 1, [1], split=False, gated=2) == [
        config.memory_latency + 1, Isa(config).segment_fetch - 1, 0]
    assert gaps(config, [20, 20], [20, 20], 1, [1], split=True, gated=1) == [0, 0]


def test_split_mode_waits_for_the_writer_of_many_rows():
    config = CONFIG.replace(rows=30)
    two_words = [8, 8, 8, 8, 8]
    assert gaps(config, [9], [9], 1, two_words, split=False) == [0]
    assert gaps(config, [9], [9], 1, two_words, split=True) == [11]     # 20 cycles: the second word waits for the first
    assert gaps(config, [9], [9], 1, [8, 2], split=True) == [0]         # the dispatch of 30 pixels takes longer


def test_words_may_come_too_fast_for_split_mode():
    config = ArrayConfig(rows=4, cols=6, lanes=1, acc_bits=4, sum_bits=8)
    assert gaps(config, [3], [3], 1, [6], split=True) is None
    assert gaps(config, [3], [3], 1, [6], split=False) is not None
