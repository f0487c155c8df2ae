"""The processing element: XNOR and popcount, or products; accumulate; and a place in the drain chain of its row."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .carry import CarryCounter, has_carry_cells
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
        config = self.config
        lanes, pipeline = config.lanes, config.pipeline
        acc = Signal(config.acc_bits, reset_less=True)
        result = Signal(config.acc_bits, reset_less=True)
        count: CarryCounter | Multiply | Popcount
        if not config.signed and has_carry_cells(platform, lanes):
            count = CarryCounter(lanes=lanes, pipeline=pipeline, acc_bits=config.acc_bits)
            m.d.comb += [count.first.eq(self.first), acc.eq(count.acc)]
        else:
            unit = Multiply if config.signed else Popcount
            count = unit(lanes=lanes, pipeline=pipeline)
            m.d.sync += acc.eq(Mux(self.first, count.count, acc + count.count))
        m.submodules[type(count).__name__.lower()] = count
        m.d.comb += [count.a.eq(self.a), count.w.eq(self.w), self.result.eq(result)]
        m.d.sync += result.eq(Mux(self.load, acc, self.neighbour))
        return m
