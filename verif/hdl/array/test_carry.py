"""The counter of carry cells: every size with every pipeline, against the cell as its maker describes it and as Yosys
does."""

import random
import re

import pytest
from amaranth.hdl import Array, Cat, Elaboratable, Module, Value

import signum.hdl.array.carry
from signum.fpga.host.model import Model
from signum.fpga.host.netlist_board import cell_models
from signum.golden.reference.units import processing_element
from signum.hdl.array.carry import LEAST_LANES, CarryCounter, has_carry_cells
from signum.hdl.array.pe import ProcessingElement
from signum.hdl.config import ArrayConfig, ConfigError, popcount_stages
from signum.hdl.lib.emit import Target, to_rtlil, to_verilog
from signum.verif.bench.trace import play

Word = tuple[int, int, bool]


class CCU2C(Elaboratable):
    """The cell in the mode that chains are made of. Its carry in is 1 where it is open, which must not matter."""

    def __init__(self, kind: str, **ports: Value) -> None:
        assert kind == "CCU2C"
        assert ports["p_INJECT1_0"] == ports["p_INJECT1_1"] == "NO"
        self.ports = ports

    def elaborate(self, platform: object) -> Module:
        m = Module()
        carry = self.ports.get("i_CIN", 1)
        for half in "01":
            table = Array(self.ports[f"p_INIT{half}"])
            inputs = Cat(self.ports[f"i_{name}{half}"] for name in "ABCD")
            passes = table[inputs]
            m.d.comb += self.ports[f"o_S{half}"].eq(passes ^ carry)
            carry = (passes & carry) | (~passes & table[inputs[:2]])
        m.d.comb += self.ports["o_COUT"].eq(carry)
        return m


@pytest.fixture
def cells(monkeypatch):
    monkeypatch.setattr(signum.hdl.array.carry, "Instance", CCU2C)


def draw(rng: random.Random, lanes: int, cycles: int) -> list[Word]:
    """Words that are equal, that differ, that differ in one lane or are equal in one, and any."""
    ones = (1 << lanes) - 1
    equal = [ones, 0, *(1 << lane for lane in range(lanes)), *(ones ^ 1 << lane for lane in range(lanes))]
    equal = rng.choices(equal, k=cycles // 2) + [rng.getrandbits(lanes) for _ in range(cycles - cycles // 2)]
    rng.shuffle(equal)
    return [(a, a ^ ones ^ bits, cycle == 0 or rng.random() < 0.3)
            for cycle, bits in enumerate(equal) for a in (rng.getrandbits(lanes),)]


def config_of(lanes: int, pipeline: int, acc_bits: int) -> ArrayConfig:
    return ArrayConfig(rows=1, cols=1, lanes=lanes, pipeline=pipeline, acc_bits=acc_bits)


def steps_of(words: list[Word], pipeline: int) -> list[dict[str, int]]:
    """Inputs a cycle: what says that words are the first comes ``pipeline`` cycles after them."""
    late = [False] * pipeline + [first for _, _, first in words]
    idle: list[Word] = [(0, 0, False)] * (pipeline + 1)
    return [{"a": a, "w": w, "first": first} for (a, w, _), first in zip(words + idle, [*late, False], strict=True)]


def check(lanes: int, pipeline: int, acc_bits: int, words: list[Word]) -> None:
    trace = play(CarryCounter(lanes=lanes, pipeline=pipeline, acc_bits=acc_bits), steps_of(words, pipeline))
    sums = [outputs["acc"] for outputs in trace[pipeline + 1:]]
    assert sums == processing_element(config_of(lanes, pipeline, acc_bits), words), (lanes, pipeline)


@pytest.mark.parametrize("lanes", [*range(LEAST_LANES, 71), 127, 128])
def test_every_size(lanes: int, seed: int, cells: None) -> None:
    for pipeline in range(popcount_stages(lanes) + 1):
        rng = random.Random(f"{seed} {lanes} {pipeline}")
        check(lanes, pipeline, lanes.bit_length() + rng.randrange(5), draw(rng, lanes, 40))


def test_all_pairs(cells: None) -> None:
    words = [(a, w, True) for a in range(1 << LEAST_LANES) for w in range(1 << LEAST_LANES)]
    check(LEAST_LANES, 1, 3, words)


@pytest.mark.parametrize("longest", [8, 48, 1000])
def test_chains_of_any_length(longest: int, seed: int, cells: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signum.hdl.array.carry.CarryChains, "LONGEST", longest)
    for pipeline in (0, 3):
        check(33, pipeline, 8, draw(random.Random(f"{seed} {pipeline}"), 33, 100))


def test_no_chain_goes_on_behind_a_register(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a register behind every level, a chain adds words, or results of one level."""
    chains: dict[int, set[str]] = {}

    class Seen(CCU2C):
        def __init__(self, kind: str, **ports: Value) -> None:
            super().__init__(kind, **ports)
            inputs = " ".join(repr(ports[f"i_{name}{half}"]) for name in "ABCD" for half in "01")
            begun = chains.pop(id(ports["i_CIN"])) if "i_CIN" in ports else set()
            chains[id(ports["o_COUT"])] = begun | set(re.findall(r"\(sig (a|w|level\d)(?=[_)])", inputs))

    monkeypatch.setattr(signum.hdl.array.carry, "Instance", Seen)
    to_rtlil(CarryCounter(lanes=64, pipeline=popcount_stages(64), acc_bits=12), "counter")
    assert set().union(*chains.values()) == {"a", "w", *(f"level{level}" for level in range(popcount_stages(64)))}
    assert all(names <= {"a", "w"} or len(names) == 1 for names in chains.values())


@pytest.mark.parametrize(("lanes", "pipeline"), [(5, 0), (64, 0), (64, 4), (64, 5), (70, 1)])
def test_the_model_of_yosys(lanes: int, pipeline: int, seed: int) -> None:
    config = config_of(lanes, pipeline, 12)
    words = draw(random.Random(f"{seed} {lanes} {pipeline}"), lanes, 300)
    verilog, _ = to_verilog(ProcessingElement(config=config), "unit", Target("ecp5"))
    assert "CCU2C" in verilog
    sums = []
    with Model(cell_models("ecp5") + verilog, "unit") as model:
        model["rst"], model["load"] = 0, 1
        for step in steps_of(words, pipeline):
            for name, value in step.items():
                model[name] = value
            model.run(1)
            sums.append(model["result"])
    late = processing_element(config, words)
    assert sums[pipeline + 1:] == late


def test_who_has_carry_cells() -> None:
    assert has_carry_cells(Target("ecp5"), 64)
    assert not has_carry_cells(Target("ecp5"), 4)
    assert not has_carry_cells(Target("ice40"), 64)
    assert not has_carry_cells(None, 64)


@pytest.mark.parametrize(("parameters", "message"), [
    ({"lanes": 4}, "lanes must be at least 5, not 4"),
    ({"pipeline": 6}, "pipeline must be from 0 to 5 for 64 lanes, not 6"),
    ({"acc_bits": 6}, "acc_bits must be at least 7 for 64 lanes, not 6"),
])
def test_out_of_range(parameters: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        CarryCounter(**{"lanes": 64, "pipeline": 1, "acc_bits": 12} | parameters)
    assert str(refusal.value) == message
