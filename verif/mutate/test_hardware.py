"""The mutants of a small unit: killed where its test looks, equivalent where nothing differs, else they survive."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from . import hardware
from .hardware import Unit, judge_unit
from .items import Verdict
from .outcome import Outcome
from .sources import forked

TOY = '''\
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.verif.bench.trace import play


class Toy(wiring.Component):
    def __init__(self, *, bits):
        self.bits = bits
        super().__init__({"a": In(bits), "b": In(bits), "both": Out(bits), "either": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.both.eq(self.a & self.b)
        m.d.sync += self.either.eq(self.a | self.b | self.a & self.b)
        return m


def test_toy():
    steps = [{"a": n % 4, "b": n // 4, "rst": n == 6} for n in range(16)] + [{}]
    found = play(Toy(bits=2), steps)
    assert [outputs["both"] for outputs in found[:16]] == [step["a"] & step["b"] for step in steps[:16]]
'''
LOOKS = '''    assert [outputs["either"] for outputs in found[1:]] == [
        0 if step["rst"] else step["a"] | step["b"] for step in steps[:16]]
'''
COUNT = 18


def toy(folder: Path, text: str) -> Unit:
    path = folder / "test_toy.py"
    path.write_text(text)
    return Unit("toy", "test:Toy", (str(path),), COUNT, 1)


def judged(unit: Unit, folder: Path) -> tuple[dict[str, Any] | str, int]:
    """In a process of its own: the state, or the error; and how many tests ran."""
    def judge() -> tuple[dict[str, Any] | str, int]:
        count, run = 0, hardware.run

        def counted(item: pytest.Item, seconds: float) -> Verdict:
            nonlocal count
            count += 1
            return run(item, seconds)

        hardware.run = counted
        try:
            return judge_unit(unit, COUNT, 1, folder), count
        except RuntimeError as error:
            return str(error), count

    return forked(judge)


def outcomes(state: dict[str, Any]) -> Counter[str]:
    (netlist,) = state["netlists"]
    return Counter(mutant["outcome"] for mutant in netlist["mutants"])


def test_a_weak_test_and_a_better_one(tmp_path: Path) -> None:
    weak, ran = judged(toy(tmp_path, TOY), tmp_path)
    assert isinstance(weak, dict)
    found = outcomes(weak)
    assert ran == COUNT + 2                             # twice without a mutant
    assert found.total() == COUNT
    assert min(found[Outcome.KILLED], found[Outcome.EQUIVALENT], found[Outcome.SURVIVED]) > 0
    again, ran = judged(toy(tmp_path, TOY), tmp_path)
    assert (again, ran) == (weak, 1)                    # only to find the sizes
    better, ran = judged(toy(tmp_path, TOY + LOOKS), tmp_path)
    assert isinstance(better, dict)
    assert ran == found[Outcome.SURVIVED] + 2
    assert outcomes(better) == {Outcome.KILLED: COUNT - found[Outcome.EQUIVALENT],
                                Outcome.EQUIVALENT: found[Outcome.EQUIVALENT]}


@pytest.mark.parametrize(("text", "message"), [
    (TOY + "    assert False\n", "::test_toy must pass on the netlist without a mutant"),
    (TOY.replace("play(Toy(bits=2), steps)", "[{'both': step.get('a', 0) & step.get('b', 0)} for step in steps]"),
     "tests of toy must run it on Amaranth's simulator: "),
    ("import nothing_of_this_name\n" + TOY, "the tests must be collected, not end with "),
])
def test_tests_that_cannot_judge(text: str, message: str, tmp_path: Path) -> None:
    error, _ = judged(toy(tmp_path, text), tmp_path)
    assert isinstance(error, str)
    assert message in error
    assert "\n" not in error
