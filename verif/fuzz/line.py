"""Fuzzing of the host's side of a line: its parser of responses, and the driver over a board that responds anything."""

import random
import struct
import zlib
from pathlib import Path

import numpy as np

from signum.fpga.host.device import Device, DeviceError
from signum.fpga.host.framing import GOOD, ResponseParser
from signum.fpga.host.link import Link, LinkError
from signum.golden.compiler.cycles import predict_cycles
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import MAGIC, VERSION, Register, Status, config_words
from signum.hdl.host.frames import WORD_BYTES, Command, Kind
from signum.hdl.host.hdlc import ESCAPE, FLAG, FLIPPED
from signum.verif.bench.cases import Case
from signum.verif.bench.programs import draw_short_case
from signum.verif.bench.stream_cases import draw_stream, with_streams
from signum.verif.bench.stream_runs import StreamCase

from .mutate import mutate_bytes
from .target import ACCEPTED, REFUSED, BrokenError, Feed, Target, refused_by

__all__ = ["BOARD", "PARSER", "response_frame"]

MOST_READS = 20_000
"""Reads of a line for one operation: a board is silent after 25 timeouts, and hangs after 50 polls."""

ATTEMPTS = 5
SLOTS, SLOT_BYTES = 2, 7        # log2


def response_frame(session: int, kind: int, payload: bytes = b"", *, window: int = SLOTS | SLOT_BYTES << 4,
                   counts: int = 5 | 7 << 5, sequence: int = 0, held: int = 0, first: int = 0) -> bytes:
    """A frame of a board, with flags, escapes and its CRC."""
    data = struct.pack("<BBBBBHH", session & 0xFF, kind & 0xFF, window & 0xFF, counts & 0xFF, sequence & 0xFF,
                       held & 0xFFFF, first & 0xFFFF) + payload
    data += struct.pack("<I", zlib.crc32(data))
    for byte in (ESCAPE, FLAG):
        data = data.replace(bytes([byte]), bytes([ESCAPE, byte ^ FLIPPED]))
    return bytes([FLAG]) + data + bytes([FLAG])


def prepare_parser(folder: Path) -> Feed:
    """Frames of all kinds, in pieces."""
    def feed(rng: random.Random) -> str:
        frames = b"".join(response_frame(
            rng.randrange(256), rng.randrange(7), rng.randbytes(rng.choice([0, 1, 4, 8, 33])),
            window=rng.randrange(256), counts=rng.randrange(256), sequence=rng.randrange(256),
            held=rng.randrange(1 << 16), first=rng.randrange(1 << 16)) for _ in range(rng.randrange(1, 5)))
        data = frames if rng.random() < 0.1 else mutate_bytes(rng, frames, most=8)
        parser, found, at = ResponseParser(), [], 0
        while at < len(data):
            size = rng.choice([1, 2, 5, 1000])
            found += parser.feed(data[at:at + size])
            at += size
        if data == frames and found != (again := ResponseParser().feed(frames)):
            raise BrokenError(f"frames in pieces must be those of the whole, not {found} and {again}")
        return ACCEPTED if found else REFUSED

    return feed


class AnyBoard:
    """A transport to a model of a board whose responses are disturbed, with the right CRC.

    Parameters
    ----------
    rng : Random
    config : ArrayConfig
    cycles : int
        Of a run.
    rate : float
        Share of the responses that are disturbed.
    babble : bool
        Bytes of no frame come without an end.
    """

    def __init__(self, rng: random.Random, config: ArrayConfig, cycles: int, rate: float, babble: bool) -> None:
        self.rng, self.rate, self.babble = rng, rate, babble
        self.cycles = cycles
        self.registers = {Register.MAGIC: MAGIC, Register.VERSION: VERSION, Register.STATUS: 0,
                          Register.CYCLES: 0, Register.RUNS: 0} | config_words(config)
        self.memory: dict[int, int] = {}
        self.session, self.sequence, self.values, self.taken = -1, 0, 0, 0
        self.inbox, self.outbox = bytearray(), bytearray()
        self.reads = 0

    def write(self, data: bytes) -> None:
        self.inbox += data
        *frames, rest = self.inbox.split(bytes([FLAG]))
        self.inbox = bytearray(rest)
        for frame in frames:
            parts = frame.split(bytes([ESCAPE]))
            whole = parts[0] + b"".join(bytes([part[0] ^ FLIPPED]) + part[1:] for part in parts[1:] if part)
            if len(whole) >= 9 and zlib.crc32(whole) == GOOD:
                session, sequence, taken, command = struct.unpack("<BBHB", whole[:5])
                self._execute(session, sequence, taken, command, bytes(whole[5:-4]))

    def _execute(self, session: int, sequence: int, taken: int, command: int, body: bytes) -> None:
        kind, payload, told = Kind.STATUS, b"", self.sequence
        if command == Command.OPEN:
            self.session, self.sequence, told, kind = taken & 0xFF, 0, 0, Kind.OPENED
            session = self.session
        elif session != self.session:
            kind = Kind.CLOSED
        elif command >= Command.WRITE:
            if sequence != self.sequence:
                return
            self.sequence = sequence + 1 & 0xFF
            told = self.sequence
            if command == Command.READ:
                count, address = struct.unpack("<BI", body)
                self._respond(session, Kind.WORDS, struct.pack(
                    f"<{count}I", *(self._read(address + i) for i in range(count))), sequence)
            elif command == Command.WRITE:
                count, address, *words = struct.unpack(f"<BI{body[0]}I", body)
                for i, word in enumerate(words):
                    self.memory[address + i] = word
                    if address + i == Register.CONTROL:
                        self.registers[Register.CYCLES] = self.cycles
            else:
                self.values += len(body) - 2
                kind, payload = Kind.ANSWERS, self.rng.randbytes(len(body))
        self._respond(session, kind, payload, told)

    def _read(self, address: int) -> int:
        return self.registers.get(address, self.memory.get(address, 0))

    def _respond(self, session: int, kind: int, payload: bytes, sequence: int) -> None:
        rng, fields = self.rng, {"sequence": sequence}
        if rng.random() < self.rate:
            for _ in range(rng.randint(1, 3)):
                what = rng.randrange(9)
                if what == 0:
                    session = rng.randrange(256)
                elif what == 1:
                    kind = rng.randrange(7)
                elif what == 2:
                    payload = mutate_bytes(rng, payload) if payload else rng.randbytes(rng.randrange(9))
                elif what == 3:
                    payload = payload[:rng.randrange(len(payload) + 1)]
                elif what == 4:
                    words = [rng.choice([0, 1, 0xFFFFFFFF, 1 << 31, rng.randrange(300)]) for _ in range(
                        len(payload) // WORD_BYTES)]
                    payload = struct.pack(f"<{len(words)}I", *words)
                elif what == 5:
                    fields["window"] = rng.randrange(256)
                elif what == 6:
                    fields["counts"] = rng.randrange(256)
                elif what == 7:
                    fields["sequence"] = sequence + rng.randrange(-3, 4)
                else:
                    fields["held"], fields["first"] = rng.randrange(1 << 16), rng.randrange(1 << 16)
        frame = response_frame(session, kind, payload, **fields)
        if rng.random() < self.rate / 4:
            frame = mutate_bytes(rng, frame)
        self.outbox += frame * rng.choice([1, 1, 1, 1, 2])

    def read(self, timeout: float) -> bytes:
        self.reads += 1
        if self.reads > MOST_READS:
            raise BrokenError(f"an operation must end within {MOST_READS} reads of the line")
        size = self.rng.choice([1 << 16, 1 << 16, 100, 10])
        found, self.outbox = bytes(self.outbox[:size]), self.outbox[size:]
        if self.babble and not found:
            frame = response_frame(self.session, Kind.STATUS, sequence=self.sequence)
            return self.rng.choice([self.rng.randbytes(4000), frame * 100])
        return found

    def close(self) -> None:
        """Nothing is open."""


def prepare_board(folder: Path) -> Feed:
    """Programs of maps and of pixels on a small array."""
    rng = np.random.default_rng(1)
    config = ArrayConfig.preset("tiny").replace(requantize_depth=0)
    streams = with_streams(config)
    programs = [draw_short_case(rng, config, 200) for _ in range(4)]
    pixels: list[StreamCase] = []
    while len(pixels) < 4:
        case = draw_stream(rng, streams, batches=1)
        if case.images[0].size < 60 and len(list(case.program.load_writes())) < 400:
            pixels.append(case)

    cases: list[Case | StreamCase] = [*programs, *pixels]

    def feed(rng: random.Random) -> str:
        case = rng.choice(cases)
        program = case.program
        cycles = 0 if rng.random() < 0.05 else predict_cycles(program.config, program.records)
        board = AnyBoard(rng, program.config, cycles, rng.choice([0.0, 0.02, 0.1, 0.5]),
                         rng.random() < 0.002)
        if rng.random() < 0.2:
            board.registers[rng.choice(list(board.registers))] = rng.choice([0, 1, 255, 65535, 0xFFFFFFFF])
        if rng.random() < 0.01:
            board.registers[Register.STATUS] = Status.BUSY
        try:
            with Device(Link(board, attempts=ATTEMPTS)) as device:
                device.load(program)
                if isinstance(case, StreamCase):
                    device.answer(case.images.astype(np.uint8))
                else:
                    device.infer(case.maps)
        except (LinkError, DeviceError) as error:
            return refused_by(error)
        return ACCEPTED

    return feed


PARSER = Target("responses", prepare_parser)
BOARD = Target("board", prepare_board)
