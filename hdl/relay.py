"""A stream whose handshake takes a cycle each way, so that no path leads through."""

from amaranth.hdl import Module, ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Relay"]


class Relay(wiring.Component):
    """Registers ``valid`` on its way forth and ``ready`` on its way back.

    The payload passes by: the source must hold it until it is taken, as streams do. A payload is offered one cycle
    after it came and taken from the source one cycle after it was taken here; one payload in three cycles at most.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload.

    Members
    -------
    i, o : In, Out(stream.Signature(shape))
    """

    def __init__(self, *, shape: ShapeLike) -> None:
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        done = self.o.valid & self.o.ready
        m.d.comb += self.o.payload.eq(self.i.payload)
        m.d.sync += [
            self.i.ready.eq(done),
            self.o.valid.eq(self.i.valid & ~self.i.ready & ~done),
        ]
        return m
