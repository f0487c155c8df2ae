"""Settings of the families' PLLs, by the formulas of their makers.

iCE40: Lattice FPGA-TN-02052 (iCE40 sysCLOCK PLL); ECP5: Lattice FPGA-TN-02200 (ECP5 sysCLOCK PLL/DLL) and the data
sheet FPGA-DS-02012; Gowin: UG286 (clock) and the data sheets of GW1NR-9 and GW2A-18, whose common ranges are taken.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

from amaranth.hdl import Const

__all__ = ["ECP5PLL", "ICE40PLL", "PLL", "GowinPLL", "PLLError"]

# FILTER_RANGE of an iCE40 for a phase detector below so many MHz
FILTERS = (17, 1), (26, 2), (44, 3), (66, 4), (101, 5), (134, 6)

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
    def nearest(cls, reference: int, wanted: float) -> Self:
        """The settings whose output is nearest to ``wanted`` (both in Hz), at the fastest phase detector and with the
        oscillator nearest to the middle of its range.

        Raises
        ------
        PLLError
            If the reference or the wanted frequency is out of the PLL's range.
        """
        for name, value, limits in (("reference", reference, cls.REFERENCE), ("frequency", wanted, cls.OUTPUT)):
            if not within(value, limits):
                least, most = map(megahertz, limits)
                raise PLLError(f"{name} must be {least} to {most}, not {megahertz(value)}")
        return min((pll for pll in cls.choices(reference, wanted) if pll.allowed),
                   key=lambda pll: (abs(pll.frequency - wanted), -pll.detector, abs(pll.vco - sum(cls.VCO) / 2)))


@dataclass(frozen=True, kw_only=True)
class ICE40PLL(PLL):
    """An SB_PLL40 with simple feedback: ``output = reference * (divf + 1) / (divr + 1) / 2**divq``."""

    REFERENCE = 10e6, 133e6
    DETECTOR = 10e6, 133e6
    VCO = 533e6, 1066e6
    OUTPUT = 16e6, 275e6

    divr: int
    divf: int
    divq: int

    @property
    def detector(self) -> float:
        return self.reference / (self.divr + 1)

    @property
    def vco(self) -> float:
        return self.detector * (self.divf + 1)

    @property
    def frequency(self) -> float:
        return self.vco / 2**self.divq

    @property
    def filter_range(self) -> int:
        return next(value for limit, value in FILTERS if self.detector < limit * 1e6)

    @classmethod
    def choices(cls, reference: int, wanted: float) -> Sequence[Self]:
        return [cls(reference=reference, divr=divr, divf=divf, divq=divq)
                for divr in range(16) for divq in range(1, 7) for divf in range(128)]

    def parameters(self) -> Parameters:
        return {
            "p_FEEDBACK_PATH": "SIMPLE",
            "p_DIVR": Const(self.divr, 4),
            "p_DIVF": Const(self.divf, 7),
            "p_DIVQ": Const(self.divq, 3),
            "p_FILTER_RANGE": Const(self.filter_range, 3),
        }


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


@dataclass(frozen=True, kw_only=True)
class ECP5PLL(OutputPLL):
    """An EHXPLLL with feedback from CLKOP."""

    REFERENCE = 8e6, 400e6
    DETECTOR = 3.125e6, 400e6
    VCO = 400e6, 800e6
    OUTPUT = 3.125e6, 400e6
    MOST = 128
    POSTS = range(1, 129)

    def parameters(self) -> Parameters:
        return {
            "a_FREQUENCY_PIN_CLKI": str(self.reference / 1e6),
            "a_FREQUENCY_PIN_CLKOP": str(self.frequency / 1e6),
            "a_ICP_CURRENT": "12",
            "a_LPF_RESISTOR": "8",
            "a_MFG_ENABLE_FILTEROPAMP": "1",
            "a_MFG_GMCREF_SEL": "2",
            "p_PLLRST_ENA": "DISABLED",
            "p_INTFB_WAKE": "DISABLED",
            "p_STDBY_ENABLE": "DISABLED",
            "p_DPHASE_SOURCE": "DISABLED",
            "p_FEEDBK_PATH": "CLKOP",
            "p_OUTDIVIDER_MUXA": "DIVA",
            "p_CLKOP_ENABLE": "ENABLED",
            "p_CLKI_DIV": self.divider,
            "p_CLKFB_DIV": self.feedback,
            "p_CLKOP_DIV": self.post,
            "p_CLKOP_CPHASE": (self.post - 1) // 2,     # the loop takes it out again
            "p_CLKOP_FPHASE": 0,
        }


@dataclass(frozen=True, kw_only=True)
class GowinPLL(OutputPLL):
    """An rPLL with internal feedback."""

    REFERENCE = 3e6, 400e6
    DETECTOR = 3e6, 400e6
    VCO = 500e6, 1200e6
    OUTPUT = 4e6, 600e6
    MOST = 64
    POSTS = 2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128

    def parameters(self) -> Parameters:
        return {
            "p_FCLKIN": f"{self.reference / 1e6:g}",
            "p_IDIV_SEL": self.divider - 1,
            "p_FBDIV_SEL": self.feedback - 1,
            "p_ODIV_SEL": self.post,
        }
