"""Requantization at the end of a row: scales, offsets and shifts each sum for the threshold unit."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig

__all__ = ["Requantize"]


class Requantize(wiring.Component):
    """Requantizes the sums of a row, one a cycle, with a latency of ``config.requantize_cycles``.

    The result is ``(sum * scale + offset) >> requantize_shift``. A binary array, for the paper's residual add, clips
    the result to INT4, -8..7, and adds 8. Without ``enable`` the sum passes unchanged, with the same latency. Product
    and result are registered, as in the multipliers of FPGAs.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    sum : In(acc_bits)
        In two's complement where elements have 8 bits.
    scale : In(scale_bits)
    offset : In(offset_bits)
        In two's complement.
    enable : In(1)
        Constant while sums pass.
    operand : Out(operand_bits)
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.share_key = (config.acc_bits, config.scale_bits, config.offset_bits, config.requantize_shift,
                          config.operand_bits, config.signed)
        super().__init__({
            "sum": In(config.acc_bits),
            "scale": In(config.scale_bits),
            "offset": In(config.offset_bits),
            "enable": In(1),
            "operand": Out(config.operand_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        signed = self.config.signed
        product = Signal(Shape(len(self.sum) + len(self.scale), signed), reset_less=True)
        offset = Signal(Shape(len(self.offset), True), reset_less=True)
        passing = Signal(Shape(len(self.sum), signed), reset_less=True)
        m.d.sync += [
            passing.eq(self.sum),
            product.eq((self.sum.as_signed() if signed else self.sum) * self.scale),
            offset.eq(self.offset),
        ]
        number = product + offset >> self.config.requantize_shift
        if not signed:
            low, high, negative = number[:3], number[3:], number[-1]
            within = (high == 0) | high.all()
            number = Mux(within, Cat(low, ~negative), Mux(negative, 0, 15))
        m.d.sync += self.operand.eq(Mux(self.enable, number, passing))
        return m
