"""Bench of the bridge between a faulty line and a stalling memory."""

import random

import cocotb
from cocotb.triggers import RisingEdge

from signum.fpga.host.link import Host, LinkError, decode_response, encode_read, encode_write
from signum.hdl.host.bridge import Answer
from signum.hdl.host.bus import request_layout
from signum.verif.bench.host import take
from signum.verif.bench.streams import Driver, Monitor, parameters, start

QUIET_HOST = 4          # the host's silence, as a multiple of the bridge's


class Memory:
    """A memory on the bus; it records every write, and stalls with probability ``stall``."""

    def __init__(self, dut, address_bits, stall):
        self.words = {}
        self.writes = []
        self.requests = 0
        self.hold = 0
        self.dut = dut
        self.random = random.Random(random.random())
        self.stall = stall
        self.request = Monitor(dut, "bus__request", request_layout(address_bits), stall=stall)
        self.response = Driver(dut, "bus__response", 32, stall=stall)
        cocotb.start_soon(self._serve())

    async def _serve(self):
        while True:
            for _ in range(self.hold):
                await RisingEdge(self.dut.clk)
            request = (await self.request.receive(1, timeout=10**9))[0]
            self.requests += 1
            if request["write"]:
                self.words[request["address"]] = request["data"]
                self.writes.append((request["address"], request["data"]))
            else:
                await self.response.send([self.words.get(request["address"], request["address"] * 3)])


class Line:
    """Bytes to and from the bridge, in cycles instead of seconds.

    ``fault`` is the probability that a byte is lost (with or without a flag), doubled, or flipped in a bit.
    """

    def __init__(self, dut, quiet, stall):
        self.dut = dut
        self.quiet = quiet
        self.fault = 0.0
        self.faults = 0
        self.inbox = bytearray()
        self.driver = Driver(dut, "i", 8, stall=stall)
        self.monitor = Monitor(dut, "o", 8, stall=stall)
        cocotb.start_soon(self._collect())

    async def _collect(self):
        while True:
            self.inbox += self._damaged((await self.monitor.receive(1, timeout=10**9))[0])

    def _damaged(self, byte):
        if random.random() >= self.fault:
            return bytes([byte])
        self.faults += 1
        return random.choice([b"", bytes([byte, byte]), bytes([byte ^ 1 << random.randrange(8)])])

    async def cycles(self, count):
        for _ in range(count):
            await RisingEdge(self.dut.clk)

    async def flag_error(self):
        self.dut.error.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.error.value = 0

    async def send(self, data):
        for byte in data:
            damaged = self._damaged(byte)
            if not damaged and random.random() < 0.5:
                await self.flag_error()
            await self.driver.send(damaged)

    async def receive(self, count, timeout):
        """Up to ``count`` bytes; fewer after ``timeout`` cycles without a byte."""
        known, left = len(self.inbox), timeout
        while len(self.inbox) < count and left:
            await RisingEdge(self.dut.clk)
            left = left - 1 if len(self.inbox) == known else timeout
            known = len(self.inbox)
        data = bytes(self.inbox[:count])
        del self.inbox[:count]
        return data

    async def answer(self, words=0):
        """The next response; it must be valid, in time, and of ``words`` words."""
        data = await self.receive(8 + 4 * words, 20 * self.quiet)
        response = decode_response(data)
        assert response is not None, f"the bridge must send a response of {words} words, not {data.hex()}"
        return response

    async def take(self, steps):
        """Execute the steps of a `Host`, with cycles for seconds."""
        return await take(steps, self.send, self.receive)


async def begin(dut):
    values = parameters()
    await start(dut, {"error": 0})
    line = Line(dut, values["quiet"], values["stall"])
    memory = Memory(dut, values["address_bits"], values["stall"])
    host = Host(timeout=20 * values["quiet"], quiet=QUIET_HOST * values["quiet"], attempts=30)
    return line, memory, host


def words(count):
    return [random.getrandbits(32) for _ in range(count)]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def writes_and_reads(dut):
    line, memory, host = await begin(dut)
    for count in (1, 2, 5, 255, 300):
        address, values = random.randrange(1000), words(count)
        memory.writes.clear()
        await line.take(host.write_steps(address, values))
        assert memory.writes == [(address + i, value) for i, value in enumerate(values)]
        assert await line.take(host.read_steps(address, count)) == values
    assert await line.take(host.read_steps(2000, 3)) == [6000, 6003, 6006]
    assert host.retries == 0


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def keeps_to_the_layout(dut):
    """Bytes by hand, from the tables of the documentation."""
    line, memory, _ = await begin(dut)
    await line.send(bytes.fromhex("a5 11 57 02 34 02 00 00 4c67bcb4 78563412 efbeadde 6448b81b"))
    assert await line.receive(8, 20 * line.quiet) == bytes.fromhex("5a 11 00 00 aaef5a1d")
    assert memory.writes == [(0x234, 0x12345678), (0x235, 0xDEADBEEF)]
    await line.send(bytes.fromhex("a5 12 52 01 35 02 00 00 d7f1852a"))
    assert await line.receive(12, 20 * line.quiet) == bytes.fromhex("5a 12 00 01 efbeadde d53bac94")


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def answers_frames_of_no_words(dut):
    line, memory, _ = await begin(dut)
    await line.send(encode_read(7, 5, 0))
    assert await line.answer() == (7, Answer.OK, [])
    await line.send(encode_write(8, 5, []))
    assert await line.answer() == (8, Answer.OK, [])
    assert memory.requests == 0


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def writes_nothing_from_a_damaged_header(dut):
    line, memory, _ = await begin(dut)
    frame = encode_write(1, 0x123, words(1))
    for bit in range(96):
        broken = bytearray(frame)
        broken[bit // 8] ^= 1 << bit % 8
        await line.send(broken)
        assert (await line.answer()).answer == Answer.BAD_HEADER
    assert memory.requests == 0
    await line.send(frame)
    assert await line.answer() == (1, Answer.OK, [])


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def says_what_was_wrong(dut):
    line, memory, _ = await begin(dut)
    await line.send(bytes.fromhex("a5 09 53 01 00000000 bb367140"))
    assert await line.answer() == (9, Answer.BAD_COMMAND, [])
    assert memory.requests == 0
    for bit in (0, 37, 63, 64, 95):
        frame = bytearray(encode_write(10, 3, words(2)))
        frame[12 + bit // 8] ^= 1 << bit % 8
        await line.send(frame)
        assert await line.answer() == (10, Answer.BAD_PAYLOAD, [])
    whole = encode_write(11, 3, words(2))
    for length in range(1, len(whole)):
        await line.send(whole[:length])
        assert (await line.answer()).answer == Answer.GAP
    for length in range(1, len(whole)):
        await line.send(whole[:length])
        await line.flag_error()
        await line.send(whole[length:])
        assert (await line.answer()).answer == Answer.BAD_LINE
    await line.send(whole)
    assert await line.answer() == (11, Answer.OK, [])


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def takes_no_piece_of_a_broken_frame_for_a_frame(dut):
    line, memory, _ = await begin(dut)
    inner = encode_write(1, 0x55, words(1))
    await line.send(b"\x00" + inner)                        # without a sync byte
    assert (await line.answer()).answer == Answer.BAD_HEADER
    outer = bytearray(encode_write(2, 0x77, words(1)) + inner)
    outer[4] ^= 1                                           # damages the header, not the words
    await line.send(outer)
    assert (await line.answer()).answer == Answer.BAD_HEADER
    await line.send(b"\x00")
    for _ in range(5):                                      # not quiet yet
        await line.cycles(line.quiet // 2)
        await line.send(inner)
    assert (await line.answer()).answer == Answer.BAD_HEADER
    assert memory.requests == 0
    await line.send(inner)
    assert (await line.answer()).answer == Answer.OK
    assert len(memory.writes) == 1


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def holds_while_the_bus_stalls(dut):
    line, memory, _ = await begin(dut)
    memory.hold = 8 * line.quiet
    values = words(3)
    await line.send(encode_write(1, 0, values))
    assert await line.answer() == (1, Answer.OK, [])
    await line.send(encode_read(2, 0, 3))
    assert await line.answer(3) == (2, Answer.OK, values)
    await line.send(encode_write(3, 0, values)[:16])        # lost while the bus holds the first word
    await line.flag_error()
    await line.send(encode_write(3, 0, values)[16:])
    assert (await line.answer()).answer == Answer.BAD_LINE


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def serves_frames_that_came_too_early(dut):
    line, _, _ = await begin(dut)
    await line.send(encode_write(1, 9, [4, 5]) + encode_read(2, 9, 2) + encode_read(3, 10, 1))
    assert await line.answer() == (1, Answer.OK, [])
    assert await line.answer(2) == (2, Answer.OK, [4, 5])
    assert await line.answer(1) == (3, Answer.OK, [5])


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def forgets_at_reset(dut):
    line, _, _ = await begin(dut)
    frame = encode_write(1, 9, [4, 5])
    for length in (1, 5, 9, 12, len(frame) - 1):
        await line.send(frame[:length])
        dut.rst.value = 1
        await line.cycles(2)
        dut.rst.value = 0
        await line.send(frame)
        assert await line.answer() == (1, Answer.OK, [])


@cocotb.test(timeout_time=400, timeout_unit="ms")
async def never_gives_a_wrong_word(dut):
    """The host's driver on a line that loses, doubles and flips bytes both ways: late responses, but no wrong word."""
    line, memory, host = await begin(dut)
    known: dict[int, int] = {}
    given_up = 0
    for fault in (0.005, 0.02, 0.04):
        line.fault = fault
        for _ in range(40):
            address, values = random.randrange(64), words(random.choice([1, 2, 8]))
            places = range(address, address + len(values))
            try:
                if random.random() < 0.5:
                    for place in places:
                        known.pop(place, None)
                    await line.take(host.write_steps(address, values))
                    known.update(zip(places, values, strict=True))
                elif all(place in known for place in places):
                    found = await line.take(host.read_steps(address, len(values)))
                    assert found == [known[place] for place in places]
            except LinkError:
                given_up += 1
        assert all(memory.words[place] == value for place, value in known.items())
    assert given_up < 5
    assert line.faults > 50
    assert host.retries > 20
