"""Bench of the line over Ethernet at the pins of RGMII, with the PHY of cocotbext-eth in place of a network."""

import random
from ipaddress import IPv4Address
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Timer, with_timeout
from cocotb.utils import get_sim_time
from cocotbext.eth import GmiiFrame, RgmiiSink, RgmiiSource

from signum.fpga.flow.lines.ethernet_line import CLOCKS, WINDOW
from signum.fpga.host.framing import encode
from signum.fpga.host.network import (
    ARP,
    ARP_BODY,
    BROADCAST,
    FIXED_ARP,
    ICMP,
    IPV4,
    REPLY,
    REQUEST,
    NetworkHost,
    checksum,
)
from signum.hdl.host.frames import Command
from signum.hdl.host.hdlc import FLAG
from signum.hdl.host.line import sent_layout
from signum.hdl.host.udp_line import LEAST_BYTES
from signum.verif.bench.streams import PERIOD, Driver, Monitor, parameters, start

PERIOD_PS = 8000
TIMEOUT = 100           # us


class Network:
    """A PHY with a host behind it.

    Parameters
    ----------
    dut : handle
        With the pins of RGMII.
    """

    def __init__(self, dut: Any) -> None:
        place = parameters()
        self.host = NetworkHost(address="192.168.1.1", port=40_000, peer=place["address"], peer_port=place["port"],
                                peer_mac=place["mac"])
        self.source = RgmiiSource(dut.rx_data, dut.rx_ctl, dut.rx_clk)
        self.sink = RgmiiSink(dut.tx_data, dut.tx_ctl, dut.tx_clk)

    async def send(self, frame: bytes) -> None:
        """A frame with preamble and check sequence, 12 bytes behind the one before."""
        await self.source.send(GmiiFrame(bytearray(frame)))

    async def frame(self) -> bytes:
        """The next frame without preamble and check sequence; these must be right."""
        frame = await with_timeout(self.sink.recv(compact=False), TIMEOUT, "us")
        body = frame.get_payload()
        assert len(body) >= 60, f"a frame must have 60 bytes, not {len(body)}"
        assert frame.check_fcs(), f"the check sequence of {bytes(frame.data).hex()} must be right"
        return bytes(body)

    async def packet(self) -> bytes:
        """The next frame with a packet of IPv4; requests for the host's address before are answered."""
        while True:
            frame = await self.frame()
            if frame[12:14] == IPV4.to_bytes(2, "big"):
                return frame
            _, reply = self.host.take_body(frame)
            await self.send(reply)

    async def datagram(self) -> bytes:
        """The payload of the next datagram."""
        return self.host.take_body(await self.packet())[0]


async def powered(dut: Any) -> Network:
    dut.rx_clk.value = 0
    dut.line__received__ready.value = dut.line__sent__valid.value = 0
    network = Network(dut)
    Clock(dut.rx_clk, PERIOD_PS, unit="ps").start()
    Clock(dut.ethernet_clk, round(1e12 / CLOCKS["ethernet"]), unit="ps").start()
    dut.ethernet_rst.value = 1
    await start(dut, cycles=8)
    dut.ethernet_rst.value = 0
    await Timer(1, unit="us")
    return network


def frame_of(payload: bytes) -> list[dict[str, int]]:
    return [{"byte": byte, "last": at == len(payload) - 1} for at, byte in enumerate(payload)]


@cocotb.test()
async def datagrams_in_and_frames_out(dut: Any) -> None:
    """Bytes of datagrams of all kinds of lengths, in order; then frames, each a datagram."""
    network = await powered(dut)
    lengths = [1, 2, 3, 4, 5, 14, 15, 16, 17, 18, 19, 100, 1471, 1472]
    sent = [random.randbytes(length) for length in lengths]
    monitor = Monitor(dut, "line__received", 8, stall=0.1)
    for payload in sent:
        await network.send(network.host.datagram(payload))
    assert bytes(await monitor.receive(sum(lengths))) == b"".join(sent)
    driver = Driver(dut, "line__sent", sent_layout, stall=0.1)
    for payload in sent:
        await driver.send(frame_of(payload))
        assert await network.datagram() == payload.ljust(LEAST_BYTES, bytes([FLAG]))


@cocotb.test()
async def both_ways_without_pause(dut: Any) -> None:
    """Frames follow each other at the rate of the network in both directions, and none is lost."""
    network = await powered(dut)
    monitor, driver = Monitor(dut, "line__received", 8), Driver(dut, "line__sent", sent_layout)
    await network.send(network.host.datagram(b"the host is known"))
    await monitor.receive(17)
    await driver.send(frame_of(bytes(LEAST_BYTES)))
    await network.datagram()
    there, back = ([random.randbytes(1024) for _ in range(12)] for _ in range(2))

    async def send() -> None:
        for payload in back:
            await driver.send(frame_of(payload))

    began = get_sim_time("ns")
    sending = cocotb.start_soon(send())
    for payload in there:
        await network.send(network.host.datagram(payload))
    received = cocotb.start_soon(monitor.receive(sum(map(len, there))))
    for payload in back:
        assert await network.datagram() == payload
    assert bytes(await received) == b"".join(there)
    await sending
    # a byte a cycle of the design's clock is slower than the network
    assert get_sim_time("ns") - began < 1.15 * sum(map(len, back)) * PERIOD


@cocotb.test()
async def a_host_finds_the_board(dut: Any) -> None:
    """ARP and ping are answered."""
    network = await powered(dut)
    host = network.host
    body = ARP_BODY.pack(*FIXED_ARP, REQUEST, host.mac, host.address, bytes(6), host.peer)
    await network.send(host.frame(BROADCAST, ARP, body))
    frame = await network.frame()
    assert frame[:14] == host.mac + host.peer_mac + ARP.to_bytes(2, "big")
    assert ARP_BODY.unpack_from(frame, 14) == (*FIXED_ARP, REPLY, host.peer_mac, host.peer, host.mac, host.address)
    echo = bytes.fromhex("0800 0000 0001 0002") + random.randbytes(40)
    echo = echo[:2] + checksum(echo).to_bytes(2, "big") + echo[4:]
    await network.send(host.frame(host.peer_mac, IPV4, host.packet(ICMP, echo)))
    answer = (await network.packet())[34:34 + len(echo)]
    assert answer[0] == 0
    assert answer[4:] == echo[4:]
    assert checksum(answer) == 0


@cocotb.test()
async def datagrams_that_are_dropped(dut: Any) -> None:
    """Damaged ones, those for others, those that are too long, and those without room: whole, and they alone."""
    network = await powered(dut)
    host = network.host
    monitor = Monitor(dut, "line__received", 8)
    good = [random.randbytes(30 + index) for index in range(7)]
    damaged = bytearray(host.datagram(random.randbytes(200)))
    damaged[100] ^= 1
    elsewhere = NetworkHost(address="192.168.1.1", port=40_000, peer="192.168.1.77", peer_port=host.peer_port,
                            peer_mac=int.from_bytes(host.peer_mac, "big"))
    other_port = NetworkHost(address="192.168.1.1", port=40_000, peer=str(IPv4Address(host.peer)),
                             peer_port=host.peer_port + 1, peer_mac=int.from_bytes(host.peer_mac, "big"))
    too_long = host.datagram(random.randbytes(1600))
    cut = host.datagram(random.randbytes(400))[:200]
    wrong = [bytes(damaged), elsewhere.datagram(good[0]), other_port.datagram(good[0]), too_long, cut,
             host.datagram(b"")]
    for payload, bad in zip(good, [*wrong, b""], strict=True):
        await network.send(host.datagram(payload))
        if bad:
            await network.send(bad)
    for index, payload in enumerate(good):
        found = bytes(await monitor.receive(len(payload)))
        assert found == payload, f"datagram {index} must be {payload.hex()}, not {found.hex()}"
    # the buffer has room for some datagrams, whole
    payloads = [bytes([index]) * 1000 for index in range(20)]
    for payload in payloads:
        await network.send(host.datagram(payload))
    await network.source.wait()
    await Timer(2, unit="us")
    assert bytes(await monitor.receive(16_000)) == b"".join(payloads[:16])
    await network.send(host.datagram(b"\xFE" * 20))
    assert bytes(await monitor.receive(20)) == b"\xFE" * 20


@cocotb.test()
async def a_window_of_frames_waits(dut: Any) -> None:
    """All frames of a window, of random bytes, are there where nobody takes any."""
    network = await powered(dut)
    frames = [encode(1, index, 0, Command.PIXELS, random.randbytes(WINDOW.slot_bytes - 5))
              for index in range(WINDOW.slots)]
    for frame in frames:
        await network.send(network.host.datagram(frame))
    await network.source.wait()
    await Timer(2, unit="us")
    monitor = Monitor(dut, "line__received", 8)
    assert bytes(await monitor.receive(sum(map(len, frames)))) == b"".join(frames)


@cocotb.test()
async def frames_that_are_dropped(dut: Any) -> None:
    """Frames before a host is known, and those that are too long."""
    network = await powered(dut)
    monitor, driver = Monitor(dut, "line__received", 8), Driver(dut, "line__sent", sent_layout)
    await driver.send(frame_of(random.randbytes(10)))
    await driver.send(frame_of(random.randbytes(1500)))
    await network.send(network.host.datagram(b"the host is known"))
    await monitor.receive(17)
    await driver.send(frame_of(random.randbytes(1473)))
    await driver.send(frame_of(random.randbytes(9000)))
    good = random.randbytes(1472)
    await driver.send(frame_of(good))
    assert await network.datagram() == good
