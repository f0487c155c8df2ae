"""Receiver of a parallel sensor port (DVP): clock, frame and line marks, data of 8 or 4 bits."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out

__all__ = ["DVPReceiver", "sensor_layout"]

FIFO_DEPTH = 16
VALUE_BITS = 8

sensor_layout = data.StructLayout({"value": 8, "line": 1, "end": 1, "lost": 1})
"""A value of a line, or the end of a frame, which has no value. ``line`` marks the first value of a line, ``lost`` an
item before which others were lost."""


class DVPReceiver(wiring.Component):
    """Takes the values of a sensor in the sensor's own clock, and gives them in domain ``sync``.

    Frame and line marks are sampled with the data at the rising edge of ``pclk``. A frame ends where the frame mark
    changes to inactive. Values leave at most a cycle of ``sync`` each, some five cycles late. Where the stream is not
    taken in time, items are lost, and the next one is marked.

    The FIFO between the clocks has Gray-coded pointers behind synchronisers of two flip-flops. Of the paths between the
    clocks these pointers need a bound, of one period of the faster clock (``set_max_delay -datapath_only``); the data
    are stable for at least two periods. nextpnr analyses no paths between unrelated clocks; they are short in practice.

    Parameters
    ----------
    data_bits : int
        8, or 4: a value is two nibbles then, the upper one first.
    frame_active, line_active : int
        Level of ``vsync`` and of ``href`` within a frame and a line.

    Members
    -------
    pclk, vsync, href : In(1), pins : In(data_bits)
        The sensor's port; ``pins`` are its data.
    o : Out(stream.Signature(sensor_layout))

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, data_bits: int = 8, frame_active: int = 1, line_active: int = 1) -> None:
        if data_bits not in (4, 8):
            raise ValueError(f"data_bits must be 4 or 8, not {data_bits!r}")
        for name, level in (("frame_active", frame_active), ("line_active", line_active)):
            if level not in (0, 1):
                raise ValueError(f"{name} must be 0 or 1, not {level!r}")
        self.data_bits = data_bits
        self.frame_active = frame_active
        self.line_active = line_active
        super().__init__({
            "pclk": In(1),
            "vsync": In(1),
            "href": In(1),
            "pins": In(data_bits),
            "o": Out(stream.Signature(sensor_layout)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.pixel = ClockDomain("pixel", reset_less=True, local=True)
        m.d.comb += ClockSignal("pixel").eq(self.pclk)
        m.submodules.fifo = fifo = AsyncFIFO(width=sensor_layout.size,
                                             depth=FIFO_DEPTH, r_domain="sync", w_domain="pixel")
        item = Signal(sensor_layout)
        frame, line, before, pins = Signal(), Signal(), Signal(), Signal(self.data_bits)
        fresh, lost, write = Signal(init=1), Signal(), Signal()     # no value of the line was written; an item was lost
        m.d.pixel += [
            frame.eq(self.vsync == self.frame_active),
            line.eq(self.href == self.line_active),
            pins.eq(self.pins),
            before.eq(frame),
        ]
        here = frame & line
        whole = here
        if self.data_bits == VALUE_BITS:
            m.d.comb += item.value.eq(pins)
        else:
            upper, second = Signal(self.data_bits), Signal()
            m.d.pixel += [upper.eq(pins), second.eq(here & ~second)]
            m.d.comb += item.value.eq(Cat(pins, upper))
            whole = here & second
        m.d.comb += [
            item.end.eq(before & ~frame),
            item.line.eq(fresh),
            item.lost.eq(lost),
            write.eq(whole | item.end),
            fifo.w_data.eq(item),
            fifo.w_en.eq(write),
        ]
        with m.If(~here):
            m.d.pixel += fresh.eq(1)
        with m.Elif(whole):
            m.d.pixel += fresh.eq(0)
        with m.If(write):
            m.d.pixel += lost.eq(~fifo.w_rdy)
        m.d.comb += [self.o.payload.eq(fifo.r_data), self.o.valid.eq(fifo.r_rdy), fifo.r_en.eq(self.o.ready)]
        return m
