"""Bits in channel order to words, for all rows in step."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Packer"]


class Packer(wiring.Component):
    """Puts one bit a cycle into each row's word, lane 0 first.

    A word is complete when its last lane is filled or with ``end``; the lanes left over are 0. ``flush`` comes in the
    cycle after the word's last bit, and the words stay until the next bit.

    Parameters
    ----------
    rows, lanes : int

    Members
    -------
    begin : In(1)
        Begin a word; what an earlier one held is dropped.
    insert : In(1), bits : In(rows)
        A bit for every row.
    end : In(1)
        With ``insert``: the last bit of a pixel.
    words : Out(lanes), one for each row
    flush : Out(1)
        The words are complete.
    flush_end : Out(1)
        ... and they were the last ones of their pixel.
    """

    def __init__(self, *, rows: int, lanes: int) -> None:
        self.rows = rows
        self.lanes = lanes
        super().__init__({
            "begin": In(1),
            "insert": In(1),
            "bits": In(rows),
            "end": In(1),
            "words": Out(lanes).array(rows),
            "flush": Out(1),
            "flush_end": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lane = Signal(self.lanes, init=1)               # one-hot: where the next bit goes
        whole = Signal()
        m.d.comb += whole.eq(lane[-1] | self.end)
        m.d.sync += [self.flush.eq(self.insert & whole), self.flush_end.eq(self.end)]
        with m.If(self.begin):
            m.d.sync += lane.eq(1)
        with m.Elif(self.insert):
            m.d.sync += lane.eq(Mux(whole, 1, lane << 1))
            for r in range(self.rows):
                kept = Mux(lane[0], 0, self.words[r])
                m.d.sync += self.words[r].eq(kept | Mux(self.bits[r], lane, 0))
        return m
