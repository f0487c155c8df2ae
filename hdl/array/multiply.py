"""Dot product of a word of 8-bit activations and a word of 8-bit weights."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib.wiring import Out

from signum.hdl.array.popcount.structure import Structure
from signum.hdl.config import LARGEST_PRODUCT, ArrayConfig
from signum.hdl.stages import multiply_levels, registered_levels

__all__ = ["Multiply"]


class Multiply(Structure):
    """Multiplies the elements of two words, lane by lane, and adds the products.

    One multiplier a lane feeds a tree of adders. The register stages are spread over the levels, the products'
    included; the last stage registers the result.

    Parameters
    ----------
    lanes, pipeline : int
        See `Structure`.

    Members
    -------
    a, w : In(8 * lanes)
        Elements of 8 bits: unsigned activations, and weights in two's complement.
    count : Out
        The dot product, in two's complement.
    """

    name = "multiply"
    element_bits = 8

    def __init__(self, *, lanes: int, pipeline: int = 0) -> None:
        bits = (lanes * LARGEST_PRODUCT - 1).bit_length() + 1
        super().__init__(lanes=lanes, pipeline=pipeline, members={"count": Out(signed(bits))})
        self.levels = multiply_levels(lanes)

    @classmethod
    def create(cls, config: ArrayConfig) -> "Multiply":
        return cls(lanes=config.lanes, pipeline=config.pipeline)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        registered = registered_levels(self.levels, self.pipeline)
        bits = self.element_bits
        values = [self.a.word_select(lane, bits) * self.w.word_select(lane, bits).as_signed()
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
