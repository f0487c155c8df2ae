"""Bench of the line over USB, from the pins to the line."""

import random

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer
from cocotb.utils import get_sim_time

from signum.hdl.host.line import sent_layout
from signum.verif.bench.full_speed_bus import FullSpeedBus
from signum.verif.bench.streams import Driver, Monitor, give, parameters
from signum.verif.bench.ulpi_bus import ULPIBus
from signum.verif.bench.usb_host import Bus, Host, Request, StallError
from signum.verif.bench.usb_packets import Pid, data_packet, packets_of, token

USB_IO, ULPI = 20_834, 16_666       # ps


async def begin(dut, *, loss=0.0):
    """The device after its reset, connected and enumerated."""
    values = parameters()
    dut.line__received__ready.value = dut.line__sent__valid.value = dut.line__sent__payload.value = 0
    Clock(dut.clk, values["sync"], unit="ns").start()
    dut.rst.value = 1
    bus: Bus
    if values["bus"] == "pins":
        Clock(dut.io_clk, USB_IO, unit="ps").start()
        bus = FullSpeedBus(dut, deviation=values["deviation"])
    else:
        Clock(dut.ulpi__clk, ULPI, unit="ps").start()
        bus = ULPIBus(dut, high=values["bus"] == "high", pause=values["pause"], silent=values["silent"])
    await Timer(1, unit="us")
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    await Timer(2, unit="us")
    host = Host(bus)
    await host.enumerate(random.randrange(1, 128))
    host.loss = loss
    return host


def receiver(dut, stall=0.0):
    return Monitor(dut, "line__received", 8, stall=stall)


def sender(dut, frames, stall=0.0):
    """Send frames on the line."""
    return cocotb.start_soon(Driver(dut, "line__sent", sent_layout, stall=stall).send(
        {"byte": byte, "last": i == len(frame) - 1} for frame in frames for i, byte in enumerate(frame)))


def some_bytes(count):
    """Random bytes, and runs of ones, which need stuffed bits."""
    return bytes(random.choice((random.randrange(256), 0xFF, 0xFF)) for _ in range(count))


def cut(data, sizes):
    """Data in parts of random sizes."""
    parts, start = [], 0
    while start < len(data):
        size = random.choice(sizes)
        parts.append(data[start:start + size])
        start += size
    return parts


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def enumerates(dut):
    host = await begin(dut)
    device, configuration = await host.enumerate(99)
    assert device[:2] + device[8:12] == bytes.fromhex("120109120100"), device.hex()
    assert await host.text(device[15]) == "Signum"
    assert len(configuration) == 9 + 9 + 7 + 7
    size = (64 if parameters()["bus"] == "pins" else 512).to_bytes(2, "little")
    assert configuration[9:18] == bytes([9, 4, 0, 0, 2, 255, 255, 255, 0]), configuration.hex()
    assert [configuration[start:start + 6] for start in (18, 25)] == [
        bytes([7, 5, address, 2]) + size for address in (0x01, 0x81)]
    assert await host.request(0x80, Request.GET_CONFIGURATION, length=1) == b"\x01"
    with pytest.raises(StallError):
        await host.descriptor(3, 9)
    with pytest.raises(StallError):
        await host.descriptor(6, length=10)
    assert await host.text(device[14]) == "Signum"
    if isinstance(host.bus, FullSpeedBus):
        give(slowest=host.bus.slowest)


async def exchange(dut, host, out, frames, *, stall=0.0):
    """Send packets on OUT and frames on the line, in turn; all arrive, in order, each once."""
    data = b"".join(out)
    received = receiver(dut, stall).collect(len(data))
    sender(dut, frames, stall)
    packets = packets_of(frames, host.bus.packet_bytes)
    found: list[bytes] = []
    tries = 0
    while out or len(found) < len(packets):
        if random.random() < 0.1:
            await host.sof(random.randrange(1 << 11))
        if out and (random.random() < 0.5 or len(found) == len(packets)):
            await host.write(out[0])
            out = out[1:]
        elif (packet := await host.read(tries=1)) is not None:
            found.append(packet)
            tries = 0
        tries += 1
        assert tries < 1000, f"{len(packets)} packets must come, not only {len(found)}"
    assert found == packets
    assert bytes(await received) == data


@cocotb.test(timeout_time=40, timeout_unit="ms")
async def moves_bytes(dut):
    host = await begin(dut)
    values, most = parameters(), host.bus.packet_bytes
    sizes = [1, 2, most - 1, most, most, most]
    frames = cut(some_bytes(values["bytes"]), [1, 9, most - 1, most, most + 1, 2 * most, 3 * most + 5])
    await exchange(dut, host, [*cut(some_bytes(values["bytes"]), sizes), b""], frames, stall=values["stall"])
    assert host.naks
    assert (host.timeouts, host.repeated) == (0, 0)
    assert await host.read(tries=20) is None
    give(naks=host.naks)


@cocotb.test(timeout_time=40, timeout_unit="ms")
async def survives_damaged_packets(dut):
    host = await begin(dut, loss=0.1)
    most = host.bus.packet_bytes
    count = 30 * most
    await exchange(dut, host, cut(some_bytes(count), [5, most]), cut(some_bytes(count), [1, most, 2 * most, 100]))
    assert host.timeouts
    assert host.repeated


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def accepts_a_packet_once(dut):
    host = await begin(dut)
    received = receiver(dut).collect(9)
    assert await host.out(1, 0, b"abc") is Pid.ACK
    assert await host.out(1, 0, b"abc") is Pid.ACK          # as a host does that did not see the handshake
    assert await host.out(1, 1, b"def") is Pid.ACK
    await host.send(token(Pid.OUT, host.address, 1))
    await host.send(data_packet(Pid.DATA0, b"gxi")[:-1] + b"\0")
    assert await host.receive() is None
    await host.send(token(Pid.OUT, host.address, 1))
    await host.send(data_packet(Pid.DATA0, b"ghij")[:-3])
    assert await host.receive() is None
    assert await host.out(1, 0, b"ghi") is Pid.ACK
    assert bytes(await received) == b"abcdefghi"


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def repeats_until_the_host_acknowledges(dut):
    host = await begin(dut)
    await sender(dut, [b"abc", bytes(host.bus.packet_bytes), b"def"])
    await Timer(2, unit="us")
    for _ in range(3):
        assert await host.into(1, 0, acknowledge=False) == b"abc"
    # the acknowledgement of another device's packet
    await host.send(token(Pid.IN, host.address ^ 1, 1))
    assert await host.receive() is None
    await host.send(bytes([Pid.ACK.octet]))
    assert await host.read() == b"abc"
    assert await host.read() == bytes(host.bus.packet_bytes)
    assert await host.into(1, 0, acknowledge=False) == b""
    assert await host.into(1, 0, acknowledge=False) == b""
    assert await host.read() == b""
    assert await host.read() == b"def"
    assert await host.read(tries=5) is None


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def holds_no_byte_back(dut):
    host = await begin(dut)
    for frame in (b"a", b"bc", b"d" * host.bus.packet_bytes, b"e"):
        await sender(dut, [frame])
        await Timer(2, unit="us")
        assert [await host.read(tries=1) for _ in packets_of([frame], host.bus.packet_bytes)] == packets_of(
            [frame], host.bus.packet_bytes)
        assert await host.read(tries=1) is None


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def refuses_without_room(dut):
    host = await begin(dut)
    most = host.bus.packet_bytes
    parts = [some_bytes(most) for _ in range(4)]
    sent = 0
    while await host.out(1, sent & 1, parts[sent]) is Pid.ACK:
        sent += 1
    assert 1 <= sent <= 3
    for _ in range(3):
        assert await host.out(1, sent & 1, parts[sent]) is Pid.NAK
    received = receiver(dut).collect(4 * most)
    host.toggles["out"] = sent & 1
    for part in parts[sent:]:
        await host.write(part)
    assert bytes(await received) == b"".join(parts)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def begins_anew(dut):
    """A reset of the bus, a configuration and a cleared halt set the toggles to DATA0, whatever was under way."""
    host = await begin(dut)
    most = host.bus.packet_bytes
    for again in (host.enumerate, host.configure):
        received = receiver(dut).collect(3)
        await host.write(b"abc")
        assert bytes(await received) == b"abc"
        assert await host.out(1, host.toggles["out"], some_bytes(most)) is Pid.ACK      # nobody takes it
        await sender(dut, [b"lost", b"lost"])
        await Timer(2, unit="us")
        assert await host.into(1, host.toggles["in"], acknowledge=False) == b"lost"
        await again()
        assert await host.read(tries=3) is None
        received = receiver(dut)
        assert len(await received.receive(16)) == 16        # what had left the endpoint
        await sender(dut, [b"defg"])
        await Timer(2, unit="us")
        assert await host.read() == b"defg"
        await host.write(b"hij")
        while (found := await received.receive(1)) != [ord("h")]:
            pass
        assert bytes(found + await received.receive(2)) == b"hij"
    for address, direction in ((0x01, "out"), (0x81, "in")):
        await host.request(0x02, Request.CLEAR_FEATURE, 0, address)
        host.toggles[direction] = 0
    await exchange(dut, host, [b"klm"], [b"nop"])


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def reaches_its_throughput(dut):
    host = await begin(dut)
    most = host.bus.packet_bytes
    parts = [random.randbytes(most) for _ in range(24)]
    received = receiver(dut).collect(len(parts) * most)
    start = get_sim_time("ns")
    for part in parts:
        await host.write(part)
    out = len(parts) * most / (get_sim_time("ns") - start) * 1e9
    assert bytes(await received) == b"".join(parts)
    sender(dut, [b"".join(parts)])
    await Timer(20, unit="us")
    start, naks = get_sim_time("ns"), host.naks
    for part in parts:
        assert await host.read() == part
    give(out=out, into=len(parts) * most / (get_sim_time("ns") - start) * 1e9, naks=naks, all_naks=host.naks)
