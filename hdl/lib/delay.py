"""Delay lines, with and without a reset."""

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["behind_registers", "delay", "skew"]


def delay(m: Module, value, cycles: int, name: str):
    """The value ``cycles`` later, of the same shape; a reset sets the registers to 0."""
    if cycles == 0:
        return value
    bits = Value.cast(value)
    # oldest value in the highest bits
    before = Signal(cycles * len(bits), name=f"{name}_before")
    later = Signal(value.shape(), name=f"{name}_later")
    m.d.sync += before.eq(Cat(bits, before))
    m.d.comb += later.eq(before[-len(bits):])
    return later


def behind_registers(m: Module, value: Value, count: int, name: str) -> Value:
    """The bits of a value after ``count`` registers without a reset; only these are absorbed into a block RAM."""
    for stage in range(count):
        delayed = Signal(len(value), name=f"{name}_d{stage + 1}", reset_less=True)
        m.d.sync += delayed.eq(value)
        value = delayed
    return value


def skew(m: Module, value, count: int, name: str) -> list:
    """The value delayed by 0, 1, ..., ``count - 1`` cycles, one for each tile row or column."""
    values = [value]
    for i in range(1, count):
        values.append(delay(m, values[-1], 1, f"{name}_{i}"))
    return values
