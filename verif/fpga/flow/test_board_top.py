"""The board's top: accelerator, bridge and serial port together, through the pins."""

import pytest

from signum.fpga.flow.board_top import QUIET, BoardTop
from signum.fpga.host.link import bursts, encode_write
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import MAGIC, VERSION, AddressMap, Region, Register, config_registers
from signum.verif.bench.simulate import simulate

CLOCK, BAUD = 1e6, 250_000
CONFIG = ArrayConfig(rows=2, cols=3, lanes=40, tile=2, acc_bits=8, sum_bits=10, weight_depth=16,
                     activation_depth=32, threshold_depth=16, program_depth=16, access_patterns=1)


def test_the_pins_reach_the_registers_and_the_memories():
    layout = AddressMap(CONFIG)
    top = BoardTop(config=CONFIG, clock=CLOCK, baud=BAUD)
    config = {place: CONFIG.to_dict()[name] for name, place in config_registers(CONFIG).items()}
    results = [layout.address(Region.THRESHOLDS, unit=row) for row in range(2)]
    maps = [layout.address(Region.ACTIVATIONS, unit=row) for row in range(2)]
    step = layout.slices                            # addresses from word to word
    registers = [layout.address(Region.REGISTERS, word=word) for word in (Register.MAGIC, Register.VERSION)]
    requests = [
        *((place, 1) for place in registers),
        *((layout.address(Region.REGISTERS, word=word), 1) for word in config),
        *((results[0] + i * step, [100 + i]) for i in range(3)),
        *((results[1] + i * step, [200 + i]) for i in range(3)),
        *((place + i * step, 1) for place in results for i in range(3)),
        (maps[0], [0x12345678, 0x9A, 0xDEADBEEF, 0x55]),
        (maps[1], [1, 2, 3, 4]),
        *((place, 4) for place in maps),
    ]
    result = simulate(top, "signum.verif.bench.bench_board", test="answers", parameters={
        "clock": CLOCK, "divisor": top.divisor, "requests": requests})
    words = result.values["words"]
    assert words[:2] == [[MAGIC], [VERSION]]
    assert [word for [word] in words[2:2 + len(config)]] == list(config.values())
    assert [word for [word] in words[-8:-2]] == [100, 101, 102, 200, 201, 202]
    assert words[-2:] == [[0x12345678, 0x9A, 0xDEADBEEF, 0x55], [1, 2, 3, 4]]
    assert result.values["retries"] == 0


class Digits:
    """The digits network on the icebreaker's array, behind a line of four cycles a bit.

    The clock is slow, so that the silences (in seconds) between a broken frame and the next are few cycles.
    """

    CLOCK, BAUD = 1e5, 25_000

    def __init__(self, split):
        self.graph = digits_graph_untrained(0)
        self.program = compile_graph(self.graph, ArrayConfig.preset("icebreaker"), split=split)
        self.cycles = predict_cycles(self.program.config, self.program.records)
        images = digits().test.images[:3 * self.program.images]
        maps = digits_encoder().bits(images)
        last = self.graph.layers[-1]
        self.logits = last.values(self.graph.run(maps)[last.name])
        size = self.program.images
        self.batches = [{name: bits[i:i + size] for name, bits in maps.items()}
                        for i in range(0, 3 * size, size)]

    def run(self, runs, *, flips=0, answer_flips=0, timeout=1.0, quiet=2 * QUIET):
        """Simulate runs, as `bench_board.runs_a_network` has them, and check cycles; returns the bench's values."""
        program = self.program
        top = BoardTop(config=program.config, clock=self.CLOCK, baud=self.BAUD)
        registers = {register.name: program.address_map.address(Region.REGISTERS, word=register)
                     for register in Register}
        load = list(program.load_writes())
        frames = list(bursts(load))
        usual = {"writes": [], "writes_during": [], "reads_during": [],
                 "reads": program.result_reads(program.images)}
        values = simulate(top, "signum.verif.bench.bench_board", test="runs_a_network", parameters={
            "clock": self.CLOCK, "divisor": top.divisor, "registers": registers, "load": load,
            "load_bytes": sum(len(encode_write(0, address, words)) for address, words in frames),
            "load_answer_bytes": 8 * len(frames), "flips": flips, "answer_flips": answer_flips,
            "timeout": timeout, "quiet": quiet, "runs": [usual | run for run in runs],
        }).values
        assert values["cycles"] == [self.cycles] * len(runs)
        assert values["runs"] == list(range(1, len(runs) + 1))
        return values

    def check(self, batch, words):
        """The results of a run are the logits of a batch."""
        first = batch * self.program.images
        expected = self.logits[first:first + self.program.images]
        found = self.program.results(len(expected), words).reshape(expected.shape)
        assert (found == expected).all(), f"batch {batch}: {found.tolist()}, not {expected.tolist()}"


@pytest.mark.slow
def test_a_network_through_the_pins():
    network = Digits(split=False)
    writes = [list(network.program.input_writes(batch)) for batch in network.batches]
    values = network.run([
        {"writes": writes[0]},
        {"writes": writes[1], "reads_during": network.program.result_reads(network.program.images)},
        {"writes": writes[2]},
    ])
    assert values["retries"] == [0, 0, 0, 0]
    for batch, words in enumerate(values["results"]):
        network.check(batch, words)


@pytest.mark.slow
def test_a_network_over_a_line_that_flips_bits():
    network = Digits(split=True)
    values = network.run([{"writes": list(network.program.input_writes(network.batches[0]))}],
                         flips=8, answer_flips=3)
    assert values["retries"][0] >= 3
    network.check(0, values["results"][0])


@pytest.mark.slow
@pytest.mark.parametrize(("timeout", "least"), [(1.0, 1), (0.02, 2)])
def test_writes_wait_for_the_end_of_a_run(timeout, least):
    """Writes while a program runs fail but for the first one, are repeated, and harm neither this run nor the next.

    With the shorter time the host gives up an attempt, and begins another, before the run has ended.
    """
    network = Digits(split=False)
    writes = [list(network.program.input_writes(batch)) for batch in network.batches]
    values = network.run([
        {"writes": writes[0], "writes_during": writes[1][:2]},
        {"writes": writes[1][2:], "writes_during": writes[2]},
        {},
    ], timeout=timeout)
    for batch, words in enumerate(values["results"]):
        network.check(batch, words)
    loading, short, long, none = values["retries"]
    assert loading == none == 0
    assert short >= least
    assert long >= 1
