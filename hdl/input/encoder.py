"""The codes of input values, as `golden.layers.encoder` defines them."""

from amaranth.hdl import Cat, Value

from signum.hdl.config import ArrayConfig

__all__ = ["code_of"]


def code_of(config: ArrayConfig, value: Value) -> Value:
    """The code of a value of 8 bits, combinational: ``input_code_bits`` bits.

    In thermometer code bit j is set where ``value > j * input_maximum / input_levels``, also above the maximum; bit j
    of the planes is bit j of the value.
    """
    if config.input_planes > 1:
        return value[:config.input_planes]
    return Cat(value > j * config.input_maximum // config.input_levels for j in range(config.input_levels))
