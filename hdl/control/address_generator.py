"""Activation address of a row: the address of its pixel plus the offset of the step."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold

__all__ = ["AddressGenerator"]


class AddressGenerator(wiring.Component):
    """Holds the addresses of a row's current and next pixel, one address for each access pattern.

    ``address`` follows ``offset`` and ``pattern`` in the same cycle. ``fill`` stores the next pixel, ``take`` makes it
    current, ``clear`` sets the current addresses to zero; each takes effect in the next cycle.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    fill, take, clear : In(1)
    next : In(activation_bits), one for each access pattern
    offset : In(activation_bits)
    pattern : In
    address : Out(activation_bits)
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.share_key = (config.activation_bits, config.access_patterns)
        bits = config.activation_bits
        super().__init__({
            "fill": In(1),
            "take": In(1),
            "clear": In(1),
            "next": In(bits).array(config.access_patterns),
            "offset": In(bits),
            "pattern": In(bits_to_hold(config.access_patterns - 1)),
            "address": Out(bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        current = []
        for i in range(self.config.access_patterns):
            held = Signal(self.config.activation_bits, name=f"held_{i}")
            used = Signal(self.config.activation_bits, name=f"used_{i}")
            with m.If(self.fill):
                m.d.sync += held.eq(self.next[i])
            with m.If(self.clear):
                m.d.sync += used.eq(0)
            with m.Elif(self.take):
                m.d.sync += used.eq(held)
            current.append(used)
        m.d.comb += self.address.eq(Array(current)[self.pattern] + self.offset)
        return m
