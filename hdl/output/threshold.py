"""The threshold unit at the end of a row: combines the sums of a layer's segments into an element."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.control.combine import addends
from signum.hdl.lib.delay import delay
from signum.hdl.lib.memory import Bank

__all__ = ["ThresholdUnit", "combine_layout"]


def combine_layout(config: ArrayConfig) -> data.StructLayout:
    """Controls of a threshold unit for the sum of this cycle, fields of
    `hdl.output.result_controller.beat_layout`, and ``beat`` is its number."""
    return data.StructLayout({
        "beat": bits_to_hold(config.beats - 1),
        "address": config.threshold_bits,
        **dict.fromkeys(addends(config), 1),
        "double": 1,
        **({"gated": 1} if config.gate else {}),
        "enable": 1,
        "store": 1,
    })


class ThresholdUnit(wiring.Component):
    """Turns the sums of a row, or of every ``drain_width``-th column of it, into elements, one a cycle.

    ``beat`` comes one cycle before ``sum`` and ``combine``; the element follows ``config.memory_latency + 1`` cycles
    after them. The unit keeps the combined sum S of the segments so far for each column, and computes ``S = p``, or
    ``p`` plus the addend that the beat selects (see `hdl.control.combine`), of S or of 2S. A bit is ``S >= T``, with
    T from the row's threshold memory at ``address`` plus the offset of the pixel's border class; an element of 8 bits
    is S clipped to 0..255. With ``store`` the sum is written to the memory instead.

    With ``config.gate``, the bit of a sum without ``gated`` is also the gate of its column, for the sums with ``gated``
    that follow: their p counts as 0 where the gate is 0, and T is the next entry where it is 1. The first of them comes
    ``config.gate_cycles`` later at the earliest.

    With ``config.raw_depth``, T comes from a memory of all rows, and the memory here has the last entries alone: those
    that sums are stored in.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    beat : In
        Beat of the next sum: its column, divided by ``drain_width``.
    sum : In(operand_bits)
        A sum of the row, or its level.
    combine : In(combine_layout)
    element : Out(element_bits)
    fill, take, clear, offset : In
        Border class of the next pixel, and its strobes; see `AddressGenerator`.
    threshold : In(sum_bits), only with ``config.raw_depth``
        The entry of all rows at ``combine.address``, ``config.memory_latency`` later.
    host_write : In(1), host_data : In(sum_bits)
        Write the threshold memory at ``combine.address``, without ``combine.gated``.
    host_read : Out(sum_bits)
        Entry at ``combine.address``, ``config.memory_latency`` later.
    address : Out(threshold_bits), wrong : Out(1), only with ``config.parity``
        The address that is read, and `Bank.wrong` of its entry.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.share_key = (config.beats, config.operand_bits, config.sum_bits, config.threshold_depth,
                          config.element_bits, config.memory_registers, config.parity, config.gate,
                          config.raw_depth)
        super().__init__({
            "beat": In(bits_to_hold(config.beats - 1)),
            "sum": In(config.operand_bits),
            "combine": In(combine_layout(config)),
            "element": Out(config.element_bits),
            "fill": In(1),
            "take": In(1),
            "clear": In(1),
            "offset": In(config.threshold_bits),
            **({"threshold": In(config.sum_bits)} if config.raw_depth else {}),
            "host_write": In(1),
            "host_data": In(config.sum_bits),
            "host_read": Out(config.sum_bits),
            **({"address": Out(config.threshold_bits), "wrong": Out(1)} if config.parity else {}),
        })
        self.decision = Signal()        # the bit of the sum that came ``memory_latency`` cycles ago

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, combine = self.config, self.combine
        m.submodules.sums = sums = Memory(shape=config.sum_bits, depth=config.beats, init=[])
        sums_writer = sums.write_port()
        # with one beat the next sum of a column may come in the next cycle
        sums_reader = sums.read_port(transparent_for=(sums_writer,) if config.beats == 1 else ())
        m.submodules.thresholds = thresholds = Bank(width=config.sum_bits,
                                                    depth=config.raw_depth or config.threshold_depth,
                                                    registers=config.memory_registers,
                                                    parity=bool(config.parity))

        held, used = Signal(config.threshold_bits), Signal(config.threshold_bits)
        with m.If(self.fill):
            m.d.sync += held.eq(self.offset)
        with m.If(self.clear):
            m.d.sync += used.eq(0)
        with m.Elif(self.take):
            m.d.sync += used.eq(held)

        operand, gate = self._gated(m) if config.gate else (self.sum, 0)
        before = Signal(config.sum_bits)
        m.d.comb += before.eq(Mux(combine.double, sums_reader.data << 1, sums_reader.data))
        chosen: Value = Const(0)
        for name, (function, _) in addends(config).items():
            chosen = Mux(combine[name], function(before, operand), chosen)
        addend = Signal(config.sum_bits)
        total = Signal(config.sum_bits)
        complete = Signal(config.sum_bits, reset_less=True)
        address = Signal(config.threshold_bits)
        m.d.comb += [
            addend.eq(chosen),
            total.eq(addend + operand),
            address.eq(combine.address + used + gate if config.gate else combine.address + used),
            sums_reader.addr.eq(self.beat),
            sums_writer.addr.eq(combine.beat),
            sums_writer.data.eq(total),
            sums_writer.en.eq(combine.enable),
            thresholds.read_address.eq(address),
            self.host_read.eq(thresholds.read_data),
        ]
        if config.parity:
            m.d.comb += [self.address.eq(address), self.wrong.eq(thresholds.wrong)]
        m.d.sync += complete.eq(total)
        into = [address, self.host_write, combine.store, self.host_data, total]
        if config.memory_registers:
            # the sum is registered on its way to the memory
            into = [*(delay(m, value, 1, f"late_{i}") for i, value in enumerate(into[:-1])), complete]
        at, given, store, data, result = into
        m.d.comb += [
            thresholds.write_address.eq(at),
            thresholds.write_data.eq(Mux(given, data, result)),
            thresholds.write.eq(given | store),
        ]
        complete = delay(m, complete, config.memory_latency - 1, "complete")
        if config.element_bits == 1:
            level = self.threshold if config.raw_depth else thresholds.read_data
            met = complete >= level
            m.d.sync += self.element.eq(met)
            if config.gate:
                m.d.comb += self.decision.eq(met)
        else:
            low, high = complete[:config.element_bits], complete[config.element_bits:]
            m.d.sync += self.element.eq(Mux(complete[-1], 0, low | high.any().replicate(config.element_bits)))
        return m

    def _gated(self, m: Module) -> tuple[Value, Value]:
        """The operand behind the gate of its column, and the gate, 0 for a sum without ``gated``."""
        config, combine = self.config, self.combine
        m.submodules.gates = gates = Memory(shape=1, depth=config.beats, init=[])
        reader, writer = gates.read_port(), gates.write_port()
        decides = Cat(combine.enable & ~combine.gated, combine.beat)
        decided = delay(m, decides, config.memory_latency, "decided")
        m.d.comb += [
            reader.addr.eq(self.beat),
            writer.en.eq(decided[0]),
            writer.addr.eq(decided[1:]),
            writer.data.eq(self.decision),
        ]
        return Mux(combine.gated & ~reader.data, 0, self.sum), combine.gated & reader.data
