"""A SPI NOR flash for simulations in Python: mode 0, the commands of wake-up, read and fast read."""

from amaranth.sim import SimulatorContext

__all__ = ["Flash"]

WAKE, READ, FAST_READ = 0xAB, 0x03, 0x0B


class Flash:
    """A flash at the pins of a component with ``cs``, ``sck``, ``copi`` and ``cipo``, asleep at first.

    Parameters
    ----------
    content : bytes
    wake_cycles : int
        Cycles from the end of the wake-up command to the first command that is understood.

    Members
    -------
    commands : list of int
        Commands that were understood.
    """

    def __init__(self, content: bytes, wake_cycles: int) -> None:
        self.content = content
        self.wake_cycles = wake_cycles
        self.commands: list[int] = []

    async def serve(self, ctx: SimulatorContext, pins: object) -> None:
        """Follow the pins for ever; add it as a background test bench."""
        cs, sck, copi, cipo = (getattr(pins, name) for name in ("cs", "sck", "copi", "cipo"))
        awake_at: int | None = None
        cycle, clock, selected, bits, value = 0, 0, 0, 0, 0
        async for _, _, select, level, data in ctx.tick().sample(cs, sck, copi):
            cycle += 1
            awake = awake_at is not None and cycle >= awake_at
            if not select:
                if selected and bits == 8 and value == WAKE:
                    awake_at = cycle + self.wake_cycles
                    self.commands.append(WAKE)
                bits = value = 0
            elif level and not clock:
                value, bits = value << 1 | data, bits + 1
                if awake and bits == 8:
                    self.commands.append(value)
            elif clock and not level and awake:
                command, head = value >> max(0, bits - 8), {READ: 32, FAST_READ: 40}
                if bits >= head.get(command, 1 << 30):
                    at = (value >> bits - 32 & (1 << 24) - 1) + (bits - head[command]) // 8
                    byte = self.content[at] if at < len(self.content) else 0xFF
                    ctx.set(cipo, byte >> 7 - (bits - head[command]) % 8 & 1)
            selected, clock = select, level
