"""The loop counter: its first and its last turn, with restarts at any time."""

import random
from typing import Any

import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.control.loop import Loop, Nest
from signum.verif.bench.trace import AMARANTH, play

Steps = list[dict[str, Any]]


def draw_steps(rng: random.Random, bits: int, count: int) -> Steps:
    """Loops of any length, most of them short; ``last`` changes at a start, and is random before."""
    steps: Steps = []
    while len(steps) < count:
        last = rng.choice([0, 1, rng.randrange(1 << bits)]) % (1 << bits)
        steps += [{"last": rng.randrange(1 << bits)} for _ in range(rng.randrange(2))]
        steps.append({"last": last, "restart": 1, "step": rng.randrange(2)})
        steps += [{"last": last, "step": int(rng.random() < 0.7)} for _ in range(rng.randrange(12))]
    return [*steps, {}]


def ref(steps: Steps) -> list[tuple[int, int]]:
    """For each cycle after a ``begin``: whether the turn is the first, the last."""
    found, turn, last = [], 0, 0
    for step in steps:
        if "restart" in step:
            turn, last = 0, step["last"]
        elif step.get("step"):
            turn = (turn + 1) % (last + 1)
        found.append((int(turn == 0), int(turn == last)))
    return found


def rtl(steps: Steps, bits: int, simulator: str = AMARANTH) -> list[tuple[int, int]]:
    trace = play(Loop(bits=bits), [*steps, {}], simulator)
    return [(outputs["first"], outputs["at_end"]) for outputs in trace[1:]]


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_sizes(bits: int, seed: int) -> None:
    steps = draw_steps(random.Random(f"{seed} {bits}"), bits, 600)
    begun = next(cycle for cycle, step in enumerate(steps) if "restart" in step)
    assert rtl(steps, bits)[begun:] == ref(steps)[begun:]


def test_simulators(simulator: str, seed: int) -> None:
    steps = draw_steps(random.Random(seed), 4, 600)
    begun = next(cycle for cycle, step in enumerate(steps) if "restart" in step)
    assert rtl(steps, 4, simulator)[begun:] == ref(steps)[begun:]


class Three(wiring.Component):
    """Three nested loops: whether each is in its last turn, and whether all are."""

    def __init__(self) -> None:
        super().__init__({"lasts": In(2).array(3), "restart": In(1), "step": In(1), "ends": Out(3), "ended": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        nest = Nest(m, {f"loop{i}": last for i, last in enumerate(self.lasts)}, restart=self.restart, step=self.step)
        m.d.comb += [self.ends.eq(Cat(loop.at_end for loop in nest.loops.values())), self.ended.eq(nest.ended)]
        return m


def test_the_loops_of_a_nest(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        lasts = [rng.randrange(4) for _ in range(3)]
        steps = [{"step": int(rng.random() < 0.7)} for _ in range(150)]
        trace = play(Three(), [{"lasts": lasts, **step} for step in ({"restart": 1}, {}, *steps)], AMARANTH)
        turn = 0
        for step, outputs in zip(steps, trace[2:], strict=True):
            rest, ends = turn, 0
            for i, last in enumerate(lasts):
                rest, within = divmod(rest, last + 1)
                ends |= (within == last) << i
            assert (outputs["ends"], outputs["ended"]) == (ends, ends == 0b111)
            turn = (turn + step["step"]) % ((lasts[0] + 1) * (lasts[1] + 1) * (lasts[2] + 1))
