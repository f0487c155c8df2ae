"""Boot loader: checks an image in the flash, and makes its writes on the bus of the accelerator.

An image is a sequence of words of 32 bits, big-endian in the flash. That of a program:

=======  ==========================================================================
word     meaning
=======  ==========================================================================
0        `fingerprint` of the array's configuration
1        n, the words of all runs and the 0 behind them
2        runs: the number of words of a run, the bus address of the first, the words;
         the next ones are at `AddressMap.following`
1+n      0
2+n      `CRC` of all words before
=======  ==========================================================================

An image of write lists has their words (`hdl.host.write_list_dma`) in place of runs and 0; the boot loader checks it,
and writes nothing.
"""

import enum
import zlib

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from signum.hdl.config import DATA_BITS, ArrayConfig
from signum.hdl.host.bus import VERSION, AddressMap, bus_signature
from signum.hdl.host.bus_interface import following

from .flash_reader import FlashReader

__all__ = ["CRC", "LENGTH_BITS", "BootLoader", "BootStatus", "fingerprint"]

CRC = catalog.CRC32_MPEG_2(data_width=32)
"""The CRC of bits in the order in which they come; over words and their CRC together it is 0."""

LENGTH_BITS = 20


class BootStatus(enum.IntEnum):
    """State of a boot loader."""

    LOADING = 0
    RUNNING = 1
    FOREIGN = 2         # no image, or one of another array
    DAMAGED = 3


def fingerprint(config: ArrayConfig, depth: int = 0) -> int:
    """32 bits that tell an array from another: a CRC-32 of its configuration and of the version of its bus; with
    ``depth``, of an image of write lists as well, for a board that reads so many words of them."""
    lists = f" lists of {depth}" if depth else ""
    return zlib.crc32(f"Signum {VERSION} {sorted(config.to_dict().items())}{lists}".encode())


class BootLoader(wiring.Component):
    """Between a host and an accelerator: at reset the writes of an image in the flash, then the requests of the host.

    The image is read twice: first it is checked, and then written, so that a damaged or foreign one writes nothing.
    A word takes the time of `FlashReader`. Requests of the host wait until the boot has ended. An image of write lists
    is read once, and writes nothing.

    Parameters
    ----------
    config : ArrayConfig
        Of the accelerator.
    address, wake_cycles, divisor, lines : int
        See `FlashReader`.
    depth : int
        Words of write lists that the board reads (`hdl.boot.flash_write_list`); 0 for the image of a program.
    address_bits : int
        Address width of both buses; by default the accelerator's.

    Members
    -------
    bus : In(bus_signature(address_bits))
        From the host.
    target : Out(bus_signature(address_bits))
        To the accelerator.
    status : Out(BootStatus)
    cs, sck, copi : Out(1), cipo : In(lines), drive : Out(1), only with four lines
        Pins of the flash.
    """

    def __init__(self, *, config: ArrayConfig, address: int, wake_cycles: int, divisor: int = 1, lines: int = 1,
                 depth: int = 0, address_bits: int = 0) -> None:
        self.map = AddressMap(config)
        self.depth = depth
        self.fingerprint = fingerprint(config, depth)
        self.flash = FlashReader(address=address, wake_cycles=wake_cycles, divisor=divisor, lines=lines)
        bits = address_bits or self.map.address_bits
        super().__init__({
            "bus": In(bus_signature(bits)),
            "target": Out(bus_signature(bits)),
            "status": Out(BootStatus),
        } | {name: self.flash.signature.members[name] for name in self.flash.pins})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.flash = flash = self.flash
        request, target, words = self.bus.request, self.target.request, flash.o
        crc = Signal(DATA_BITS)
        address = Signal(self.map.address_bits)
        left = Signal(LENGTH_BITS)              # words of the image, or of a run, to come
        checked = Signal()                      # the image was whole
        last, taken, done, fits, mine = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            flash.cipo.eq(self.cipo),
            *(getattr(self, name).eq(getattr(flash, name)) for name in flash.pins if name != "cipo"),
            taken.eq(words.valid & words.ready),
            last.eq(left == 1),
            fits.eq(crc == 0),
            # the host's requests, once the boot has ended
            target.valid.eq(Mux(done, request.valid, mine)),
            target.p.write.eq(~done | request.p.write),
            target.p.address.eq(Mux(done, request.p.address, address)),
            target.p.data.eq(Mux(done, request.p.data, words.payload)),
            request.ready.eq(done & target.ready),
            self.bus.response.valid.eq(self.target.response.valid),
            self.bus.response.payload.eq(self.target.response.payload),
            self.target.response.ready.eq(self.bus.response.ready),
        ]
        with m.If(flash.strobe):
            following_crc: Value = crc
            for bit in reversed(flash.data):
                following_crc = (following_crc << 1)[:DATA_BITS] ^ Mux(following_crc[-1] ^ bit,
                                                                       CRC.algorithm.polynomial, 0)
            m.d.sync += crc.eq(following_crc)

        def end(status: BootStatus) -> None:
            m.d.sync += self.status.eq(status)
            m.next = "host"

        with m.FSM():
            with m.State("begin"):
                m.d.comb += flash.start.eq(1)
                m.d.sync += crc.eq(CRC.algorithm.initial_crc)
                m.next = "fingerprint"
            with m.State("fingerprint"):
                m.d.comb += words.ready.eq(1)
                with m.If(taken):
                    m.next = "length"
                    with m.If(words.payload != self.fingerprint):
                        end(BootStatus.FOREIGN)
            with m.State("length"):
                m.d.comb += words.ready.eq(1)
                m.d.sync += left.eq(words.payload)
                with m.If(taken):
                    m.next = "check"
                    if not self.depth:
                        with m.If(checked):
                            m.next = "count"
            with m.State("check"):
                m.d.comb += words.ready.eq(1)
                with m.If(taken):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 0):
                        m.next = "judge"
            with m.State("judge"):
                m.d.sync += checked.eq(1)
                m.next = "begin"
                with m.If(~fits):
                    end(BootStatus.DAMAGED)
                with m.Elif(checked | bool(self.depth)):
                    end(BootStatus.RUNNING)
            if not self.depth:
                with m.State("count"):
                    m.d.comb += words.ready.eq(1)
                    m.d.sync += left.eq(words.payload)
                    with m.If(taken):
                        m.next = "address"
                        with m.If(words.payload[:LENGTH_BITS] == 0):
                            m.next = "check"            # the CRC alone
                with m.State("address"):
                    m.d.comb += words.ready.eq(1)
                    m.d.sync += address.eq(words.payload)
                    with m.If(taken):
                        m.next = "words"
                with m.State("words"):
                    m.d.comb += [mine.eq(words.valid), words.ready.eq(target.ready)]
                    with m.If(taken):
                        m.d.sync += [left.eq(left - 1), address.eq(following(m, self.map, address))]
                        with m.If(last):
                            m.next = "count"
            with m.State("host"):
                m.d.comb += done.eq(1)
        return m
