"""The simulation wrapper: failures, empty filters and broken builds are errors."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from signum.hdl.lib.emit import emit
from signum.verif.bench import simulate as wrapper
from signum.verif.bench.bench_emit import ITEM
from signum.verif.bench.simulate import BenchError, Result, simulate
from signum.verif.bench.streams import pack, unpack

QUICK = "verilator" if wrapper.simulator_missing("icarus") else "icarus"     # the fastest build


class Queue(wiring.Component):
    """Four items, first in, first out."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        super().__init__({"i": In(stream.Signature(ITEM)), "o": Out(stream.Signature(ITEM))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=ITEM.size, depth=4)
        m.d.comb += [fifo.w_data.eq(self.i.payload), fifo.w_en.eq(self.i.valid), self.i.ready.eq(fifo.w_rdy),
                     self.o.payload.eq(fifo.r_data), self.o.valid.eq(fifo.r_rdy), fifo.r_en.eq(self.o.ready)]
        if self.fault == "invert":
            m.d.comb += self.o.payload.eq(~fifo.r_data)
        elif self.fault == "drop":
            toggle = Signal()
            m.d.sync += toggle.eq(~toggle)
            m.d.comb += self.o.valid.eq(fifo.r_rdy & toggle)
        elif self.fault == "hang":
            m.d.comb += self.o.valid.eq(0)
        elif self.fault == "hurry":
            m.d.comb += fifo.r_en.eq(1)
        return m


def run_queue(queue: Queue, simulator: str, stall: float = 0.3, **options: Any) -> Result:
    numbers = np.random.default_rng(3).integers(0, 64, 50)
    return simulate(queue, "signum.verif.bench.bench_emit", simulator=simulator,
                    parameters={"numbers": numbers, "stall": stall}, **options)


@pytest.mark.parametrize("stall", [0.0, 0.8])
def test_streams_under_stalls(simulator: str, stall: float) -> None:
    result = run_queue(Queue(), simulator, stall)
    assert result.tests == ("signum.verif.bench.bench_emit.passes_in_order",)
    assert result.values == {"count": 50}


@pytest.mark.parametrize(("fault", "message"), [
    ("invert", "passes_in_order failed: assert"),
    ("hurry", "o must keep its payload until it is taken"),
    ("drop", "o must stay valid until it is taken"),
    ("hang", "o must give 50 payloads, not only 0"),
])
def test_a_faulty_stream_fails(fault: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        run_queue(Queue(fault), QUICK)


def faults(simulator: str, test: str | None = None, **options: Any) -> Result:
    return simulate(Queue(), "signum.verif.bench.bench_faults", test=test, parameters={"number": 7},
                    simulator=simulator, **options)


def test_a_failure_is_told_with_its_seed(simulator: str) -> None:
    with pytest.raises(BenchError, match=r"^signum\.verif\.bench\.bench_faults\.fails failed: a bit is never two .*"
                                         rf"repeat with SEED=41 SIM={simulator}$"):
        faults(simulator, "fails", seed=41)


def test_a_pass_demands_that_a_test_ran() -> None:
    for test in ("no_such_test", "passe", "asses"):
        with pytest.raises(BenchError, match=r"^no test ran"):
            faults(QUICK, test)


def test_skipped_tests_are_not_counted(tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    skipped = '<testcase name="a" classname="m"><skipped/></testcase>'
    passed = '<testcase name="b" classname="m"/>'
    results.write_text(f"<testsuites><testsuite>{skipped}{passed}</testsuite></testsuites>")
    assert wrapper.read_results(results, results, "") == ("m.b",)
    results.write_text(f"<testsuites><testsuite>{skipped}</testsuite></testsuites>")
    with pytest.raises(BenchError, match=r"^no test ran"):
        wrapper.read_results(results, results, "")


def test_a_test_that_ends_the_simulation_is_a_failure(simulator: str) -> None:
    with pytest.raises(BenchError, match=r"ends_early failed"):
        faults(simulator, "ends_early")


def test_an_unknown_bit_is_a_failure() -> None:
    if reason := wrapper.simulator_missing("icarus"):
        pytest.skip(reason)             # Verilator has no Z
    with pytest.raises(BenchError, match=r"queue\.i__payload must be 0 or 1 in each bit, not ZZZZZZZ"):
        faults("icarus", "sees_nothing_known")


def test_a_bench_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(BenchError, match=rf"^verif\.bench_nowhere on {QUICK} did not end: .*No module named"):
        simulate(Queue(), "verif.bench_nowhere", simulator=QUICK)


def test_values_and_seeds() -> None:
    first, again, other = (faults(QUICK, "passes", seed=seed).values for seed in (5, 5, 6))
    assert first == again
    assert first["drawn"] != other["drawn"]
    assert (first["seen"], first["more"]) == (7, [1, 2])


def test_the_environment_gives_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", "17")
    assert wrapper.default_seed() == 17
    monkeypatch.setenv("SEED", "x")
    with pytest.raises(BenchError, match=r"^SEED must be a non-negative integer, not 'x'$"):
        wrapper.default_seed()


def test_an_unknown_simulator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM", "modelsim")
    with pytest.raises(BenchError, match=r"^SIM must be one of verilator, icarus, not 'modelsim'$"):
        simulate(Queue(), "signum.verif.bench.bench_faults")


@pytest.mark.slow
def test_waves(simulator: str) -> None:
    waves = faults(simulator, "passes", waves=True).waves
    assert waves is not None
    assert waves.stat().st_size > 100


def test_verilog_that_does_not_build_is_a_failure(simulator: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.v"
    path.write_text("module broken(clk, rst);\n  input clk, rst;\n  assign clk = ;\nendmodule\n")
    with pytest.raises(BenchError, match=rf"^{simulator} could not build broken: .*error"):
        simulate(path, "signum.verif.bench.bench_faults", simulator=simulator)


def test_verilog_files_run_like_components(tmp_path: Path) -> None:
    path = emit(Queue(), name="queue", directory=tmp_path)
    assert faults(QUICK, "passes", seed=1) == simulate(
        path, "signum.verif.bench.bench_faults", test="passes", parameters={"number": 7}, simulator=QUICK, seed=1)


def test_processes_that_want_the_same_build_do_not_collide(tmp_path: Path) -> None:
    program = ("from pathlib import Path; import signum.verif.bench.simulate as s\n"
               "from signum.verif.bench.test_simulate import *\n"
               f"s.SIMULATIONS = Path({str(tmp_path)!r}); print(faults(QUICK, 'passes').tests)\n")
    command = [sys.executable, "-c", program]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for run in runs:
        assert run.communicate()[0] == "('signum.verif.bench.bench_faults.passes',)\n"
        assert run.returncode == 0
    assert len(list(tmp_path.glob("queue-*.lock"))) == 1
    assert not list(tmp_path.glob("queue-*/run-*"))


SHAPE = data.StructLayout({"flag": 1, "small": signed(3), "list": data.ArrayLayout(4, 2)})


@given(flag=st.integers(0, 1), small=st.integers(-4, 3), items=st.tuples(*[st.integers(0, 15)] * 2))
def test_payloads_are_packed_and_unpacked(flag: int, small: int, items: tuple[int, int]) -> None:
    value = {"flag": flag, "small": small, "list": list(items)}
    bits = pack(SHAPE, value)
    assert bits == flag | (small & 7) << 1 | items[0] << 4 | items[1] << 8
    assert unpack(SHAPE, bits) == value


def test_plain_numbers_are_payloads_too() -> None:
    assert pack(4, 9) == 9
    assert pack(signed(4), -1) == 15
    assert unpack(signed(4), 15) == -1
    assert unpack(4, 15) == 15


def test_messages_take_one_line() -> None:
    with pytest.raises(BenchError) as caught:
        run_queue(Queue("invert"), QUICK)
    assert not re.search(r"\n", str(caught.value))
