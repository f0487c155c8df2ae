"""The recorder of faults against a variable: the first fault since it was cleared."""

import random

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import Region, told_wrong, wrong_word
from signum.hdl.host.fault_recorder import FaultRecorder, fault, fault_layout
from signum.verif.bench.trace import play

CONFIG = ArrayConfig(rows=3, cols=5, lanes=4, parity=1)
SOURCES = 3
Fault = dict[str, int]


def rtl(steps: list[tuple[list[Fault], int]]) -> list[Fault]:
    inputs = [{**{f"faults__{i}": entry for i, entry in enumerate(faults)}, "clear": clear} for faults, clear in steps]
    return [outputs["held"] for outputs in play(FaultRecorder(config=CONFIG, sources=SOURCES), [*inputs, {}])[1:]]


def ref(steps: list[tuple[list[Fault], int]]) -> list[Fault]:
    held: Fault = {"wrong": 0, "region": 0, "unit": 0, "word": 0}
    found = []
    for faults, clear in steps:
        came = [entry for entry in faults if entry["wrong"]]
        if came and (clear or not held["wrong"]):
            held = came[0]
        elif clear:
            held = {**held, "wrong": 0}
        found.append(held)
    return found


def test_random_faults(seed: int) -> None:
    rng = random.Random(seed)
    steps = [([{"wrong": int(rng.random() < 0.1), "region": rng.randrange(8), "unit": rng.randrange(5),
                "word": rng.randrange(1024)} for _ in range(SOURCES)], int(rng.random() < 0.2)) for _ in range(400)]
    assert rtl(steps) == ref(steps)


class Told(wiring.Component):
    """The register of the widest array."""

    config = ArrayConfig(rows=1, cols=1024, lanes=16, drain_width=16, tile=1024, weight_depth=65536, parity=1)

    def __init__(self) -> None:
        super().__init__({"i": In(fault_layout(self.config)), "o": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        copy = fault(self.config, wrong=self.i.wrong, region=self.i.region, unit=self.i.unit, word=self.i.word)
        i = data.View(fault_layout(self.config), copy)
        m.d.comb += self.o.eq(told_wrong(i.wrong, i.region, i.unit, i.word))
        return m


def test_a_register_tells_the_word() -> None:
    words = [(Region.WEIGHTS, 1023, 65535), (Region.COEFFICIENTS, 31, 0), (Region.PROGRAM, 0, 1)]
    steps = [{"i": {"wrong": 1, "region": int(region), "unit": unit, "word": word}} for region, unit, word in words]
    assert [wrong_word(outputs["o"]) for outputs in play(Told(), steps)] == words
    assert [outputs["o"] for outputs in play(Told(), [{}])] == [1]
    assert wrong_word(1) is None
    assert str(wrong_word(play(Told(), steps)[0]["o"])) == "word 65535 of the weights of column 1023"
