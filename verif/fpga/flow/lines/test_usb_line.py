"""The line over USB, driven at its pins by a host."""

import re

import pytest
from amaranth.hdl import ClockDomain, ClockSignal, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

from signum.fpga.flow.lines.usb_line import Transceiver, USBLine
from signum.fpga.flow.tools import ToolError
from signum.hdl.host.line import line_signature
from signum.hdl.lib.emit import to_verilog
from signum.verif.bench.simulate import simulate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:luna")
BENCH = "signum.verif.bench.bench_usb_line"


class FullSpeedDevice(wiring.Component):
    """The line, its clocks of 48 and 12 MHz, and a cable that shows the levels of its driver."""

    def __init__(self):
        super().__init__({
            "line": Out(line_signature), "io_clk": In(1), "host_p": In(1), "host_n": In(1), "wire_p": Out(1),
            "wire_n": Out(1), "drives": Out(1), "pull_up": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        for domain in ("fast", "slow"):
            m.domains += ClockDomain(domain, local=True)
            m.submodules[f"{domain}_reset"] = ResetSynchronizer(ResetSignal("sync"), domain=domain)
        count = Signal(2)
        m.d.fast += count.eq(count + 1)
        m.submodules.usb = usb = USBLine(transceiver=Transceiver.PINS)
        m.d.comb += [
            ClockSignal("fast").eq(self.io_clk),
            ClockSignal("slow").eq(count[-1]),
            usb.usb_io_clk.eq(ClockSignal("fast")),
            usb.usb_io_rst.eq(ResetSignal("fast")),
            usb.usb_clk.eq(ClockSignal("slow")),
            usb.usb_rst.eq(ResetSignal("slow")),
            self.drives.eq(usb.d_p.oe),
            self.pull_up.eq(usb.pull_up),
            self.wire_p.eq(Mux(usb.d_p.oe, usb.d_p.o, self.host_p)),
            self.wire_n.eq(Mux(usb.d_n.oe, usb.d_n.o, self.host_n)),
            usb.d_p.i.eq(self.wire_p),
            usb.d_n.i.eq(self.wire_n),
        ]
        wiring.connect(m, usb.line, wiring.flipped(self.line))
        return m


def full_speed(sync=37, deviation=0.0, size=3000, stall=0.96, test=None):
    return simulate(FullSpeedDevice(), BENCH, test=test, parameters={
        "bus": "pins", "sync": sync, "deviation": deviation, "bytes": size, "stall": stall})


def ulpi(bus, sync=20, size=12_000, stall=0.5, silent=False, test=None, **options):
    return simulate(USBLine(transceiver=Transceiver.ULPI, **options), BENCH, test=test, parameters={
        "bus": bus, "sync": sync, "pause": 0.02, "bytes": size, "stall": stall, "silent": silent})


def test_full_speed():
    """Every bench; of 1.5 MB/s on the wires, bulk packets of 64 bytes can have 1.216 MB/s in frames of the bus."""
    result = full_speed()
    assert len(result.tests) == 9
    assert result.values["out"] > 1.22e6
    assert result.values["into"] > 1.22e6
    assert result.values["slowest"] < 12.5      # bits until a response; a host waits at least 16


@pytest.mark.parametrize(("sync", "deviation", "stall"), [(9, 0.0025, 0.99), (143, -0.0025, 0.9)])
def test_other_clocks(sync, deviation, stall):
    """Domain ``sync`` of other periods (ns), and a host whose clock is as wrong as it may be."""
    full_speed(sync, deviation, 700, stall, "moves_bytes")


def test_high_speed():
    """Every bench; of 60 MB/s on the wires, bulk packets of 512 bytes can have 53.2 MB/s."""
    result = ulpi("high")
    assert len(result.tests) == 9
    assert result.values["out"] > 49e6
    assert result.values["into"] > 49e6


def test_full_speed_over_ulpi():
    """A host without high speed: packets have 64 bytes then. The transceiver tells no VBUS."""
    ulpi("full", size=1000, stall=0.99, silent=True, test="moves_bytes")


def test_a_transceiver_on_the_clock_of_the_board():
    """It is held in reset longer, until it has its supply."""
    ulpi("high", size=1000, test="moves_bytes", gives_clock=True, reset_cycles=3000)


def test_luna_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"^a line over USB needs the extra usb: .*'signum\[usb\]'$"):
        USBLine(transceiver=Transceiver.PINS)


@pytest.mark.parametrize("transceiver", ["utmi", True, None])
def test_transceiver_out_of_range(transceiver):
    with pytest.raises(ValueError, match=f"^transceiver must be one of pins, ulpi, not {transceiver!r}$"):
        USBLine(transceiver=transceiver)


def test_names_of_fifos():
    """The flow leaves modules named so out of an option of memories: all memories between two clocks must be in one."""
    for component in (FullSpeedDevice(), USBLine(transceiver=Transceiver.ULPI)):
        verilog, _ = to_verilog(component, "top")
        crossing = re.findall(r"^module (\w*_produce_cdc)", verilog, re.MULTILINE)
        assert crossing
        assert all("fifo" in name for name in crossing)


def test_same_text_again():
    assert to_verilog(FullSpeedDevice(), "top") == to_verilog(FullSpeedDevice(), "top")
