"""Reading of windows from the line buffer: the loop nest over values, lines of taps and windows."""

from amaranth.hdl import C, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig
from signum.hdl.control.input_geometry import geometry_layout

__all__ = ["WindowReader"]

LOOPS = ("run", "tap_y", "x", "y")
"""From the innermost loop to the outermost."""


class WindowReader(wiring.Component):
    """Issues the values of all windows of a frame: of each window the lines of taps, of each the values in order.

    Behind the last line of windows the frame has too few lines for another: `FrameReceiver` says nothing is readable.
    The first value is issued in the cycle after ``restart`` at the earliest.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    geometry : In(geometry_layout)
    restart : In(1)
        Go to the first window.
    readable : In(1)
        See `FrameReceiver`.
    ready : In(1)
        A value may be issued.
    issue : Out(1), address : Out(input_bits)
        A value, at this address of the line buffer.
    window_end, line_end, frame_end : Out(1)
        With ``issue``: it is the last one of a window, of a line of windows, of all windows.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        super().__init__({
            "geometry": In(geometry_layout(config)),
            "restart": In(1),
            "readable": In(1),
            "ready": In(1),
            "issue": Out(1),
            "address": Out(config.input_bits),
            "window_end": Out(1),
            "line_end": Out(1),
            "frame_end": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry = self.geometry
        run_end = Signal()
        m.d.comb += self.issue.eq(self.readable & self.ready)
        within: Value = C(1, 1)
        for name, end in zip(LOOPS, (run_end, self.window_end, self.line_end, self.frame_end), strict=True):
            turn = Signal.like(geometry[name], name=name)
            m.d.comb += end.eq(within & (turn == geometry[name]))
            with m.If(self.restart | self.issue & end):
                m.d.sync += turn.eq(0)
            with m.Elif(self.issue & within):
                m.d.sync += turn.eq(turn + 1)
            within = end
        step = Mux(self.line_end, geometry.line_step,
                   Mux(self.window_end, geometry.window_step, Mux(run_end, geometry.tap_line, 1)))
        with m.If(self.restart):
            m.d.sync += self.address.eq(0)
        with m.Elif(self.issue):
            m.d.sync += self.address.eq(self.address + step)
        return m
