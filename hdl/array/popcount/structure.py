"""Interface of the structures that reduce a word of activations and a word of weights to a number."""

from typing import ClassVar, Self

from amaranth.lib import wiring

from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.stages import most_stages

__all__ = ["Structure"]


class Structure(wiring.Component):
    """Reduces two words to the number of their equal bits, or to the sum of their products.

    One result a cycle; the latency is ``pipeline`` cycles. Every structure takes the same pipelines
    (`ArrayConfig.most_stages`), so neither programs nor cycles depend on the choice of a structure.

    A structure either counts or accumulates. A counting structure has the output ``count``, and the processing element
    adds. An accumulating structure (``accumulates``) has the input ``first``, which marks the words of ``pipeline``
    cycles ago as the first of a sum, and the output ``acc``, a register that holds the sum one cycle later. With
    ``config.accumulator_shift``, ``first`` clears the accumulator instead, a cycle earlier; the input ``shift`` comes
    with the words of ``pipeline`` cycles ago, and the output ``total`` is the next value of ``acc``.

    Parameters
    ----------
    lanes : int
        Elements of a word.
    pipeline : int
        Register stages.

    Members
    -------
    a, w : In(lanes * element_bits)
        The words; lane 0 in the least significant bits.

    Raises
    ------
    ConfigError
        If a parameter is out of range.
    """

    name: ClassVar[str]
    """Name in the option: ``make verilog POPCOUNT=tree``."""
    families: ClassVar[frozenset[str]] = frozenset()
    """FPGA families whose cells the structure instantiates; empty for plain logic."""
    element_bits: ClassVar[int] = 1
    """Bits of an element."""
    least_lanes: ClassVar[int] = 1
    accumulates: ClassVar[bool] = False

    def __init__(self, *, lanes: int, pipeline: int, members: dict[str, wiring.Member]) -> None:
        if lanes < self.least_lanes:
            rule = f"at least {self.least_lanes}" if self.least_lanes > 1 else "a positive integer"
            raise ConfigError(f"lanes must be {rule}, not {lanes}")
        stages = self.stages(lanes)
        if not 0 <= pipeline <= stages:
            raise ConfigError(f"pipeline must be from 0 to {stages} for {lanes} lanes, not {pipeline}")
        self.lanes = lanes
        self.pipeline = pipeline
        bits = lanes * self.element_bits
        super().__init__({"a": wiring.In(bits), "w": wiring.In(bits), **members})

    @classmethod
    def stages(cls, lanes: int) -> int:
        """Most register stages for a number of lanes."""
        return most_stages(lanes, cls.element_bits)

    @classmethod
    def suits(cls, family: str, config: ArrayConfig) -> bool:
        """Whether elements of this array on this family may use the structure."""
        return (config.element_bits == cls.element_bits and config.lanes >= cls.least_lanes
                and (not cls.families or family in cls.families))

    @classmethod
    def create(cls, config: ArrayConfig) -> Self:
        """The structure for the elements of an array."""
        raise NotImplementedError
