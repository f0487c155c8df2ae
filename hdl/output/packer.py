"""Packing of elements, in channel order, into words, for all rows in step."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.lib.share import Vector

__all__ = ["Packer"]


class Packer(wiring.Component):
    """Puts ``width`` elements a cycle into the word of each row, lane 0 first.

    A word is complete when its last lane is filled, or with ``pixel_end``; its unfilled lanes are 0. ``flush`` comes in
    the cycle after the word's last element, and the words stay until the next insertion.

    Parameters
    ----------
    rows, lanes : int
    bits : int
        Width of an element.
    width : int
        Elements of a cycle; a divisor of ``lanes``.

    Members
    -------
    restart : In(1)
        Begin a word; the elements of an incomplete word are dropped.
    insert : In(1), elements : In(width * bits), one for each row
        Elements past the end of their pixel are 0.
    pixel_end : In(1)
        With ``insert``: the last elements of a pixel.
    layer_end : In(1)
        The last elements of a layer, inserted or not.
    words : Out(lanes * bits), one for each row
    flush : Out(1)
        The words are complete.
    flush_end : Out(1)
        ... and are the last of their pixel.
    flush_layer_end : Out(1)
        ``layer_end``, one cycle later.
    """

    def __init__(self, *, rows: int, lanes: int, bits: int = 1, width: int = 1) -> None:
        self.rows = rows
        self.lanes = lanes
        self.bits = bits
        self.width = width
        self.share_key = (rows, lanes, bits, width)
        super().__init__({
            "restart": In(1),
            "insert": In(1),
            "elements": In(Vector(width * bits, rows)),
            "pixel_end": In(1),
            "layer_end": In(1),
            "words": Out(Vector(lanes * bits, rows)),
            "flush": Out(1),
            "flush_end": Out(1),
            "flush_layer_end": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        steps, size = self.lanes // self.width, self.width * self.bits
        lane = Signal(steps, init=1)                    # one-hot: position of the next elements
        whole = Signal()
        place = Cat(here.replicate(size) for here in lane)
        m.d.comb += whole.eq(lane[-1] | self.pixel_end)
        m.d.sync += [self.flush.eq(self.insert & whole), self.flush_end.eq(self.pixel_end),
                     self.flush_layer_end.eq(self.layer_end)]
        with m.If(self.restart):
            m.d.sync += lane.eq(1)
        with m.Elif(self.insert):
            m.d.sync += lane.eq(Mux(whole, 1, lane << 1))
            # a short form in Verilog for elements of one bit
            new = [Mux(element, place, 0) if size == 1 else place & element.replicate(steps)
                   for element in self.elements]
            m.d.sync += self.words.eq(Mux(lane[0], 0, self.words.as_value()) | Cat(new))
        return m
