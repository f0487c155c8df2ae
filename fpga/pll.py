"""Settings of the iCE40's PLL, by the formulas of Lattice's FPGA-TN-02052 (iCE40 sysCLOCK PLL)."""

from dataclasses import dataclass

from amaranth.hdl import Const

__all__ = ["ICE40PLL", "PLLError"]

REFERENCE = 10_000_000, 133_000_000         # input, and input of the phase detector
VCO = 533_000_000, 1_066_000_000
OUTPUT = 16_000_000, 275_000_000
# FILTER_RANGE for a phase detector below so many MHz
FILTERS = (17, 1), (26, 2), (44, 3), (66, 4), (101, 5), (134, 6)


class PLLError(ValueError):
    """A frequency that the PLL cannot make."""


def megahertz(frequency: float) -> str:
    return f"{frequency / 1e6:.4g} MHz"


@dataclass(frozen=True, kw_only=True)
class ICE40PLL:
    """An SB_PLL40 with simple feedback: ``output = reference * (divf + 1) / (divr + 1) / 2**divq``.

    Parameters
    ----------
    reference : int
        Input frequency in Hz.
    divr, divf, divq : int
        The dividers, as the cell takes them.
    """

    reference: int
    divr: int
    divf: int
    divq: int

    @property
    def detector(self) -> float:
        """Frequency at the phase detector in Hz."""
        return self.reference / (self.divr + 1)

    @property
    def vco(self) -> float:
        """Frequency of the oscillator in Hz."""
        return self.detector * (self.divf + 1)

    @property
    def frequency(self) -> float:
        """Output frequency in Hz."""
        return self.vco / 2**self.divq

    @property
    def filter_range(self) -> int:
        return next(value for limit, value in FILTERS if self.detector < limit * 1e6)

    def parameters(self) -> dict[str, Const | str]:
        """Parameters of the cell, named as `amaranth.hdl.Instance` takes them."""
        return {
            "p_FEEDBACK_PATH": "SIMPLE",
            "p_DIVR": Const(self.divr, 4),
            "p_DIVF": Const(self.divf, 7),
            "p_DIVQ": Const(self.divq, 3),
            "p_FILTER_RANGE": Const(self.filter_range, 3),
        }

    @classmethod
    def nearest(cls, reference: int, wanted: float) -> "ICE40PLL":
        """The settings whose output is nearest to ``wanted`` (both in Hz), at the fastest phase detector.

        Raises
        ------
        PLLError
            If the reference or the wanted frequency is out of the PLL's range.
        """
        for name, value, limits in (("reference", reference, REFERENCE), ("frequency", wanted, OUTPUT)):
            if not limits[0] <= value <= limits[1]:
                least, most = map(megahertz, limits)
                raise PLLError(f"{name} must be {least} to {most}, not {megahertz(value)}")
        choices = [
            pll for divr in range(16) for divq in range(1, 7) for divf in range(128)
            for pll in (cls(reference=reference, divr=divr, divf=divf, divq=divq),)
            if REFERENCE[0] <= pll.detector <= REFERENCE[1] and VCO[0] <= pll.vco <= VCO[1]
            and OUTPUT[0] <= pll.frequency <= OUTPUT[1]
        ]
        return min(choices, key=lambda pll: (abs(pll.frequency - wanted), pll.divr))
