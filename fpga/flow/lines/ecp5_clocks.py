"""Further clocks of a line on an ECP5: a PLL of their own beside that of domain ``sync``.

Ranges and dividers: Lattice FPGA-TN-02200 (ECP5 sysCLOCK PLL/DLL), as `fpga.flow.families.ecp5.ECP5PLL`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib.cdc import ResetSynchronizer

from signum.fpga.flow.families.ecp5 import ECP5PLL, IDLE_PINS, ECP5Clock
from signum.fpga.flow.families.pll import PLLError

__all__ = ["ECP5LineClocks", "LinePLL"]

OUTPUTS = "CLKOS", "CLKOS2", "CLKOS3"
MOST = ECP5PLL.MOST


@dataclass(frozen=True)
class LinePLL:
    """Settings of an EHXPLLL with several outputs.

    Parameters
    ----------
    loop : ECP5PLL
        Its loop; CLKOP is only the feedback.
    posts : tuple of int
        Divisors from the oscillator to each output.
    """

    loop: ECP5PLL
    posts: tuple[int, ...]

    @property
    def frequencies(self) -> tuple[float, ...]:
        """Of the outputs in Hz."""
        return tuple(self.loop.vco / post for post in self.posts)

    @classmethod
    def nearest(cls, reference: int, wanted: Sequence[float]) -> "LinePLL":
        """The settings whose worst output is nearest to what is wanted (Hz), at the fastest phase detector and with the
        oscillator nearest to the middle of its range.

        Raises
        ------
        PLLError
            If a frequency is out of the PLL's range, or no oscillator makes them all.
        """
        for frequency in wanted:
            ECP5PLL.check(reference, frequency)
        middle = sum(ECP5PLL.VCO) / 2
        found = min(cls._choices(reference, wanted), default=None, key=lambda pll: (
            max(abs(made / asked - 1) for made, asked in zip(pll.frequencies, wanted, strict=True)),
            -pll.loop.detector, abs(pll.loop.vco - middle), pll.loop.post))
        if found is None:
            asked = ", ".join(f"{frequency / 1e6:g}" for frequency in wanted)
            raise PLLError(f"frequencies must be parts of one oscillator of {ECP5PLL.VCO[0] / 1e6:g} to "
                           f"{ECP5PLL.VCO[1] / 1e6:g} MHz, not {asked} MHz")
        return found

    @classmethod
    def _choices(cls, reference: int, wanted: Sequence[float]) -> "Iterator[LinePLL]":
        least, most = ECP5PLL.VCO
        for divider in range(1, MOST + 1):
            detector = reference / divider
            for product in range(int(least / detector), int(most / detector) + 2):
                for post in ECP5PLL.POSTS:
                    feedback, rest = divmod(product, post)
                    if rest or not 1 <= feedback <= MOST:
                        continue
                    loop = ECP5PLL(reference=reference, divider=divider, feedback=feedback, post=post)
                    posts = tuple(round(loop.vco / frequency) for frequency in wanted)
                    if loop.allowed and all(1 <= each <= MOST for each in posts):
                        yield cls(loop, posts)


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
        loop, locked, feedback = self.pll.loop.parameters(), Signal(), Signal()
        phase = loop["p_CLKOP_CPHASE"]          # the same for all: in phase
        outputs: dict[str, Any] = {}
        for name, domain, post in zip(OUTPUTS, self.clocks, self.pll.posts, strict=False):
            m.domains += ClockDomain(domain, local=True)
            outputs |= {f"p_{name}_ENABLE": "ENABLED", f"p_{name}_DIV": post, f"p_{name}_CPHASE": phase,
                        f"p_{name}_FPHASE": 0, f"i_EN{name}": Const(0), f"o_{name}": ClockSignal(domain)}
            m.submodules[f"{domain}_reset"] = ResetSynchronizer(~locked, domain=domain)
            m.d.comb += [
                getattr(self.ports, f"{domain}_clk").eq(ClockSignal(domain)),
                getattr(self.ports, f"{domain}_rst").eq(ResetSignal(domain)),
            ]
        m.submodules.pll = Instance(
            ECP5Clock.CELL,
            **loop, p_OUTDIVIDER_MUXB="DIVB", p_OUTDIVIDER_MUXC="DIVC", p_OUTDIVIDER_MUXD="DIVD",
            **outputs, **IDLE_PINS,
            i_CLKI=self.source, i_CLKFB=feedback, o_CLKOP=feedback, o_LOCK=locked)
        return m
