"""Verilog for coverage: each statement under a condition has its place, and the ordinary output stays as it is."""

import inspect

from signum.hdl.camera import downscale
from signum.hdl.camera.downscale import Downscale, Scaling
from signum.hdl.config import ArrayConfig
from signum.hdl.host.fault_recorder import FaultRecorder
from signum.hdl.host.uart import UARTReceiver
from signum.hdl.lib.emit import to_verilog
from signum.verif.coverage import emission

from .emission import PLACE, SOURCES, emitted_for_coverage
from .statements import statements, statements_of

SOURCE = '''\
class Unit:
    def elaborate(self, platform):
        m = Module()
        m.d.comb += a.eq(b)
        with m.If(c):
            m.d.sync += [a.eq(b),
                         b.eq(c)]
            if d:
                m.d.sync += e.eq(0)
            assert f.eq(g)
        with m.FSM():
            m.d.sync += h.eq(1)
            with m.State("idle"), m.If(i):
                m.next = "busy"
        with open(j):
            m.d.sync += k.eq(1)
        return m
'''


def test_statements_under_conditions() -> None:
    assert statements_of(SOURCE) == {6, 7, 9, 14}


def test_each_statement_has_its_place() -> None:
    with emitted_for_coverage():
        verilog, _ = to_verilog(UARTReceiver(divisor=8), "unit")
    lines, first = inspect.getsourcelines(UARTReceiver)
    found = {int(place[2]) for line in verilog.splitlines() if (place := PLACE.search(line))}
    assert found == {line for line in statements()["hdl/host/uart.py"] if first <= line < first + len(lines)}
    described = inspect.getsourcelines(UARTReceiver.elaborate)[1] + 1
    assert f"// in hdl/host/uart.py:{described}\nmodule unit(" in verilog
    assert not [text for text in (emission.MARK, "(*", str(SOURCES)) if text in verilog]


def test_structures_have_the_place_of_their_assignment() -> None:
    with emitted_for_coverage():
        verilog, _ = to_verilog(FaultRecorder(config=ArrayConfig.preset("tiny").replace(parity=1), sources=2), "unit")
    found = {int(place[2]) for line in verilog.splitlines() if (place := PLACE.search(line))}
    assert found == statements()["hdl/host/fault_recorder.py"]


def test_an_index_without_bits_keeps_its_assignment() -> None:
    """Yosys's Verilog drops the case of a switch on a value of no bits."""
    scaling = Scaling(frame_width=6, frame_height=4, width=3, height=2, box_width=2, box_height=2, shift=2)
    with emitted_for_coverage():
        verilog, _ = to_verilog(Downscale(scaling=scaling), "unit")
    found = {int(place[2]) for line in verilog.splitlines() if (place := PLACE.search(line))}
    source = inspect.getsource(downscale).splitlines()
    (line,) = (number for number, text in enumerate(source, 1) if "partial[tags.channel].eq(total)" in text)
    assert line in found


def test_the_ordinary_output_stays_as_it_is() -> None:
    before = to_verilog(UARTReceiver(divisor=8), "unit")
    with emitted_for_coverage():
        assert to_verilog(UARTReceiver(divisor=8), "unit") != before
    assert to_verilog(UARTReceiver(divisor=8), "unit") == before
    assert "hdl/host/uart.py" not in before[0]
