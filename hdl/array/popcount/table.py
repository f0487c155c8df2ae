"""XNOR-popcount by table lookup, for simulators, where a lookup costs as much time as a gate."""

from amaranth.hdl import Const, Module, Value
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.lib.delay import behind_registers

from .structure import Structure

__all__ = ["TablePopcount"]

BYTE = 8            # lanes of a lookup


class TablePopcount(Structure):
    """Looks up the count of each eight lanes in a table of 256 words, and adds the counts.

    An array simulates faster than with `TreePopcount`; on an FPGA each lookup would be a separate memory. All register
    stages follow the count.

    Parameters
    ----------
    lanes, pipeline : int
        See `Structure`.

    Members
    -------
    count : Out
        Number of lanes in which ``a`` and ``w`` are equal.
    """

    name = "table"

    def __init__(self, *, lanes: int, pipeline: int = 0) -> None:
        super().__init__(lanes=lanes, pipeline=pipeline, members={"count": Out(bits_to_hold(lanes))})

    @classmethod
    def create(cls, config: ArrayConfig) -> "TablePopcount":
        return cls(lanes=config.lanes, pipeline=config.pipeline)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.table = table = Memory(shape=bits_to_hold(BYTE), depth=1 << BYTE,
                                            init=[byte.bit_count() for byte in range(1 << BYTE)])
        equal = ~(self.a ^ self.w)
        total: Value = Const(0, 1)
        for first in range(0, self.lanes, BYTE):
            port = table.read_port(domain="comb")
            m.d.comb += port.addr.eq(equal[first:first + BYTE])
            total = total + port.data
        m.d.comb += self.count.eq(behind_registers(m, total[:len(self.count)], self.pipeline, "count"))
        return m
