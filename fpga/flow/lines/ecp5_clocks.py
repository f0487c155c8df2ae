"""Further clocks of a line on an ECP5: a PLL of their own beside that of domain ``sync``.

Ranges and dividers: Lattice FPGA-TN-02200 (ECP5 sysCLOCK PLL/DLL), as `fpga.flow.families.ecp5.ECP5PLL`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib.cdc import ResetSynchronizer

from signum.fpga.flow.families.ecp5 import ECP5PLL
from signum.fpga.flow.families.pll import PLLError

__all__ = ["ECP5LineClocks", "LinePLL"]

OUTPUTS = "CLKOS", "CLKOS2", "CLKOS3"
MOST = ECP5PLL.MOST


@dataclass(frozen=True)
class LinePLL:
    """Settings of an EHXPLLL with several outputs; CLKOP is only its feedback.

    Parameters
    ----------
    reference : int
        Input frequency in Hz.
    divider, feedback, post : int
        Of the reference, of the feedback, and from the oscillator to the feedback.
    posts : tuple of int
        From the oscillator to each output.
    """

    reference: int
    divider: int
    feedback: int
    post: int
    posts: tuple[int, ...]

    @property
    def detector(self) -> float:
        """Frequency at the phase detector in Hz."""
        return self.reference / self.divider

    @property
    def vco(self) -> float:
        """Frequency of the oscillator in Hz."""
        return self.detector * self.feedback * self.post

    @property
    def frequencies(self) -> tuple[float, ...]:
        """Of the outputs in Hz."""
        return tuple(self.vco / post for post in self.posts)

    @classmethod
    def nearest(cls, reference: int, wanted: Sequence[float]) -> "LinePLL":
        """The settings whose worst output is nearest to what is wanted (Hz), at the fastest phase detector and with the
        oscillator nearest to the middle of its range.

        Raises
        ------
        PLLError
            If there is none.
        """
        middle = sum(ECP5PLL.VCO) / 2
        found = min(cls._choices(reference, wanted), default=None, key=lambda pll: (
            max(abs(made / asked - 1) for made, asked in zip(pll.frequencies, wanted, strict=True)),
            -pll.detector, abs(pll.vco - middle), pll.post))
        if found is None:
            raise PLLError(f"reference must be {ECP5PLL.REFERENCE[0] / 1e6:g} MHz or more, not {reference / 1e6:g} MHz")
        return found

    @classmethod
    def _choices(cls, reference: int, wanted: Sequence[float]) -> "Iterator[LinePLL]":
        least, most = ECP5PLL.VCO
        for divider in range(1, MOST + 1):
            detector = reference / divider
            if not ECP5PLL.DETECTOR[0] <= detector <= ECP5PLL.DETECTOR[1]:
                continue
            for product in range(int(least / detector), int(most / detector) + 2):
                vco = detector * product
                posts = tuple(round(vco / frequency) for frequency in wanted)
                if not least <= vco <= most or not all(1 <= post <= MOST for post in posts):
                    continue
                for post in range(1, MOST + 1):
                    feedback, rest = divmod(product, post)
                    if not rest and 1 <= feedback <= MOST and (
                            ECP5PLL.OUTPUT[0] <= vco / post <= ECP5PLL.OUTPUT[1]):
                        yield cls(reference, divider, feedback, post, posts)


class ECP5LineClocks(Elaboratable):
    """Clocks and resets of domains, in phase with each other, and in reset until the PLL has locked.

    Parameters
    ----------
    source : Signal
        The crystal, behind its pin's buffer.
    reference : int
        Its frequency in Hz.
    clocks : mapping of str to float
        Domains, at most three, and their frequencies in Hz.
    ports : interface
        With the inputs NAME_clk and NAME_rst of each domain.

    Raises
    ------
    PLLError
        If the PLL makes no such frequencies.
    """

    def __init__(self, source: Value, reference: int, clocks: Mapping[str, float], ports: object) -> None:
        self.source = source
        self.clocks = clocks
        self.ports = ports
        self.pll = LinePLL.nearest(reference, list(clocks.values()))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pll, locked, feedback = self.pll, Signal(), Signal()
        phase = (pll.post - 1) // 2
        idle = {f"i_{name}": Const(0) for name in ("RST", "STDBY", "PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP",
                                                   "PHASELOADREG", "PLLWAKESYNC", "ENCLKOP")}
        outputs: dict[str, Any] = {}
        for name, domain, post in zip(OUTPUTS, self.clocks, pll.posts, strict=False):
            m.domains += ClockDomain(domain, local=True)
            outputs |= {f"p_{name}_ENABLE": "ENABLED", f"p_{name}_DIV": post, f"p_{name}_CPHASE": phase,
                        f"p_{name}_FPHASE": 0, f"i_EN{name}": Const(0), f"o_{name}": ClockSignal(domain)}
            m.submodules[f"{domain}_reset"] = ResetSynchronizer(~locked, domain=domain)
            m.d.comb += [
                getattr(self.ports, f"{domain}_clk").eq(ClockSignal(domain)),
                getattr(self.ports, f"{domain}_rst").eq(ResetSignal(domain)),
            ]
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=str(pll.reference / 1e6),
            a_ICP_CURRENT="12", a_LPF_RESISTOR="8", a_MFG_ENABLE_FILTEROPAMP="1", a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED", p_DPHASE_SOURCE="DISABLED",
            p_FEEDBK_PATH="CLKOP", p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB", p_OUTDIVIDER_MUXC="DIVC",
            p_OUTDIVIDER_MUXD="DIVD", p_CLKOP_ENABLE="ENABLED", p_CLKI_DIV=pll.divider, p_CLKFB_DIV=pll.feedback,
            p_CLKOP_DIV=pll.post, p_CLKOP_CPHASE=phase, p_CLKOP_FPHASE=0,
            **outputs, **idle,
            i_CLKI=self.source, i_CLKFB=feedback, o_CLKOP=feedback, o_LOCK=locked)
        return m
