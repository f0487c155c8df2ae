"""Requantization at the end of a row: a sum of the array as an INT4 number, for the paper's residual add."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import ArrayConfig

__all__ = ["Requantize"]


class Requantize(wiring.Component):
    """One row's sums to levels, one a cycle, ``config.requantize_cycles`` later.

    The level is ``clip((sum * scale + offset) >> requantize_shift, -8, 7) + 8``, from 0 to 15. Without ``enable`` the
    sum itself comes out, as late. A register follows the product and another one the result, as the multipliers of
    FPGAs have them.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    sum : In(acc_bits)
    scale : In(scale_bits)
    offset : In(offset_bits)
        In two's complement.
    enable : In(1)
        Stays as it is while there are sums.
    operand : Out(operand_bits)
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.share_key = (config.acc_bits, config.scale_bits, config.offset_bits, config.requantize_shift,
                          config.operand_bits)
        super().__init__({
            "sum": In(config.acc_bits),
            "scale": In(config.scale_bits),
            "offset": In(config.offset_bits),
            "enable": In(1),
            "operand": Out(config.operand_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product = Signal(len(self.sum) + len(self.scale), reset_less=True)
        offset = Signal.like(self.offset, reset_less=True)
        passing = Signal.like(self.sum, reset_less=True)
        scaled = product + offset.as_signed() >> self.config.requantize_shift
        low, high, negative = scaled[:3], scaled[3:], scaled[-1]
        within = (high == 0) | high.all()
        m.d.sync += [
            product.eq(self.sum * self.scale),
            offset.eq(self.offset),
            passing.eq(self.sum),
            self.operand.eq(Mux(self.enable, Mux(within, Cat(low, ~negative), Mux(negative, 0, 15)), passing)),
        ]
        return m
