"""A light that blinks a number."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["PERIOD_BITS", "Blinker"]

PERIOD_BITS = 3


class Blinker(wiring.Component):
    """Blinks ``count`` times, and pauses, over and over: a period is 8 times ``2**bits`` cycles.

    Parameters
    ----------
    bits : int
        A blink, half of it lit, takes ``2**bits`` cycles.

    Members
    -------
    count : In(3)
        0 for none; at most 6, so that a pause is left.
    light : Out(1)

    Raises
    ------
    ValueError
        If ``bits`` is not positive.
    """

    def __init__(self, *, bits: int) -> None:
        if not isinstance(bits, int) or bits < 1:
            raise ValueError(f"bits must be a positive integer, not {bits!r}")
        self.bits = bits
        super().__init__({"count": In(PERIOD_BITS), "light": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer = Signal(self.bits + PERIOD_BITS)
        m.d.sync += [timer.eq(timer + 1), self.light.eq(timer[self.bits - 1] & (timer[self.bits:] < self.count))]
        return m
