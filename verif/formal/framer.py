"""Frames on the line: the CRC is the polynomial division, what it detects, and that nothing else passes for whole.

The units are proved by SAT, the code by algebra: the CRC is linear, so an error is undetected if and only if the
generator divides its polynomial. Detected is every burst of up to 32 bits, every 1, 2 and 3 wrong bits of a frame that
is as long as the longest, and bytes of 0 too many or too few at its end. Other errors pass with probability 2**-32,
and so does an error that makes a byte a flag, and thus two frames of one: no CRC of any width excludes a body that
contains a whole frame.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Assert, Assume, Module, Mux, Signal, Value

from signum.hdl.host.hdlc import ESCAPE, FLAG

from .prove import Bench, Mutant, Outcome, Proof, SatProof, past

__all__ = ["LONGEST_BITS", "PROOFS", "AlgebraProof", "divide"]

GENERATOR = 0x104C11DB7     # of CRC-32 (IEEE 802.3): x**32 + x**26 + x**23 + ... + x + 1
WIDTH = 32
ORDER = (1 << WIDTH) - 1    # of x modulo a primitive polynomial of this degree
RESIDUE = 0xDEBB20E3        # of a message and its complemented remainder (RFC 1662, appendix C.3)
FACTORS = 3, 5, 17, 257, 65537      # of the order
LONGEST_BITS = 8 * 8192     # longer than a frame of any slot that a bridge of this project has


def divide(remainder: Value, byte: Value) -> Value:
    """The remainder of a message and eight more bits, lowest bit first, by the generator: division bit by bit.

    The remainder is reflected: bit 31 is the coefficient of x**0.
    """
    reflected = int(f"{GENERATOR & ORDER:032b}"[::-1], 2)
    for bit in range(8):
        remainder = (remainder >> 1) ^ Mux(remainder[0] ^ byte[bit], reflected, 0)
    return remainder[:WIDTH]


def crc(serial: bool) -> Callable[[Any], Bench]:
    """The register follows the division of all bytes since ``start``, and matches where the remainder is `RESIDUE`."""
    def specify(m: Module, bench: Any) -> None:
        unit = bench.unit
        remainder, left, settled = Signal(WIDTH, name="spec_remainder"), Signal(4, name="spec_left"), Signal()
        m.d.comb += [settled.eq(left == 0), Assert(unit.ready == settled), Assume(~unit.start | ~unit.valid)]
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(unit.valid & unit.ready):
            m.d.sync += [remainder.eq(divide(remainder, unit.data)), left.eq(8 if serial else 0)]
        with m.If(unit.start):
            m.d.sync += [remainder.eq(ORDER), left.eq(0)]
        begun = Signal(name="spec_begun")
        m.d.sync += begun.eq(begun | unit.start)
        m.d.comb += Assert(~begun | ~settled | ((unit.crc == remainder) & (unit.match == (remainder == RESIDUE))))

    return lambda module: Bench(module.FrameCRC(serial=serial), specify)


def decoder(module: Any) -> Bench:
    """RFC 1662, 4.2: an escape is taken away, and complements bit 5 of the byte behind it; a flag ends a frame, and one
    behind an escape ends it as not whole."""
    def specify(m: Module, bench: Any) -> None:
        unit = bench.unit
        behind, byte = Signal(name="spec_behind"), unit.i.payload
        with m.If(unit.i.valid & unit.i.ready):
            m.d.sync += behind.eq(byte == ESCAPE)
        item = unit.o.p
        m.d.comb += [
            Assert((unit.o.valid & unit.o.ready) == (unit.i.valid & unit.i.ready & (byte != ESCAPE))),
            Assert(item.end == (byte == FLAG)),
            Assert(item.end | (item.byte == Mux(behind, byte ^ 0x20, byte))),
            Assert(~item.end | (item.whole == ~behind)),
        ]

    return Bench(module.HDLCDecoder(), specify)


def encoder(module: Any) -> Bench:
    """What leaves between two flags are the bytes of one frame, escaped: a decoder makes the same bytes of them."""
    def specify(m: Module, bench: Any) -> None:
        unit, out = bench.unit, bench.unit.o
        byte, last, waits = Signal(8, name="spec_byte"), Signal(name="spec_last"), Signal(name="spec_waits")
        escaped, flag = Signal(name="spec_escaped"), Signal(name="spec_flag")
        special = (byte == FLAG) | (byte == ESCAPE)
        sent = out.valid & out.ready
        m.d.comb += [Assert(unit.i.ready == ~waits & ~flag), Assert(out.valid == waits | flag),
                     Assert(~out.valid | (out.p.last == flag))]
        stays = special & ~escaped
        with m.If(unit.i.ready):
            m.d.sync += [byte.eq(unit.i.p.byte), last.eq(unit.i.p.last), waits.eq(unit.i.valid)]
        with m.If(sent & flag):
            m.d.sync += flag.eq(0)
        with m.Elif(sent & waits):
            m.d.sync += [escaped.eq(stays), waits.eq(stays), flag.eq(last & ~stays), last.eq(last & stays)]
            with m.If(~stays):
                m.d.sync += byte.eq(FLAG)
        expected = Mux(flag, FLAG, Mux(special, Mux(escaped, byte ^ 0x20, ESCAPE), byte))
        m.d.comb += Assert(~out.valid | (out.p.byte == expected))
        m.d.comb += [Assert(~escaped | waits), Assert(~flag | ~waits)]

    return Bench(module.HDLCEncoder(), specify)


def window(module: Any) -> Bench:
    """A frame is accepted only at an end that is whole, at least 5 bytes and the CRC behind the end before, and with
    the remainder `RESIDUE` of all bytes since then."""
    def specify(m: Module, bench: Any) -> None:
        unit, item = bench.unit, bench.unit.i.p
        remainder, count = Signal(WIDTH, name="spec_remainder", init=ORDER), Signal(3, name="spec_count")
        byte, end, fine = Signal(name="spec_byte"), Signal(name="spec_end"), Signal(name="spec_fine")
        m.d.comb += [
            byte.eq(unit.i.valid & unit.i.ready & ~item.end),
            end.eq(unit.i.valid & unit.i.ready & item.end),
            Assert(count <= 5), fine.eq(end & item.whole & (remainder == RESIDUE) & (count >= 5)),
            Assert(~(unit.opened | unit.closed | unit.arrived) | past(m, fine, "fine")),
            Assert(~past(m, fine, "fine") | (unit.opened | unit.closed | unit.arrived)),
        ]
        with m.If(byte):
            m.d.sync += [remainder.eq(divide(remainder, item.byte)), count.eq(Mux(count == 5, count, count + 1))]
        m.d.comb += Signal(WIDTH, name="spec_reflected").eq(remainder[::-1])
        with m.If(end):
            m.d.sync += count.eq(0)
        with m.If(past(m, end, "end")):         # no byte is taken in this cycle
            m.d.sync += remainder.eq(ORDER)
        # a slot is filled by an accepted frame alone
        new = unit.held & ~past(m, unit.held, "held")
        m.d.comb += Assert((new == 0) | past(m, unit.arrived, "arrived"))

    return Bench(module.ReceiveWindow(slots=2, slot_bytes=64), specify)


@dataclass(frozen=True, kw_only=True)
class AlgebraProof(Proof):
    """A property of the code that the generator of `hdl.host.frames.CRC` spans.

    Parameters
    ----------
    holds : callable
        From the generator, with its highest coefficient, and what the remainder is complemented by, to whether the
        property holds.
    """

    holds: Callable[[int, int], bool]

    @property
    def method(self) -> str:
        return "algebra over GF(2)"

    def judge(self, module: Any) -> Outcome:
        algorithm = module.CRC.algorithm
        holds = self.holds(algorithm.polynomial | 1 << algorithm.crc_width, algorithm.xor_output)
        return Outcome.PROVED if holds else Outcome.REFUTED


def powers(generator: int, count: int) -> np.ndarray:
    """x**0, x**1, ... modulo the generator."""
    found = np.empty(count, np.uint64)
    value = 1
    for i in range(count):
        found[i] = value
        value <<= 1
        if value >> WIDTH:
            value ^= generator
    return found


def power(generator: int, exponent: int) -> int:
    """x**exponent modulo the generator."""
    result = 1
    for bit in f"{exponent:b}":
        square = 0
        for i in range(WIDTH):
            if result >> i & 1:
                square ^= result << i
        result = square << int(bit)
        for i in reversed(range(WIDTH, 2 * WIDTH)):
            if result >> i & 1:
                result ^= generator << i - WIDTH
    return result


def bursts(generator: int, complement: int) -> bool:
    """Every burst of up to 32 bits is detected: x does not divide the generator, and no burst is a multiple of it."""
    return bool(generator & 1) and generator.bit_length() == WIDTH + 1


def pairs(generator: int, complement: int) -> bool:
    """Every two wrong bits are, up to 2**32 - 1 bits: x**i + x**j = x**i * (1 + x**(j - i)), and x has this order."""
    return power(generator, ORDER) == 1 and all(power(generator, ORDER // factor) != 1 for factor in FACTORS)


def triples(generator: int, complement: int) -> bool:
    """Every three wrong bits are, up to `LONGEST_BITS`: no 1 + x**i is an x**j."""
    found = powers(generator, LONGEST_BITS)
    return not np.isin(found ^ np.uint64(1), found[1:]).any()


def zeros(generator: int, complement: int) -> bool:
    """The remainder r of a whole frame is that of what its CRC is complemented by, and 0 only if that is 0; zeros
    behind it make r * x**i, which is r again only where x**i = 1."""
    return complement != 0 and power(generator, ORDER) == 1 and all(
        power(generator, ORDER // factor) != 1 for factor in FACTORS)


JAMCRC = Mutant("signum.hdl.host.frames", "catalog.CRC32_ISO_HDLC(", "catalog.CRC32_JAMCRC(")
CODE = Mutant("signum.hdl.host.frames", "catalog.CRC32_ISO_HDLC(data_width=8)",
              "__import__('amaranth.lib.crc').lib.crc.Algorithm(crc_width=32, polynomial=0x04C11DB6, "
              "initial_crc=0xFFFFFFFF, reflect_input=True, reflect_output=True, xor_output=0)(data_width=8)")
FEW_TERMS = Mutant("signum.hdl.host.frames", "catalog.CRC32_ISO_HDLC(data_width=8)",
                   "__import__('amaranth.lib.crc').lib.crc.Algorithm(crc_width=32, polynomial=0x00000003, "
                   "initial_crc=0xFFFFFFFF, reflect_input=True, reflect_output=True, xor_output=0)(data_width=8)")


def proofs() -> Iterator[Proof]:
    host = "signum.hdl.host."
    yield SatProof(unit="FrameCRC", claim="crc is the remainder of all bytes since start", bench=crc(False), settle=1,
                   slow=True, mutant=Mutant(f"{host}crc", "crc.data.eq(self.data)", "crc.data.eq(self.data[::-1])"))
    yield SatProof(unit="FrameCRC", claim="serial: crc is the remainder of all bytes since start", bench=crc(True),
                   mutant=Mutant(f"{host}crc", "Mux(crc[0], REFLECTED, 0)", "Mux(crc[1], REFLECTED, 0)"), steps=12)
    yield AlgebraProof(unit="CRC", claim="every burst of up to 32 bits is detected, in frames of any length",
                       mutant=CODE, holds=bursts)
    yield AlgebraProof(unit="CRC", mutant=FEW_TERMS, holds=pairs,
                       claim="every 1 and every 2 wrong bits are detected, in frames of up to 2**32 - 1 bits")
    yield AlgebraProof(unit="CRC", claim=f"every 3 wrong bits are detected, in frames of up to {LONGEST_BITS} bits",
                       mutant=FEW_TERMS, holds=triples)
    yield AlgebraProof(unit="CRC", mutant=JAMCRC, holds=zeros,
                       claim="bytes of 0 behind a frame, or missing at its end, are detected, up to 2**29 of them")
    yield SatProof(unit="HDLCDecoder", claim="bytes and ends are those of RFC 1662", bench=decoder,
                   mutant=Mutant(f"{host}hdlc", "self.o.p.whole.eq(~escaped)", "self.o.p.whole.eq(1)"))
    yield SatProof(unit="HDLCEncoder", claim="the line has each byte once, escaped, and a flag behind the last",
                   mutant=Mutant(f"{host}hdlc", "((byte == FLAG) | (byte == ESCAPE))", "(byte == FLAG)"), bench=encoder,
                   links={"unit.$signal": "spec_byte", "unit.last": "spec_last", "unit.$signal$4": "spec_escaped",
                          "unit.$signal$5": "spec_flag"})
    yield SatProof(unit="ReceiveWindow", bench=window, contents=False, reach=14, slow=True,
                   claim="a frame is accepted if and only if it ended whole, with a CRC that fits, and slots are "
                         "filled by accepted frames alone",
                   mutant=Mutant(f"{host}receive_window", "item.whole & crc.match &", "item.whole &"),
                   links={"unit.crc.crc$13.crc_reg": "spec_reflected", "unit.fsm_state": "spec_count"})


PROOFS = tuple(proofs())
