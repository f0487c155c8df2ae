"""The processing element: XNOR and popcount, or products; accumulator; result register of the drain chain."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig
from signum.hdl.lib.family import cells_of

from .popcount.registry import structure_of

__all__ = ["ProcessingElement", "strobes", "takes_sums_early"]


def takes_sums_early(platform: object, config: ArrayConfig) -> bool:
    """Whether the result register takes a finished sum from the adder, not from the accumulator: on Gowin.

    The accumulator is then cleared when a sum ends, at no cost, and not when the next sum begins, at a LUT for each bit
    of a count. A logic cell of iCE40 outputs its adder's sum or its register, not both; accumulating structures
    (`hdl.array.popcount.carry`) begin a sum by themselves, unless their accumulators double.
    """
    if structure_of(platform, config).accumulates:
        return bool(config.accumulator_shift)
    return cells_of(platform).sums_early


def strobes(config: ArrayConfig) -> tuple[str, ...]:
    """The strobes of an array's elements, which pass from tile to tile; see `ProcessingElement`."""
    return ("first", "load", "shift") if config.accumulator_shift else ("first", "load")


class ProcessingElement(wiring.Component):
    """Accumulates the number of equal bits of activation and weight words, or their dot product with 8-bit elements,
    and passes finished sums to the drain chain of its row.

    A pair of words is counted ``pipeline`` cycles later; in the cycle of the count, ``first`` begins a new sum. The
    accumulator holds the sum one cycle later. With ``load`` the result register takes the sum; in every other cycle
    it takes the neighbour's result. No register is reset: a sum is valid once ``first`` has begun it. Where
    `takes_sums_early` holds, ``first`` and ``load`` come a cycle earlier.

    With ``config.accumulator_shift`` a count may be added to twice the accumulator, as in the bit-serial elements of
    BISMO (Umuroglu et al., 2018): the words of the next bit plane follow without a drain.

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
    shift : In(1), only with ``config.accumulator_shift``
        The count of this cycle is added to twice the accumulator.
    neighbour : In(acc_bits)
        Result register of the next element of the row.
    result : Out(acc_bits)
        Result register.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.share_key = (config.lanes, config.element_bits, config.pipeline, config.acc_bits, config.accumulator_shift)
        super().__init__({
            "a": In(config.word_bits),
            "w": In(config.word_bits),
            **dict.fromkeys(strobes(config), In(1)),
            "neighbour": In(config.acc_bits),
            "result": Out(config.acc_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        structure = structure_of(platform, config)
        early = takes_sums_early(platform, config)
        acc = Signal(config.acc_bits, reset_less=True)
        total = Signal.like(acc)
        result = Signal(config.acc_bits, reset_less=True)
        m.submodules[structure.name] = unit = structure.create(config)
        if structure.accumulates:
            m.d.comb += [unit.first.eq(self.first), acc.eq(unit.acc)]
            if config.accumulator_shift:
                m.d.comb += [unit.shift.eq(self.shift), total.eq(unit.total)]
        else:
            before = Mux(self.shift, acc << 1, acc) if config.accumulator_shift else acc
            m.d.comb += total.eq(before + unit.count)
            m.d.sync += acc.eq(Mux(self.first, 0 if early else unit.count, total))
        m.d.comb += [unit.a.eq(self.a), unit.w.eq(self.w), self.result.eq(result)]
        m.d.sync += result.eq(Mux(self.load, total if early else acc, self.neighbour))
        return m
