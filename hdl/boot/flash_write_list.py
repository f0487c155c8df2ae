"""Write lists from a flash: sequences of bus writes, for networks whose weights exceed the banks and the RAMs."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import In
from amaranth.utils import bits_for

from signum.hdl.config import ArrayConfig
from signum.hdl.host.write_list_dma import WriteListSender

from .flash_reader import FlashReader

__all__ = ["FlashWriteListDMA"]


class FlashWriteListDMA(WriteListSender):
    """A `hdl.host.write_list_dma.WriteListSender` of words in a flash, big-endian, which the host only reads.

    A sequence begins, and a word is read, in the time of `FlashReader` for the first word; then a word of a sequence
    takes 65 cycles on one line and 17 on four, with a divisor of 1, or more where the accelerator waits. A read of a
    word ends the running sequence.

    Parameters
    ----------
    config : ArrayConfig
        Of the accelerator.
    depth : int
        Words, a power of two of at least 2.
    address, wake_cycles, divisor, lines : int
        See `FlashReader`; the address is a multiple of the bytes of the words.

    Members
    -------
    bus, target, target_busy, busy
        See `hdl.host.write_list_dma.WriteListSender`.
    whole : In(1)
        The flash has the words. Without, `LoaderRegister.DEPTH` tells 0, and a host may begin no sequence.
    cs, sck, copi : Out(1), cipo : In(lines), drive : Out(1), only with four lines
        Pins of the flash.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, config: ArrayConfig, depth: int, address: int, wake_cycles: int, divisor: int = 1,
                 lines: int = 1) -> None:
        self.flash = flash = FlashReader(address=address, wake_cycles=wake_cycles, divisor=divisor, lines=lines,
                                         word_bits=bits_for(depth - 1))
        super().__init__(config=config, depth=depth,
                         pins={name: flash.signature.members[name] for name in flash.pins} | {"whole": In(1)})

    def depth_told(self) -> Value:
        return Mux(self.whole, self.depth, 0)

    def words(self, m: Module) -> None:
        m.submodules.flash = flash = self.flash
        request = self.bus.request
        asks = Signal()                                 # the host reads a word
        m.d.comb += [
            flash.cipo.eq(self.cipo),
            *(getattr(self, name).eq(getattr(flash, name)) for name in flash.pins if name != "cipo"),
            asks.eq(self.take & ~self.of_registers & ~request.p.write),
            flash.start.eq(self.begin | asks),
            flash.o.ready.eq(self.on),
            self.word.eq(flash.o.payload),
            self.here.eq(flash.o.valid),
            self.found.eq(flash.o.valid),
        ]
        with m.If(self.begin):
            m.d.sync += flash.at.eq(request.p.data)
        with m.If(asks):
            m.d.sync += [flash.at.eq(request.p.address), self.going.eq(0)]
