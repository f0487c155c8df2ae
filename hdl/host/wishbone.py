"""The accelerator as a peripheral of a Wishbone bus."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig

from .bus import DATA_BITS

__all__ = ["WishboneAccelerator", "wishbone_signature"]


def wishbone_signature(address_bits: int) -> wiring.Signature:
    """Wishbone B4, classic cycles, 32 bits, as its master sees it.

    ``adr`` counts words of 32 bits: it is the bits 2 and up of a byte address.
    """
    return wiring.Signature({
        "cyc": Out(1),
        "stb": Out(1),
        "we": Out(1),
        "adr": Out(address_bits),
        "sel": Out(DATA_BITS // 8),
        "dat_w": Out(DATA_BITS),
        "dat_r": In(DATA_BITS),
        "ack": In(1),
    })


class WishboneAccelerator(wiring.Component):
    """An `Accelerator` with a Wishbone slave, with the addresses and words of its own bus (see `hdl.host.bus`).

    A write is acknowledged one cycle after the accelerator took it, a read one cycle after its response; a request
    that waits for the end of a run (any but accesses to registers and writes of weights) is acknowledged after the
    wait. Words are whole: a write with any bit of ``sel`` set writes all of its word.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    wishbone : In(wishbone_signature)
    busy : Out(1)
        A program runs; its falling edge is an interrupt.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.accelerator = Accelerator(config=config)
        super().__init__({"wishbone": In(wishbone_signature(self.accelerator.map.address_bits)), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = self.accelerator
        slave, request, response = self.wishbone, self.accelerator.bus.request, self.accelerator.bus.response
        selected, waiting = Signal(), Signal()
        nothing = slave.we & ~slave.sel.any()
        taken = request.ready & request.valid
        m.d.comb += [
            self.busy.eq(self.accelerator.busy),
            # the master keeps its strobe in the cycle of the acknowledge
            selected.eq(slave.cyc & slave.stb & ~slave.ack & ~waiting),
            request.valid.eq(selected & ~nothing),
            request.p.write.eq(slave.we),
            request.p.address.eq(slave.adr),
            request.p.data.eq(slave.dat_w),
            response.ready.eq(1),
        ]
        m.d.sync += slave.ack.eq(selected & (nothing | taken & slave.we))
        with m.If(taken & ~slave.we):
            m.d.sync += waiting.eq(1)
        with m.If(response.valid):
            m.d.sync += [waiting.eq(0), slave.ack.eq(slave.cyc & slave.stb), slave.dat_r.eq(response.payload)]
        return m
