"""The serial ports, alone and at the limits of the line."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.host.uart import UARTReceiver, UARTTransmitter
from signum.verif.bench.simulate import simulate


class SerialPort(wiring.Component):
    """A receiver and a transmitter, not connected."""

    def __init__(self, divisor):
        self.divisor = divisor
        super().__init__({
            "rx": In(1), "o": Out(stream.Signature(8)), "framing_error": Out(1), "overflow": Out(1),
            "i": In(stream.Signature(8)), "tx": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UARTReceiver(divisor=self.divisor)
        m.submodules.transmitter = transmitter = UARTTransmitter(divisor=self.divisor)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.framing_error.eq(receiver.framing_error),
            self.overflow.eq(receiver.overflow),
            self.tx.eq(transmitter.tx),
        ]
        wiring.connect(m, receiver.o, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.i), transmitter.i)
        return m


@pytest.mark.parametrize(("divisor", "cycles"), [(4, 4), (5, 5), (24, 24), (24, 24.7), (24, 23.3)])
def test_uart(divisor, cycles):
    """The line's bits last ``cycles`` clock cycles: a transmitter with up to 3 % of clock error."""
    values = {"divisor": divisor, "cycles": cycles}
    result = simulate(SerialPort(divisor), "signum.verif.bench.bench_uart", parameters=values)
    assert len(result.tests) == 6


@pytest.mark.parametrize("divisor", [3, 0, -1, 4.0, True, "8"])
@pytest.mark.parametrize("unit", [UARTReceiver, UARTTransmitter])
def test_divisor_out_of_range(unit, divisor):
    with pytest.raises(ValueError, match=r"^divisor must be an integer of at least 4, not "):
        unit(divisor=divisor)
