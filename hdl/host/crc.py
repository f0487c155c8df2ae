"""The CRC of frames, of a byte a cycle, or of a bit a cycle in fewer cells."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .frames import CRC

__all__ = ["SERIAL_CYCLES", "FrameCRC"]

SERIAL_CYCLES = 8
REFLECTED = int(f"{CRC.algorithm.polynomial:032b}"[::-1], 2)
ONES = 0xFFFF_FFFF
RESIDUE = 0xDEBB_20E3
"""Of the register behind bytes and their CRC (RFC 1662, appendix C.3)."""


class FrameCRC(wiring.Component):
    """The CRC `hdl.host.frames.CRC` of the bytes since ``start``.

    A byte is taken in a cycle with ``valid`` and ``ready``; ``crc`` and ``match`` include it from the next cycle with
    ``ready`` on: the next cycle, or the ninth with ``serial``.

    Parameters
    ----------
    serial : bool
        Compute a bit a cycle. On iCE40 this takes 65 cells, the other form 113.

    Members
    -------
    start : In(1)
        Begin anew; excludes ``valid``, and overrides a byte under way.
    valid : In(1), data : In(8)
    ready : Out(1)
    crc : Out(32)
        The register; its complement is the CRC.
    match : Out(1)
        The bytes ended with their CRC.
    """

    def __init__(self, *, serial: bool = False) -> None:
        self.serial = serial
        super().__init__({
            "start": In(1),
            "valid": In(1),
            "data": In(8),
            "ready": Out(1),
            "crc": Out(32),
            "match": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not self.serial:
            m.submodules.crc = crc = CRC.create()
            m.d.comb += [
                crc.start.eq(self.start),
                crc.data.eq(self.data),
                crc.valid.eq(self.valid),
                self.crc.eq(crc.crc ^ ONES),
                self.match.eq(crc.match_detected),
                self.ready.eq(1),
            ]
            return m
        crc = Signal(32)
        busy, left = Signal(), Signal(range(SERIAL_CYCLES))     # bits to come, less one
        m.d.comb += [self.ready.eq(~busy), self.crc.eq(crc), self.match.eq(crc == RESIDUE)]
        with m.If(busy):
            m.d.sync += [crc.eq((crc >> 1) ^ Mux(crc[0], REFLECTED, 0)), left.eq(left - 1), busy.eq(left != 0)]
        with m.Elif(self.valid):
            # the register takes the byte at once, and its bits decide as they reach the end
            m.d.sync += [crc[:8].eq(crc[:8] ^ self.data), left.eq(SERIAL_CYCLES - 1), busy.eq(1)]
        with m.If(self.start):
            m.d.sync += [crc.eq(-1), busy.eq(0)]
        return m
