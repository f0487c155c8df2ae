"""Reading of windows from the line buffer: the loop nest over channels, taps and windows."""

from amaranth.hdl import C, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig
from signum.hdl.control.loop import Nest
from signum.hdl.lib.delay import delay

from .geometry import geometry_layout, position_bits

__all__ = ["READER_START", "WindowReader"]

READER_START = 2
"""Cycles from ``restart`` to the first tap."""

LOOPS = ("channel", "tap_x", "tap_y", "x", "y")
"""From the innermost loop to the outermost."""


class WindowReader(wiring.Component):
    """Issues the values of all windows of a frame: of each window the taps in order, of each tap the channels in order.

    Taps outside the frame are marked instead of read. A value is issued once its line is written.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    geometry : In(geometry_layout)
    restart : In(1)
        Go to the first window; its first value is issued `READER_START` cycles later at the earliest.
    lines : In(position_bits), complete : In(1)
        See `FrameReceiver`.
    ready : In(1)
        A value may be issued.
    issue : Out(1), address : Out(input_bits)
        A value, at this address of the line buffer.
    pad : Out(1)
        With ``issue``: it is outside the frame.
    window_end, line_end, frame_end : Out(1)
        With ``issue``: it is the last one of a window, of a line of windows, of all windows.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "geometry": In(geometry_layout(config)),
            "restart": In(1),
            "lines": In(position_bits(config)),
            "complete": In(1),
            "ready": In(1),
            "issue": Out(1),
            "address": Out(config.input_bits),
            "pad": Out(1),
            "window_end": Out(1),
            "line_end": Out(1),
            "frame_end": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry = self.geometry
        nest = Nest(m, {name: geometry[name] for name in LOOPS}, restart=self.restart, step=self.issue)
        channel, tap_x, tap_y, x, _ = (loop.at_end for loop in nest.loops.values())
        tap_ends, taps_end = Signal(), Signal()             # last channel of a tap, of a line of taps
        live = Signal()                                     # values are left
        m.d.comb += [
            tap_ends.eq(channel),
            taps_end.eq(tap_ends & tap_x),
            self.window_end.eq(taps_end & tap_y),
            self.line_end.eq(self.window_end & x),
            self.frame_end.eq(nest.ended),
        ]
        started = delay(m, self.restart, READER_START - 1, "restart")
        with m.If(self.restart | self.issue & self.frame_end):
            m.d.sync += live.eq(0)
        with m.Elif(started):
            m.d.sync += live.eq(1)
        self._positions(m, live, tap_ends, taps_end)
        self._address(m, tap_ends, taps_end)
        return m

    def _positions(self, m: Module, live: Signal, tap_ends: Signal, taps_end: Signal) -> None:
        """The pixel of the tap, and whether it is inside the frame."""
        geometry, bits = self.geometry, position_bits(self.config)
        at_x, at_y, window_x, window_y = (Signal(bits, name=name) for name in ("at_x", "at_y", "window_x", "window_y"))
        below = Signal()                                    # its line was written
        outside = Signal()
        m.d.comb += [
            # a negative coordinate is a large one
            below.eq(at_y < self.lines),
            outside.eq(at_y[-1] | self.complete & ~below),
            self.pad.eq(outside | (at_x >= geometry.width)),
            self.issue.eq(live & self.ready & (below | outside)),
        ]
        with m.If(self.restart):
            for position, window, border in ((at_x, window_x, geometry.left), (at_y, window_y, geometry.top)):
                m.d.sync += [position.eq(-border), window.eq(-border)]
        with m.Elif(self.issue & tap_ends):
            next_x, next_y = Signal(bits), Signal(bits)
            m.d.comb += [
                next_x.eq(Mux(taps_end, window_x, at_x)
                          + Mux(taps_end, Mux(self.window_end, geometry.stride_x, 0), geometry.dilation_x)),
                next_y.eq(Mux(self.window_end, window_y, at_y)
                          + Mux(self.window_end, Mux(self.line_end, geometry.stride_y, 0), geometry.dilation_y)),
            ]
            m.d.sync += at_x.eq(Mux(self.line_end, -geometry.left, next_x))
            with m.If(taps_end):
                m.d.sync += at_y.eq(next_y)
            with m.If(self.window_end):
                m.d.sync += window_x.eq(Mux(self.line_end, -geometry.left, next_x))
            with m.If(self.line_end):
                m.d.sync += window_y.eq(next_y)

    def _address(self, m: Module, tap_ends: Signal, taps_end: Signal) -> None:
        geometry = self.geometry
        window, line = Signal.like(self.address), Signal.like(self.address)     # first value of the window, of the line
        following = Signal.like(self.address)
        base = Mux(self.line_end, line, Mux(self.window_end, window, self.address))
        step = Mux(taps_end, geometry.tap_line, Mux(tap_ends, geometry.tap_step, C(1, 1)))
        step = Mux(self.line_end, geometry.line_step, Mux(self.window_end, geometry.window_step, step))
        m.d.comb += following.eq(base + step)
        with m.If(self.restart):
            m.d.sync += [register.eq(geometry.first) for register in (self.address, window, line)]
        with m.Elif(self.issue):
            m.d.sync += self.address.eq(following)
            with m.If(self.window_end):
                m.d.sync += window.eq(following)
            with m.If(self.line_end):
                m.d.sync += line.eq(following)
