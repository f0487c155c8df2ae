"""The host's end of a USB cable at a Verilated device that sends back what it receives, with and without losses."""

import random
from collections.abc import Generator, Iterator

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from signum.fpga.flow.lines.usb_line import USB, Transceiver
from signum.fpga.host.model import Model
from signum.hdl.host.hdlc import FLAG
from signum.hdl.lib.emit import to_verilog
from signum.verif.bench.usb_cable import USBEnd, finished

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:luna")

CLOCK = 30e6
LINE = USB(transceiver=Transceiver.PINS, resource="usb")


class Echo(wiring.Component):
    """A line whose bytes go back where they came from, in frames that end with a flag."""

    def __init__(self) -> None:
        self.line = LINE.unit(CLOCK)
        super().__init__(self.line.ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.line = line = self.line
        line.connect_ports(m, self)
        received, sent = line.line.received, line.line.sent
        m.d.comb += [sent.p.byte.eq(received.payload), sent.p.last.eq(received.payload == FLAG),
                     sent.valid.eq(received.valid), received.ready.eq(sent.ready)]
        return m


@pytest.fixture(scope="module")
def verilog() -> str:
    return to_verilog(Echo(), "echo")[0]


@pytest.fixture
def model(verilog: str) -> Iterator[Model]:
    with Model(verilog, "echo") as made:
        for name, frequency in LINE.unit(CLOCK).clocks.items():
            made.clock(f"{name}_clk", CLOCK / frequency / 2)
        yield made


@pytest.fixture
def end(model: Model) -> USBEnd:
    found = USBEnd(CLOCK)
    found.attach(model)
    model.reset()
    return found


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_every_byte_comes_back_once(end: USBEnd, loss: float, seed: int) -> None:
    """In order, whatever is lost on the cable; the host offers again what the device refuses or has not heard."""
    random.seed(seed)           # of the host's losses
    rng = random.Random(seed)
    assert end.run(1, 0) == []          # enumerated, before anything is lost
    end.host.loss = loss
    frames = [rng.randbytes(size).replace(bytes([FLAG]), b"\0") + bytes([FLAG])
              for size in (0, 1, 63, 64, 65, *(rng.randrange(200) for _ in range(40)))]
    end.send(b"".join(frames))
    found: list[bytes] = []
    for _ in range(100):
        found += end.run(100_000, 4096)
        if not end.busy and sum(map(len, found)) == sum(map(len, frames)):
            break
    assert b"".join(found) == b"".join(frames)
    assert not end.busy
    assert all(0 < len(packet) <= 64 for packet in found)
    assert (end.host.repeated > 0, end.host.timeouts > 0) == (loss > 0, loss > 0)
    assert end.host.naks > 0


def test_a_run_ends_with_the_room(model: Model, end: USBEnd) -> None:
    end.send(b"\1" * 63 + bytes([FLAG]) + b"\2" * 63 + bytes([FLAG]))
    assert end.busy
    assert [packet[:1] for packet in end.run(1_000_000, 1)] == [b"\1"]
    before = model.cycles
    assert [packet[:1] for packet in end.run(1_000_000, 1)] == [b"\2"]
    assert model.cycles - before < 500_000
    assert end.run(3_000, 1) == []


def test_a_bus_that_waits_is_a_fault_of_the_bus() -> None:
    class Pause:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def waits() -> None:
        await Pause()

    async def value() -> int:
        return 3

    assert finished(value()) == 3
    with pytest.raises(AssertionError, match=r"^a bus must not wait for a simulator$"):
        finished(waits())
