"""A serial port as a line: its rates, its name, and bytes in both directions at once."""

import random
import re

import pytest

from signum.fpga.flow.lines.board_line import BoardError
from signum.fpga.flow.lines.serial_line import SerialLine, SerialPort, baud_divisor
from signum.verif.bench.amaranth_simulation import run_testbenches


@pytest.mark.parametrize(("baud", "text"), [(6_000_000, "serial, 6 Mbaud"), (115_200, "serial, 0.1152 Mbaud")])
def test_a_port_and_its_unit(baud: int, text: str) -> None:
    port = SerialPort(baud)
    assert port.text == text
    unit = port.unit(30e6)
    assert unit.divisor == round(30e6 / baud)
    assert (unit.ordered, unit.slow, unit.clocks) == (True, True, {})
    assert (port.sources(), port.models(), port.window) == ({}, {}, None)


@pytest.mark.parametrize(("clock", "baud", "divisor"), [
    (24e6, 1_000_000, 24), (24.75e6, 1_000_000, 25), (24e6, 115_200, 208), (24e6, 6_000_000, 4)])
def test_baud_divisor(clock: float, baud: int, divisor: int) -> None:
    assert baud_divisor(clock, baud) == divisor


@pytest.mark.parametrize(("clock", "baud", "message"), [
    (24e6, 7_000_000, "baud must be 1 to 6000000 at 24 MHz, not 7000000"),
    (24e6, 0, "baud must be 1 to 6000000 at 24 MHz, not 0"),
    (24e6, 5_300_000, "baud must divide 24 MHz to within 2%, not 5300000: the nearest is 4800000"),
])
def test_a_baud_rate_that_cannot_be_had(clock: float, baud: int, message: str) -> None:
    for ask in (lambda: baud_divisor(clock, baud), lambda: SerialPort(baud).unit(clock)):
        with pytest.raises(BoardError, match=f"^{re.escape(message)}$"):
            ask()


def frame(byte: int) -> list[int]:
    """The bits of a byte on the line: start, eight from the lowest on, stop."""
    return [0, *(byte >> bit & 1 for bit in range(8)), 1]


@pytest.mark.parametrize("divisor", [4, 5, 13])
def test_bytes_in_both_directions(divisor: int, seed: int) -> None:
    rng = random.Random(seed)
    sent, received = rng.randbytes(8), rng.randbytes(8)
    line = SerialLine(divisor=divisor)
    levels: list[int] = []
    heard: list[int] = []

    async def host(ctx):
        """Drives ``rx``, and notes ``tx`` in the middle of bits from the first start bit on."""
        for level in [1] * 3 + [bit for byte in sent for bit in frame(byte)] + [1] * 14:
            ctx.set(line.rx, level)
            for _ in range(divisor):
                await ctx.tick()

    async def listen(ctx):
        await ctx.tick().until(~line.tx)
        await ctx.tick().repeat(divisor // 2)
        for _ in range(10 * len(received)):
            levels.append(ctx.get(line.tx))
            await ctx.tick().repeat(divisor)

    async def write(ctx):
        bus = line.line.sent
        for byte in received:
            ctx.set(bus.p.byte, byte)
            ctx.set(bus.valid, 1)
            await ctx.tick().until(bus.ready)
        ctx.set(bus.valid, 0)

    async def read(ctx):
        bus = line.line.received
        ctx.set(bus.ready, 1)
        async for _, _, valid, byte in ctx.tick().sample(bus.valid, bus.payload):
            if valid:
                heard.append(byte)

    run_testbenches(line, host, listen, write, background=[read])
    assert bytes(heard) == sent
    assert levels == [bit for byte in received for bit in frame(byte)]
