"""The codes of input values, as `golden.layers.encoder` defines them."""

from amaranth.hdl import C, Cat, Mux, Value

from signum.hdl.config import ArrayConfig

__all__ = ["code_of"]


def exceeds(value: Value, least: int) -> Value:
    """``value > least`` for a constant, as a chain of gates: a subtraction takes more cells."""
    found: Value = C(0, 1)
    for i, bit in enumerate(value):
        found = bit & found if least >> i & 1 else bit | found
    return found


def code_of(config: ArrayConfig, value: Value, pad: Value, pad_value: Value) -> Value:
    """The code of a value of 8 bits, or of a padded value, combinational: ``input_code_bits`` bits.

    In thermometer code bit j is set where ``value > j * input_maximum / input_levels``, also above the maximum; bit j
    of the planes is bit j of the value. A padded value has ones in all levels, or is the number 1, if ``pad_value``.
    """
    if config.input_planes > 1:
        return Mux(pad, pad_value, value)[:config.input_planes]
    levels = Cat(exceeds(value, j * config.input_maximum // config.input_levels) for j in range(config.input_levels))
    return Mux(pad, pad_value.replicate(config.input_levels), levels)
