"""A SPI NOR flash for simulations in Python: mode 0, the commands of wake-up, read, fast read and quad output."""

import random
from collections import deque

from amaranth.sim import SimulatorContext

__all__ = ["FAST_READ", "QUAD_READ", "READ", "WAKE", "Flash"]

READ, FAST_READ, QUAD_READ, WAKE = 0x03, 0x0B, 0x6B, 0xAB
HEADS = {READ: 32, FAST_READ: 40, QUAD_READ: 40}
"""Clocks of a command, its address and its dummy bits."""

COMMAND_BITS = 8
ADDRESS_END = 32


class Flash:
    """A flash at the pins of a component with ``cs``, ``sck``, ``copi`` and ``cipo``, and ``drive`` if it has four
    lines. It is asleep at first, and then understands the wake-up alone.

    It takes bits at rising edges and sends them at falling ones; a data pin has random levels where it sends none.
    Asserted are no clock while it is not selected, bits of commands and addresses that the other side drives, and no
    level from there on a pin that the flash drives.

    Parameters
    ----------
    content : bytes
        From address 0 on; all ones follow.
    wake_cycles : int
        Cycles from the end of the wake-up command to the first command that is understood.
    delay : int
        Cycles from a falling edge to its data.

    Members
    -------
    commands, ignored : list of int
        Commands that were understood, and those while it was asleep.
    pauses : list of int
        Cycles between two selections.
    """

    def __init__(self, content: bytes, wake_cycles: int, delay: int = 1) -> None:
        self.content = content
        self.wake_cycles = wake_cycles
        self.delay = delay
        self.commands: list[int] = []
        self.ignored: list[int] = []
        self.pauses: list[int] = []

    def _group(self, at: int, lines: int) -> int:
        """The group of ``lines`` bits of a number, counted from address 0."""
        byte, place = divmod(at * lines, 8)
        value = self.content[byte] if byte < len(self.content) else 0xFF
        return value >> 8 - lines - place & (1 << lines) - 1

    async def serve(self, ctx: SimulatorContext, pins: object) -> None:
        """Follow the pins for ever; add it as a background test bench."""
        cs, sck, copi, cipo = (getattr(pins, name) for name in ("cs", "sck", "copi", "cipo"))
        drive = getattr(pins, "drive", None)
        quad, noise = drive is not None, random.Random(1)
        later: deque[int | None] = deque([None] * self.delay)
        awake_at: int | None = None
        clock = selected = bits = value = since = cycle = 0
        lines, awake = 1, False
        sent: int | None = None
        async for _ in ctx.tick():
            select, level = ctx.get(cs), ctx.get(sck)
            cycle += 1
            assert select or not level
            if select and not selected:
                awake = awake_at is not None and cycle >= awake_at
                if since:
                    self.pauses.append(cycle - since)
            if not select:
                if selected:
                    since = cycle
                    if bits == COMMAND_BITS and value == WAKE:
                        awake_at = cycle + self.wake_cycles
                        self.commands.append(WAKE)
                bits, value, sent = 0, 0, None
            elif level and not clock:
                bits += 1
                assert not quad or bits > ADDRESS_END or ctx.get(drive)
                value = value << 1 | ctx.get(copi) if bits <= ADDRESS_END else value
                if bits == COMMAND_BITS and value != WAKE:
                    (self.commands if awake else self.ignored).append(value)
            elif clock and not level:
                command = value >> max(0, min(bits, ADDRESS_END) - COMMAND_BITS)
                lines = 4 if command == QUAD_READ else 1
                if awake and bits >= HEADS.get(command, 1 << 30) and (lines == 1 or quad):
                    first = (value & (1 << 24) - 1) * 8 // lines
                    sent = self._group(first + bits - HEADS[command], lines)
                    assert lines == 1 or not ctx.get(drive)
            selected, clock = select, level
            later.append(sent if sent is None or lines > 1 or not quad else sent << 1)
            sent_now = later.popleft()
            ctx.set(cipo, noise.getrandbits(len(cipo)) if sent_now is None else sent_now)
