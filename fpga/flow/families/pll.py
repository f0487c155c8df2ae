"""Settings of a PLL: the choice that all families have in common, and the formula that two of them share."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

from amaranth.hdl import Const

__all__ = ["PLL", "OutputPLL", "PLLError", "Parameters"]

Range = tuple[float, float]
Parameters = dict[str, Const | str | int]


class PLLError(ValueError):
    """A frequency that the PLL cannot make."""


def megahertz(frequency: float) -> str:
    return f"{frequency / 1e6:.4g} MHz"


def within(value: float, limits: Range) -> bool:
    return limits[0] <= value <= limits[1]


@dataclass(frozen=True, kw_only=True)
class PLL:
    """A family's PLL; its subclasses add the dividers as their cells take them.

    Parameters
    ----------
    reference : int
        Input frequency in Hz.
    """

    REFERENCE: ClassVar[Range]
    """Range of the input in Hz; likewise of the phase detector, the oscillator and the output."""
    DETECTOR: ClassVar[Range]
    VCO: ClassVar[Range]
    OUTPUT: ClassVar[Range]

    reference: int

    @property
    def detector(self) -> float:
        """Frequency at the phase detector in Hz."""
        raise NotImplementedError

    @property
    def vco(self) -> float:
        """Frequency of the oscillator in Hz."""
        raise NotImplementedError

    @property
    def frequency(self) -> float:
        """Output frequency in Hz."""
        raise NotImplementedError

    @classmethod
    def choices(cls, reference: int, wanted: float) -> Sequence[Self]:
        """Settings to choose from, of which some may be out of range."""
        raise NotImplementedError

    def parameters(self) -> Parameters:
        """Parameters of the cell, named as `amaranth.hdl.Instance` takes them."""
        raise NotImplementedError

    def settings(self) -> dict[str, int]:
        """For a report: the reference in Hz and the dividers."""
        values = asdict(self)
        return {"reference_hz": values.pop("reference"), **values}

    @property
    def allowed(self) -> bool:
        """Whether every frequency is in its range."""
        return (within(self.detector, self.DETECTOR) and within(self.vco, self.VCO)
                and within(self.frequency, self.OUTPUT))

    @classmethod
    def check(cls, reference: int, wanted: float) -> None:
        """PLLError if the reference or the wanted frequency (Hz) is out of the PLL's range."""
        for name, value, limits in (("reference", reference, cls.REFERENCE), ("frequency", wanted, cls.OUTPUT)):
            if not within(value, limits):
                least, most = map(megahertz, limits)
                raise PLLError(f"{name} must be {least} to {most}, not {megahertz(value)}")

    @classmethod
    def nearest(cls, reference: int, wanted: float) -> Self:
        """The settings whose output is nearest to ``wanted`` (both in Hz), at the fastest phase detector and with the
        oscillator nearest to the middle of its range.

        Raises
        ------
        PLLError
            If the reference or the wanted frequency is out of the PLL's range.
        """
        cls.check(reference, wanted)
        return min((pll for pll in cls.choices(reference, wanted) if pll.allowed),
                   key=lambda pll: (abs(pll.frequency - wanted), -pll.detector, abs(pll.vco - sum(cls.VCO) / 2)))


@dataclass(frozen=True, kw_only=True)
class OutputPLL(PLL):
    """A PLL whose output is also its feedback: ``output = reference * feedback / divider``, from an oscillator at
    ``output * post``."""

    MOST: ClassVar[int]
    """Largest of the first two divisors."""
    POSTS: ClassVar[Sequence[int]]
    """Divisors from the oscillator to the output."""

    divider: int
    feedback: int
    post: int

    @property
    def detector(self) -> float:
        return self.reference / self.divider

    @property
    def vco(self) -> float:
        return self.frequency * self.post

    @property
    def frequency(self) -> float:
        return self.reference * self.feedback / self.divider

    @classmethod
    def choices(cls, reference: int, wanted: float) -> Sequence[Self]:
        return [cls(reference=reference, divider=divider, feedback=feedback, post=post)
                for divider in range(1, cls.MOST + 1)
                for feedback in {int(wanted * divider / reference) + more for more in (0, 1)}
                if 1 <= feedback <= cls.MOST for post in cls.POSTS]
