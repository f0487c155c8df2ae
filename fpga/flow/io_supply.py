"""The supplies of I/O banks whose voltage the FPGA sets: the regulators of the ButterStick."""

from math import ceil

from amaranth.build import Platform
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import Out

__all__ = ["START_SECONDS", "IOSupply", "control_share"]

FEEDBACK_VOLTS = 0.6
INJECTION_OHMS, FEEDBACK_OHMS, SET_OHMS = 68_000, 53_600, 13_000
FILTER_FARADS = 100e-9
HIGH_VOLTS = 3.3
SETTLE_SECONDS = 4 * INJECTION_OHMS * FILTER_FARADS     # of the filters of the pins: four time constants
START_SECONDS = SETTLE_SECONDS + 2e-3
"""From power-up to the voltages: until the filters have settled, and the regulators have started."""
STEPS_BITS = 10
"""Of a period of the control's duty cycle."""


def control_share(volts: float) -> float:
    """The share of a period in which a pin is high for a regulator to give so many volts.

    A buck converter holds its feedback node at 0.6 V. A current flows into this node from the filtered pin, and what
    is missing to that of the set resistor comes from the output: values of the board's schematic, revision 1.0.

    Raises
    ------
    ValueError
        If the pin cannot ask for this voltage.
    """
    ratio = INJECTION_OHMS / FEEDBACK_OHMS
    share = (FEEDBACK_VOLTS * (1 + ratio + INJECTION_OHMS / SET_OHMS) - ratio * volts) / HIGH_VOLTS
    if not 0 <= share <= 1:
        raise ValueError(f"volts must be 1 to 3.5, not {volts:g}")
    return share


class IOSupply(wiring.Component):
    """Asks the regulators for their voltages, and enables them when the filters of the pins have settled.

    Parameters
    ----------
    clock : float
        Frequency of domain ``sync`` in Hz.
    volts : tuple of float
        Of each regulator.
    resource : str
        Name of the platform's resource, for `connect_pads`, with the subsignals ``pdm`` and ``en``.

    Members
    -------
    pdm : Out, a bit for each regulator
        Its mean sets the voltage.
    en : Out(1)
        Enables all of them.
    """

    def __init__(self, *, clock: float, volts: tuple[float, ...], resource: str) -> None:
        self.clock = clock
        self.resource = resource
        self.shares = [control_share(value) for value in volts]
        super().__init__({"pdm": Out(len(volts)), "en": Out(1)})

    @property
    def settle_cycles(self) -> int:
        """Cycles before the regulators are enabled."""
        return ceil(SETTLE_SECONDS * self.clock)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = Signal(STEPS_BITS)
        left = Signal(range(self.settle_cycles + 1), init=self.settle_cycles)
        m.d.sync += [step.eq(step + 1), self.en.eq(left == 0),
                     self.pdm.eq(Cat(step < round(share * 2**STEPS_BITS) for share in self.shares))]
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        return m

    def connect_pads(self, m: Module, platform: Platform) -> None:
        """Connect it to the platform's resource."""
        pads = platform.request(self.resource, dir={"pdm": "-", "en": "-"})
        m.submodules[f"{self.resource}_pdm"] = pdm = io.Buffer("o", pads.pdm)
        m.submodules[f"{self.resource}_en"] = enable = io.Buffer("o", pads.en)
        m.d.comb += [pdm.o.eq(self.pdm), enable.o.eq(self.en)]
