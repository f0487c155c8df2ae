"""The processing element: XNOR and popcount, or products; accumulate; and a place in the drain chain of its row."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import ArrayConfig
from .multiply import Multiply
from .popcount import Popcount

__all__ = ["ProcessingElement"]


class ProcessingElement(wiring.Component):
    """Accumulates the number of equal bits of the words it is given, or their dot product where elements have 8 bits,
    and hands finished sums to its row's drain.

    A pair of words is counted ``pipeline`` cycles later; in that cycle ``first`` says whether the sum begins anew.
    The accumulator holds the sum one cycle after that. In the cycle of ``load`` the sum is taken into the result
    register; in every other cycle that register takes over the neighbour's. Nothing is reset: a sum is valid once
    it has begun with ``first``.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    a, w : In(word_bits)
        Activation and weight word.
    first : In(1)
        The count of this cycle begins a sum.
    load : In(1)
        The accumulator is to be drained.
    neighbour : In(acc_bits)
        Result register of the next element of the row.
    result : Out(acc_bits)
        Result register.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.share_key = (config.lanes, config.element_bits, config.pipeline, config.acc_bits)
        super().__init__({
            "a": In(config.word_bits),
            "w": In(config.word_bits),
            "first": In(1),
            "load": In(1),
            "neighbour": In(config.acc_bits),
            "result": Out(config.acc_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, pipeline = self.config.lanes, self.config.pipeline
        count = Multiply(lanes=lanes, pipeline=pipeline) if self.config.signed else Popcount(
            lanes=lanes, pipeline=pipeline)
        m.submodules[type(count).__name__.lower()] = count
        acc = Signal(self.config.acc_bits, reset_less=True)
        result = Signal(self.config.acc_bits, reset_less=True)
        m.d.comb += [count.a.eq(self.a), count.w.eq(self.w), self.result.eq(result)]
        m.d.sync += [
            acc.eq(Mux(self.first, count.count, acc + count.count)),
            result.eq(Mux(self.load, acc, self.neighbour)),
        ]
        return m
