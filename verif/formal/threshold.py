"""The threshold unit: sums of every combine, doubled or not, and the bit S >= T, for every p, T and combine."""

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Array, Assert, Assume, C, Module, Mux, Signal

from signum.hdl.config import ArrayConfig
from signum.hdl.control.combine import combines_of

from .prove import Bench, Mutant, Proof, SatProof, past

__all__ = ["PROOFS", "config_of"]


def config_of(beats: int, registers: int, requantized: int = 0, element_bits: int = 1, gate: int = 0,
              raw_depth: int = 0) -> ArrayConfig:
    """An array whose threshold units have small memories; sums keep their usual widths."""
    return ArrayConfig(rows=1, cols=beats, lanes=4, tile=beats, threshold_depth=2,
                       memory_registers=registers, zero_padding=int(not raw_depth), raw_depth=raw_depth,
                       requantize_depth=4 * requantized, element_bits=element_bits, gate=gate,
                       acc_bits=12 if element_bits == 1 else 18, sum_bits=16 if element_bits == 1 else 20)


def entries_of(config: ArrayConfig) -> int:
    """Entries of a unit's own memory."""
    return config.raw_depth or config.threshold_depth


def bench(config: ArrayConfig) -> Any:
    """From the module of the unit to a bench: S of each column and T at each address in registers of their own.

    The beat of a sum comes one cycle before it, and a column has no sums in two successive cycles, unless there is
    one column. The gate of each column is in a register of its own, and a gated sum of it comes ``config.gate_cycles``
    after a sum that decides, at the earliest.
    """
    def specify(m: Module, bench: Any) -> None:
        unit = bench.unit
        bits = config.sum_bits
        combine = unit.combine
        gated = combine.gated if config.gate else C(0, 1)
        sums = Array(Signal(bits, name=f"spec_s{i}") for i in range(config.beats))
        levels = Array(Signal(bits, name=f"spec_t{i}") for i in range(entries_of(config)))
        held, used, total = Signal(1, name="spec_held"), Signal(1, name="spec_used"), Signal(bits, name="spec_total")
        gates = Array(Signal(name=f"spec_g{i}") for i in range(config.beats))
        gate = gated & gates[combine.beat]
        address = C(0) if config.raw_depth else (combine.address + used + gate)[:1]
        m.d.comb += [Assume(combine.beat == past(m, unit.beat, "beat")), Assume(unit.beat < config.beats),
                     Assume(past(m, C(1), "read") | ~(combine.enable | combine.store | gated))]
        if config.beats > 1:
            m.d.comb += Assume(~past(m, combine.enable, "enable") | (combine.beat != past(m, combine.beat, "column")))

        # the first segment, then each row of the table by its reference
        before = Mux(combine.double, 2 * sums[combine.beat], sums[combine.beat])
        operand = unit.sum.as_signed() if config.signed else Mux(gated & ~gate, 0, unit.sum)
        m.d.comb += total.eq(operand)
        for row in combines_of(config):
            with m.If(combine[row.addend.__name__]):
                m.d.comb += total.eq(row.reference(before, operand))
        with m.If(combine.enable):
            m.d.sync += sums[combine.beat].eq(total)

        with m.If(unit.fill):
            m.d.sync += held.eq(unit.offset)
        with m.If(unit.clear):
            m.d.sync += used.eq(0)
        with m.Elif(unit.take):
            m.d.sync += used.eq(held)

        # reading an address while it is written returns the old word, with memory registers as without
        written, new = unit.host_write | combine.store, Signal(bits, name="spec_new")
        m.d.comb += new.eq(Mux(unit.host_write, unit.host_data, total))
        with m.If(written):
            m.d.sync += levels[address].eq(new)
        for place, value in enumerate(levels):      # the memory is written so many cycles later
            word = Signal(bits, name=f"spec_word{place}")
            m.d.comb += word.eq(past(m, value, f"word{place}", config.memory_registers))
        level = levels[address]
        if config.raw_depth:
            m.d.comb += Assert(~past(m, C(1), "given", config.memory_latency + 2) | (
                unit.element == past(m, past(m, total, "sum", config.memory_latency) >= unit.threshold, "above")))
        if config.element_bits == 1:
            element = total >= level
        else:
            element = Mux(total.as_signed() < 0, 0, Mux(total.as_signed() > 255, 255, total))[:8]
        late = config.memory_latency + 1
        if config.gate:
            decides = combine.enable & ~gated
            decided, column, met = (past(m, value, name, late - 1) for value, name in (
                (decides, "decides"), (combine.beat, "decided"), (element, "gate")))
            with m.If(decided):
                m.d.sync += gates[column].eq(met)
            for cycles in range(1, config.gate_cycles):
                m.d.comb += Assume(~(gated & past(m, decides, f"decides{cycles}", cycles))
                                   | (combine.beat != past(m, combine.beat, f"decided{cycles}", cycles)))
        if not config.raw_depth:
            m.d.comb += Assert(~past(m, C(1), "begun", late + 1) | (unit.element == past(m, element, "element", late)))
        m.d.comb += Assert(~past(m, C(1), "kept", late + 1) | (
            unit.host_read == past(m, level, "level", config.memory_latency)))

    return lambda module: Bench(module.ThresholdUnit(config=config), specify)


ADDEND = Mutant("signum.hdl.output.threshold", "addend + operand", "addend | operand")
COMPARE = Mutant("signum.hdl.output.threshold", "complete >= level", "complete > level")
DOUBLE = Mutant("signum.hdl.output.threshold", "sums_reader.data << 1", "sums_reader.data")
CLIP = Mutant("signum.hdl.output.threshold", "high.any()", "high[:-2].any()")
GATE = Mutant("signum.hdl.output.threshold", "combine.gated & ~reader.data", "combine.gated & reader.data")
OPEN = Mutant("signum.hdl.output.threshold", "used + gate if", "used if")
DECIDES = Mutant("signum.hdl.output.threshold", "combine.enable & ~combine.gated", "combine.enable")
SHARED = Mutant("signum.hdl.output.threshold", "level = self.threshold if config.raw_depth else", "level =")
TAKE = Mutant("signum.hdl.output.threshold", "used.eq(held)", "used.eq(self.offset)")


def proofs() -> Iterator[Proof]:
    for beats, registers, requantized, bits, gate, raw_depth, mutant in (
            (1, 0, 0, 1, 0, 0, COMPARE), (2, 0, 0, 1, 0, 0, DOUBLE), (2, 0, 1, 1, 0, 0, ADDEND),
            (3, 1, 0, 1, 0, 0, TAKE), (2, 2, 0, 1, 0, 0, COMPARE), (2, 0, 1, 8, 0, 0, CLIP), (1, 0, 0, 1, 1, 0, GATE),
            (2, 0, 0, 1, 1, 0, OPEN), (2, 1, 0, 1, 1, 0, DECIDES), (2, 0, 0, 1, 0, 1, SHARED),
            (2, 1, 0, 1, 0, 1, COMPARE)):
        config = config_of(beats, registers, requantized, bits, gate, raw_depth)
        yield SatProof(
            unit="ThresholdUnit",
            claim=f"S and element are those of the combine table for each p, T and flag: {beats} columns, "
                  f"{registers} memory registers{', residual' if requantized else ''}{', gated' if gate else ''}"
                  f"{', thresholds of all rows' if raw_depth else ''}, "
                  f"elements of {bits} bits",
            mutant=mutant, bench=bench(config), steps=8,
            links={"unit.$signal": "spec_held", "unit.used": "spec_used",
                   **{f"unit.sums[{column}]": f"spec_s{column}" for column in range(beats)},
                   **{f"unit.gates[{column}]": f"spec_g{column}" for column in range(beats) if gate},
                   **{f"unit.thresholds.slice_0[{place}]": f"spec_word{place}" for place in range(entries_of(config))}})


PROOFS = tuple(proofs())
