"""Testbenches of a unit on Amaranth's simulator, without a build."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from amaranth.hdl import Elaboratable, Fragment
from amaranth.sim import Simulator, SimulatorContext

__all__ = ["Testbench", "run_testbenches", "simulator_with"]

PERIOD = 1e-6       # of a unit that knows no seconds

Testbench = Callable[[SimulatorContext], Coroutine[Any, Any, None]]


def simulator_with(design: Elaboratable | Fragment, *testbenches: Testbench, background: Sequence[Testbench] = (),
                   period: float = PERIOD) -> Simulator:
    """A simulator of a design with testbenches, which act in the order given in each step, and a clock of ``sync``.

    Parameters
    ----------
    design : Elaboratable or Fragment
        With or without a domain ``sync``.
    testbenches : callable
        Take a `SimulatorContext`; a run ends when all of them have ended.
    background : sequence of callable
        The same, and a run does not wait for their ends.
    period : float
        Of the clock, in seconds.
    """
    simulator = Simulator(design)
    simulator.add_clock(period, if_exists=True)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in background:
        simulator.add_testbench(testbench, background=True)
    return simulator


def run_testbenches(design: Elaboratable | Fragment, *testbenches: Testbench, background: Sequence[Testbench] = (),
                    period: float = PERIOD) -> None:
    """Run testbenches until those not in the ``background`` have ended; parameters as of `simulator_with`."""
    simulator_with(design, *testbenches, background=background, period=period).run()
