"""The thresholds that all rows share: read once, they pass down the rows with the control."""

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.lib.memory import Bank
from signum.hdl.lib.share import Vector, add_shared

__all__ = ["ThresholdMemory"]


class ThresholdMemory(wiring.Component):
    """A bank of ``config.shared_thresholds`` entries for each sum of a beat; all of them read one address.

    Parameters
    ----------
    config : ArrayConfig
        With ``raw_depth``.

    Members
    -------
    address : In
        Of the thresholds, and of a write. Addresses from ``config.shared_thresholds`` on are entries of the rows.
    write : In(drain_width), data : In(sum_bits)
        Write the entries of these sums.
    thresholds : Out(sum_bits), one for each sum of a beat
        The entries at ``address``, ``config.memory_latency`` later.
    wrong : Out(1), only with ``config.parity``
        `Bank.wrong` of any of them.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "address": In(bits_to_hold(config.shared_thresholds - 1)),
            "write": In(config.drain_width),
            "data": In(config.sum_bits),
            "thresholds": Out(Vector(config.sum_bits, config.drain_width)),
            **({"wrong": Out(1)} if config.parity else {}),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        banks = [Bank(width=config.sum_bits, depth=config.shared_thresholds, registers=config.memory_registers,
                      parity=bool(config.parity)) for _ in range(config.drain_width)]
        for k, bank in enumerate(banks):
            add_shared(m, f"thresholds_{k}", bank)
            m.d.comb += [
                bank.read_address.eq(self.address),
                bank.write_address.eq(self.address),
                bank.write_data.eq(self.data),
                bank.write.eq(self.write[k]),
                self.thresholds[k].eq(bank.read_data),
            ]
        if config.parity:
            m.d.comb += self.wrong.eq(Cat(bank.wrong for bank in banks).any())
        return m
