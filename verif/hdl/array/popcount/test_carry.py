"""The structure of carry cells: chains of any length, and Yosys's model of the cell."""

import random
import re

import pytest
from amaranth.hdl import Value

import signum.hdl.array.popcount.carry
from signum.fpga.flow.families.ecp5 import ECP5
from signum.fpga.host.model import Model
from signum.fpga.host.netlist_board import cell_models
from signum.golden.reference.units import processing_element
from signum.hdl.array.pe import ProcessingElement
from signum.hdl.array.popcount.carry import CarryChains, CarryPopcount
from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.lib.emit import Target, to_rtlil, to_verilog
from signum.verif.bench.cells import CCU2C, simulate_cells
from signum.verif.bench.trace import play

Word = tuple[int, int, bool]


def draw(rng: random.Random, lanes: int, cycles: int) -> list[Word]:
    """Words equal in all lanes, in none, in all but one, in one, and random words."""
    ones = (1 << lanes) - 1
    equal = [ones, 0, *(1 << lane for lane in range(lanes)), *(ones ^ 1 << lane for lane in range(lanes))]
    equal = rng.choices(equal, k=cycles // 2) + [rng.getrandbits(lanes) for _ in range(cycles - cycles // 2)]
    rng.shuffle(equal)
    return [(a, a ^ ones ^ bits, cycle == 0 or rng.random() < 0.3)
            for cycle, bits in enumerate(equal) for a in (rng.getrandbits(lanes),)]


def config_of(lanes: int, pipeline: int, acc_bits: int) -> ArrayConfig:
    return ArrayConfig(rows=1, cols=1, lanes=lanes, pipeline=pipeline, acc_bits=acc_bits)


def steps_of(words: list[Word], pipeline: int) -> list[dict[str, int]]:
    """Inputs of each cycle: the mark of the first words comes ``pipeline`` cycles after them."""
    late = [False] * pipeline + [first for _, _, first in words]
    idle: list[Word] = [(0, 0, False)] * (pipeline + 1)
    return [{"a": a, "w": w, "first": first} for (a, w, _), first in zip(words + idle, [*late, False], strict=True)]


def check(lanes: int, pipeline: int, acc_bits: int, words: list[Word]) -> None:
    trace = play(CarryPopcount(lanes=lanes, pipeline=pipeline, acc_bits=acc_bits), steps_of(words, pipeline))
    sums = [outputs["acc"] for outputs in trace[pipeline + 1:]]
    assert sums == processing_element(config_of(lanes, pipeline, acc_bits), words), (lanes, pipeline)


@pytest.mark.parametrize("longest", [8, 48, 1000])
def test_chains_of_any_length(longest: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_cells(signum.hdl.array.popcount.carry, monkeypatch)
    monkeypatch.setattr(CarryChains, "LONGEST", longest)
    for pipeline in (0, 3):
        check(33, pipeline, 8, draw(random.Random(f"{seed} {pipeline}"), 33, 100))


def test_no_chain_goes_on_behind_a_register(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a register after every level, a chain adds words, or results of one level."""
    chains: dict[int, set[str]] = {}

    class Seen(CCU2C):
        def __init__(self, kind: str, **ports: Value) -> None:
            assert kind == "CCU2C"
            super().__init__(**ports)
            inputs = " ".join(repr(ports[f"i_{name}{half}"]) for name in "ABCD" for half in "01")
            begun = chains.pop(id(ports["i_CIN"])) if "i_CIN" in ports else set()
            chains[id(ports["o_COUT"])] = begun | set(re.findall(r"\(sig (a|w|level\d)(?=[_)])", inputs))

    monkeypatch.setattr(signum.hdl.array.popcount.carry, "Instance", Seen)
    stages = CarryPopcount.stages(64)
    to_rtlil(CarryPopcount(lanes=64, pipeline=stages, acc_bits=12), "counter")
    assert set().union(*chains.values()) == {"a", "w", *(f"level{level}" for level in range(stages))}
    assert all(names <= {"a", "w"} or len(names) == 1 for names in chains.values())


@pytest.mark.parametrize(("lanes", "pipeline"), [
    (64, 0), (70, 1), *(pytest.param(*size, marks=pytest.mark.slow) for size in ((5, 0), (64, 4), (64, 5)))])
def test_the_model_of_yosys(lanes: int, pipeline: int, seed: int) -> None:
    config = config_of(lanes, pipeline, 12)
    words = draw(random.Random(f"{seed} {lanes} {pipeline}"), lanes, 300)
    verilog, _ = to_verilog(ProcessingElement(config=config), "unit", Target("ecp5"))
    assert "CCU2C" in verilog
    sums = []
    with Model(cell_models(ECP5) + verilog, "unit") as model:
        model["rst"], model["load"] = 0, 1
        for step in steps_of(words, pipeline):
            for name, value in step.items():
                model[name] = value
            model.run(1)
            sums.append(model["result"])
    late = processing_element(config, words)
    assert sums[pipeline + 1:] == late


def test_an_accumulator_without_room_for_a_count() -> None:
    with pytest.raises(ConfigError, match=r"^acc_bits must be at least 7 for 64 lanes, not 6$"):
        CarryPopcount(lanes=64, pipeline=1, acc_bits=6)
