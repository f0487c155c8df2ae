"""Records the first word with the wrong parity that a run, the host or an answer has used."""

from collections.abc import Sequence

from amaranth.hdl import C, Cat, Module, Mux, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig

from .bus import AddressMap, Region

__all__ = ["FaultRecorder", "fault", "fault_layout", "first_of"]


def fault_layout(config: ArrayConfig) -> data.StructLayout:
    """A word that was used, see `hdl.host.bus.WrongWord`; ``wrong``: its parity is wrong."""
    layout = AddressMap(config)
    return data.StructLayout({"wrong": 1, "region": layout.REGION_BITS, "unit": max(1, layout.unit_bits),
                              "word": layout.word_bits})


def fault(config: ArrayConfig, *, wrong: Value, region: Value | Region, unit: Value | int, word: Value) -> Value:
    """The bits of a `fault_layout` of these fields."""
    given = {"wrong": wrong, "region": region, "unit": unit, "word": word}
    return Cat(Cat(given[name], C(0, field.width))[:field.width] if isinstance(given[name], Value)
               else C(int(given[name]), field.width) for name, field in fault_layout(config))


def first_of(faults: Sequence[Value]) -> Value:
    """The first fault of a list that is wrong; their first bit is ``wrong``."""
    chosen = faults[-1]
    for candidate in reversed(faults[:-1]):
        chosen = Mux(candidate[0], candidate, chosen)
    return chosen


class FaultRecorder(wiring.Component):
    """Holds the first fault until ``clear``. A fault is held from the cycle after it came.

    Parameters
    ----------
    config : ArrayConfig
    sources : int
        Of several faults in a cycle the one of the first source is held.

    Members
    -------
    faults : In(fault_layout).array(sources)
    clear : In(1)
        A fault of the same cycle is held nevertheless.
    held : Out(fault_layout)
    """

    def __init__(self, *, config: ArrayConfig, sources: int) -> None:
        self.config = config
        self.sources = sources
        super().__init__({
            "faults": In(fault_layout(config)).array(sources),
            "clear": In(1),
            "held": Out(fault_layout(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first = first_of([self.faults[i].as_value() for i in range(self.sources)])
        with m.If(first[0] & (~self.held.wrong | self.clear)):
            m.d.sync += self.held.eq(first)
        with m.Elif(self.clear):
            m.d.sync += self.held.wrong.eq(0)
        return m
