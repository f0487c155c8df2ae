"""Runs that begin by themselves: their images are in, and the results of the run before have left or are leaving."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold

__all__ = ["RunController"]


class RunController(wiring.Component):
    """Starts a run in the cycle in which a batch is full, or in which the results of the run before allow it.

    The results of a run wait in the memories for the answer unit; the next run may begin once they are read, or will
    be read before it needs the memories.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    enable : In(1)
        Low: no run begins.
    flush : In(1)
        Begin also with an incomplete batch, once; the request waits for the end of an image that has begun, and ends
        where no image waits.
    full, quiet : In(1), count : In
        See `InputUnit`.
    busy : In(1)
        A program runs.
    start : Out(1)
        A run begins, with the images that are in.
    read : Out(1), images : Out
        The results of so many images are complete, and the answer unit begins to read them.
    reading, leaving : In(1)
        See ``busy`` and ``leaving`` of `AnswerUnit`.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        images = bits_to_hold(config.rows)
        super().__init__({
            "enable": In(1),
            "flush": In(1),
            "full": In(1),
            "quiet": In(1),
            "count": In(images),
            "busy": In(1),
            "start": Out(1),
            "read": Out(1),
            "images": Out(images),
            "reading": In(1),
            "leaving": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        running = Signal()                                  # a run has begun whose results wait
        flushing = Signal()
        partial = Signal()
        m.d.comb += [
            partial.eq(flushing & self.quiet & (self.count != 0)),
            self.start.eq(self.enable & (self.full | partial) & ~self.busy & ~running & (~self.reading | self.leaving)),
            self.read.eq(running & ~self.busy & ~self.reading),
        ]
        with m.If(self.start):
            m.d.sync += [running.eq(1), self.images.eq(self.count)]
        with m.Elif(self.read | ~self.enable):
            m.d.sync += running.eq(0)
        with m.If(self.flush):
            m.d.sync += flushing.eq(1)
        with m.Elif(self.start & partial | ~self.enable | self.quiet & (self.count == 0)):
            m.d.sync += flushing.eq(0)
        return m
