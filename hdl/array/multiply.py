"""The dot product of a word of activations and a word of weights, of elements of 8 bits."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import LARGEST_PRODUCT, ConfigError, multiply_levels, registered_levels

__all__ = ["Multiply"]

BITS = 8


class Multiply(wiring.Component):
    """Multiplies the elements of two words, lane by lane, and adds the products.

    A product for each lane, and a tree of adders. One result a cycle; the latency is ``pipeline`` cycles. It is what
    `Popcount` is to a binary array.

    Parameters
    ----------
    lanes : int
        Elements of a word, positive.
    pipeline : int
        Register stages, from 0 to the number of levels, the products' included; spread over the levels, the last one at
        the end.

    Members
    -------
    a : In
        Elements of 8 bits, unsigned, lane 0 in the least significant ones.
    w : In
        Elements of 8 bits, in two's complement.
    count : Out
        The dot product, in two's complement.

    Raises
    ------
    ConfigError
        If a parameter is out of range.
    """

    def __init__(self, *, lanes: int, pipeline: int = 0) -> None:
        if lanes < 1:
            raise ConfigError(f"lanes must be a positive integer, not {lanes}")
        levels = multiply_levels(lanes)
        if not 0 <= pipeline <= levels:
            raise ConfigError(f"pipeline must be from 0 to {levels} for {lanes} lanes, not {pipeline}")
        self.lanes = lanes
        self.pipeline = pipeline
        self.levels = levels
        bits = (lanes * LARGEST_PRODUCT - 1).bit_length() + 1
        super().__init__({"a": In(lanes * BITS), "w": In(lanes * BITS), "count": Out(signed(bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        registered = registered_levels(self.levels, self.pipeline)
        values = [self.a.word_select(lane, BITS) * self.w.word_select(lane, BITS).as_signed()
                  for lane in range(self.lanes)]
        for level in range(1, self.levels + 1):
            if level > 1:
                odd = values[len(values) // 2 * 2:]
                values = [left + right for left, right in zip(values[::2], values[1::2], strict=False)] + odd
            domain = m.d.sync if level in registered else m.d.comb
            for i, value in enumerate(values):
                kept = Signal(value.shape(), name=f"level{level}_{i}", reset_less=True)
                domain += kept.eq(value)
                values[i] = kept
        m.d.comb += self.count.eq(values[0])
        return m
