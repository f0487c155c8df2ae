"""The accelerator as a peripheral on AXI: AXI4-Lite for its registers and memories, AXI4-Stream for runs of words.

A byte address of the control bus is four times the address of the accelerator's bus (see `hdl.host.bus`). The stream
registers, `StreamRegister`, follow these addresses: a run of words is an address and a count. While a count is not
zero, each transferred word decrements the count and advances the address over the slices of a word, then to the next
word, as `AddressMap.following`. Addresses in these registers are byte addresses too.

The streams of `AxisAccelerator` are pixels and answers, of an array that runs by itself.
"""

import enum

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig, ConfigError

from .bus import DATA_BITS, AddressMap, Region
from .bus_interface import following, split_address

__all__ = ["AxiAccelerator", "AxisAccelerator", "StreamRegister", "axi_lite_signature", "axi_stream_signature",
           "stream_register"]

BYTE_BITS = 2                   # of a byte address, below the word address
QUEUE = 2                       # words that a channel buffers, to take one each cycle


class StreamRegister(enum.IntEnum):
    """Registers of the streams, in words above the accelerator's addresses; all can be written and read."""

    WRITE_ADDRESS = 0           # of the next word to write
    WRITE_COUNT = 1             # words left to write
    READ_ADDRESS = 2            # of the next word to read
    READ_COUNT = 3              # words left to read


def stream_register(address_map: AddressMap, register: StreamRegister) -> int:
    """Byte address of a register of the streams."""
    return (1 << address_map.address_bits | register) << BYTE_BITS


def axi_lite_signature(address_bits: int) -> wiring.Signature:
    """AXI4-Lite of 32 bits as its manager sees it; ``address_bits`` is the width of a byte address."""
    return wiring.Signature({
        "awvalid": Out(1), "awready": In(1), "awaddr": Out(address_bits), "awprot": Out(3),
        "wvalid": Out(1), "wready": In(1), "wdata": Out(DATA_BITS), "wstrb": Out(DATA_BITS // 8),
        "bvalid": In(1), "bready": Out(1), "bresp": In(2),
        "arvalid": Out(1), "arready": In(1), "araddr": Out(address_bits), "arprot": Out(3),
        "rvalid": In(1), "rready": Out(1), "rdata": In(DATA_BITS), "rresp": In(2),
    })


def axi_stream_signature(bits: int = DATA_BITS) -> wiring.Signature:
    """AXI4-Stream as its transmitter sees it."""
    return wiring.Signature({"tvalid": Out(1), "tready": In(1), "tdata": Out(bits), "tlast": Out(1)})


class Grant(enum.Enum):
    """Owner of the accelerator's bus; the first in this order has priority."""

    NONE = 0
    WRITE = 1
    READ = 2
    SOURCE = 3
    SINK = 4


class AxiAccelerator(wiring.Component):
    """An `Accelerator` on AXI. No combinational path leads from an input to an output.

    While a program runs, registers can be accessed, and weights can be written over control bus or stream; all other
    transfers of the streams stall, and any other request blocks the control bus until the end of the run. The stream
    writes a word in two cycles; thresholds and reads take as many cycles as a request of the accelerator's own bus. All
    responses are OKAY. Words are whole: a write with any strobe set writes all of its word.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    s_axi : In(axi_lite_signature)
        Control. Reads and writes are served in turn; each channel takes its requests independently.
    s_axis : In(axi_stream_signature)
        Words to be written, as many as `StreamRegister.WRITE_COUNT`; up to `QUEUE` more are held until it is set
        again. ``tlast`` is ignored.
    m_axis : Out(axi_stream_signature)
        The words of a read; ``tlast`` comes with the last of `StreamRegister.READ_COUNT`.
    pixels, answers : only with ``config.streams``
        As of the accelerator.
    busy : Out(1)
        A program runs; its falling edge is an interrupt.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.accelerator = Accelerator(config=config)
        streams = {name: self.accelerator.signature.members[name] for name in ("pixels", "answers") if config.streams}
        super().__init__({
            **streams,
            "s_axi": In(axi_lite_signature(self.accelerator.map.address_bits + 1 + BYTE_BITS)),
            "s_axis": In(axi_stream_signature()),
            "m_axis": Out(axi_stream_signature()),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = self.accelerator
        bits = self.accelerator.map.address_bits
        self.registers = {register: Signal(bits, name=register.name.lower()) for register in StreamRegister}
        axi = self.s_axi
        self.aw = queue(m, "aw", axi.awvalid, axi.awready, axi.awaddr[BYTE_BITS:])
        self.w = queue(m, "w", axi.wvalid, axi.wready, Cat(axi.wdata, axi.wstrb))
        self.ar = queue(m, "ar", axi.arvalid, axi.arready, axi.araddr[BYTE_BITS:])
        self.sink = queue(m, "sink", self.s_axis.tvalid, self.s_axis.tready, self.s_axis.tdata)
        # a read is pending; its response goes to the stream
        self.waiting, self.streams = Signal(), Signal()
        m.d.comb += self.busy.eq(self.accelerator.busy)
        if self.accelerator.config.streams:
            wiring.connect(m, wiring.flipped(self.pixels), self.accelerator.pixels)
            wiring.connect(m, wiring.flipped(self.answers), self.accelerator.answers)
        for valid, ready in ((axi.bvalid, axi.bready), (axi.rvalid, axi.rready),
                             (self.m_axis.tvalid, self.m_axis.tready)):
            with m.If(ready):
                m.d.sync += valid.eq(0)
        self._requests(m, self._grant(m))
        self._responses(m)
        return m

    def _grant(self, m: Module) -> Value:
        """The owner of the bus; a waiting request keeps it."""
        request, registers = self.accelerator.bus.request, self.registers
        idle = ~self.accelerator.busy
        *_, region = split_address(self.accelerator.map, registers[StreamRegister.WRITE_ADDRESS])
        wants = {
            Grant.WRITE: self.aw.r_rdy & self.w.r_rdy & ~self.s_axi.bvalid,
            Grant.READ: self.ar.r_rdy & ~self.s_axi.rvalid & ~self.waiting,
            Grant.SOURCE: registers[StreamRegister.READ_COUNT].any() & ~self.m_axis.tvalid & ~self.waiting & idle,
            Grant.SINK: registers[StreamRegister.WRITE_COUNT].any() & self.sink.r_rdy & (
                idle | (region == Region.WEIGHTS)),
        }
        grant, kept, held = Signal(Grant), Signal(Grant), Signal()
        choice: Value = Const(Grant.NONE.value, 3)
        for who, wanted in reversed(wants.items()):
            choice = Mux(wanted, who.value, choice)
        m.d.comb += grant.eq(Mux(held, kept, choice))
        m.d.sync += [kept.eq(grant), held.eq(request.valid & ~request.ready)]
        return grant

    def _requests(self, m: Module, grant: Value) -> None:
        request, registers = self.accelerator.bus.request, self.registers
        bits = self.accelerator.map.address_bits
        # of the control bus: its target is a stream register
        target = Mux(grant == Grant.WRITE, self.aw.r_data, self.ar.r_data)
        own, which = target[bits], target[:2]
        data, strobes = self.w.r_data[:DATA_BITS], self.w.r_data[DATA_BITS:]
        with m.Switch(grant):
            with m.Case(Grant.WRITE):
                done = request.ready | ~request.valid
                m.d.comb += [
                    request.valid.eq(~own & strobes.any()),
                    request.p.write.eq(1),
                    request.p.address.eq(target),
                    request.p.data.eq(data),
                    self.aw.r_en.eq(done),
                    self.w.r_en.eq(done),
                ]
                with m.If(done):
                    m.d.sync += self.s_axi.bvalid.eq(1)
                with m.If(own & strobes.any()), m.Switch(which):
                    for register, value in registers.items():
                        with m.Case(register):
                            m.d.sync += value.eq(data >> shift_of(register))
            with m.Case(Grant.READ):
                m.d.comb += [request.valid.eq(~own), request.p.address.eq(target), self.ar.r_en.eq(own | request.ready)]
                m.d.sync += self.streams.eq(0)
                with m.If(own):
                    m.d.sync += self.s_axi.rvalid.eq(1)
                    with m.Switch(which):
                        for register, value in registers.items():
                            with m.Case(register):
                                m.d.sync += self.s_axi.rdata.eq(value << shift_of(register))
                with m.Elif(request.ready):
                    m.d.sync += self.waiting.eq(1)
            with m.Case(Grant.SOURCE):
                count = registers[StreamRegister.READ_COUNT]
                m.d.comb += [request.valid.eq(1), request.p.address.eq(registers[StreamRegister.READ_ADDRESS])]
                m.d.sync += [self.streams.eq(1), self.m_axis.tlast.eq(count == 1)]
                with m.If(request.ready):
                    m.d.sync += self.waiting.eq(1)
                    self._step(m, registers[StreamRegister.READ_ADDRESS], count)
            with m.Case(Grant.SINK):
                m.d.comb += [
                    request.valid.eq(1),
                    request.p.write.eq(1),
                    request.p.address.eq(registers[StreamRegister.WRITE_ADDRESS]),
                    request.p.data.eq(self.sink.r_data),
                    self.sink.r_en.eq(request.ready),
                ]
                with m.If(request.ready):
                    self._step(m, registers[StreamRegister.WRITE_ADDRESS], registers[StreamRegister.WRITE_COUNT])

    def _step(self, m: Module, address: Signal, count: Signal) -> None:
        """Advance to the next word of a run."""
        m.d.sync += [count.eq(count - 1), address.eq(following(m, self.accelerator.map, address))]

    def _responses(self, m: Module) -> None:
        response = self.accelerator.bus.response
        m.d.comb += response.ready.eq(1)
        with m.If(response.valid):
            m.d.sync += self.waiting.eq(0)
            with m.If(self.streams):
                m.d.sync += [self.m_axis.tvalid.eq(1), self.m_axis.tdata.eq(response.payload)]
            with m.Else():
                m.d.sync += [self.s_axi.rvalid.eq(1), self.s_axi.rdata.eq(response.payload)]


class AxisAccelerator(wiring.Component):
    """An `Accelerator` with AXI4-Lite for program and counters, and AXI4-Stream for pixels and answers. No
    combinational path leads from an input to an output.

    Parameters
    ----------
    config : ArrayConfig
        With input and answer unit.

    Members
    -------
    s_axi : In(axi_lite_signature)
        See `AxiAccelerator`; its registers of streams are there, and have no use.
    s_axis : In(axi_stream_signature of 8 bits)
        Images: pixels in raster order, channels interleaved, ``tlast`` with the last value of each. The value behind it
        is the first one of the next image.
    m_axis : Out(axi_stream_signature)
        Answers; ``tlast`` comes with the last number of each.
    busy : Out(1)
        A program runs.

    Raises
    ------
    ConfigError
        If the array has no input unit.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        if not config.streams:
            raise ConfigError("input_depth must be positive for wrapper axis, not 0")
        self.lite = AxiAccelerator(config=config)
        super().__init__({
            "s_axi": self.lite.signature.members["s_axi"],
            "s_axis": In(axi_stream_signature(8)),
            "m_axis": Out(axi_stream_signature()),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.lite = lite = self.lite
        pixels = queue(m, "pixels", self.s_axis.tvalid, self.s_axis.tready, Cat(self.s_axis.tdata, self.s_axis.tlast))
        begins = Signal(init=1)                     # the next value is the first of an image
        wiring.connect(m, wiring.flipped(self.s_axi), lite.s_axi)
        m.d.comb += [
            lite.pixels.valid.eq(pixels.r_rdy),
            lite.pixels.p.value.eq(pixels.r_data),
            lite.pixels.p.first.eq(begins),
            lite.pixels.p.last.eq(pixels.r_data[8]),
            pixels.r_en.eq(lite.pixels.ready),
            self.m_axis.tvalid.eq(lite.answers.valid),
            self.m_axis.tdata.eq(lite.answers.p.value),
            self.m_axis.tlast.eq(lite.answers.p.last),
            lite.answers.ready.eq(self.m_axis.tready),
            self.busy.eq(lite.busy),
        ]
        with m.If(pixels.r_rdy & lite.pixels.ready):
            m.d.sync += begins.eq(lite.pixels.p.last)
        return m


def shift_of(register: StreamRegister) -> int:
    """Bits of a byte address that a register of the streams does not hold."""
    return BYTE_BITS if register in (StreamRegister.WRITE_ADDRESS, StreamRegister.READ_ADDRESS) else 0


def queue(m: Module, name: str, valid: Value, ready: Value, payload: Value) -> SyncFIFO:
    """The input queue of a channel."""
    m.submodules[name] = fifo = SyncFIFO(width=len(payload), depth=QUEUE)
    m.d.comb += [fifo.w_en.eq(valid), fifo.w_data.eq(payload), ready.eq(fifo.w_rdy)]
    return fifo
