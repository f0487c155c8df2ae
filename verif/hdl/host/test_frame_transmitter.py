"""The frames to the host beside a model of them: which comes next, its fields, its body and its end, byte by byte."""

import random
import zlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from amaranth.sim import SimulatorContext

from signum.hdl.host.frame_transmitter import FrameTransmitter
from signum.hdl.host.frames import Kind
from signum.verif.bench.amaranth_simulation import run_testbenches

HEAD, CRC = 9, 4        # bytes
BLOCK = 64              # of answers


@dataclass
class Frame:
    """A frame on its way.

    Members
    -------
    kind : Kind
    sent : list of int
        Bytes so far.
    body : bytes
        What has been taken for it.
    fields : dict
        ``session``, ``turn``, ``held`` and ``first``, as they were when their bytes left.
    whole : bool
        Its body is complete.
    """

    kind: Kind
    sent: list[int] = field(default_factory=list)
    body: bytes = b""
    fields: dict[str, int] = field(default_factory=dict)
    whole: bool = False


class Host:
    """Random requests to a transmitter; each of its cycles is compared with what they make it do.

    Parameters
    ----------
    rng : Random
    cycles : int
    number_bits, answer_bits, slots, slot_bytes, sequence_bits, serial
        See `FrameTransmitter`.
    ready : float
        Probability that a byte is taken.
    rates : mapping of str to float
        Probabilities of requests, for each cycle.

    Members
    -------
    frames : list of Frame
        That have left.
    """

    def __init__(self, rng: random.Random, cycles: int, *, ready: float, rates: dict[str, float], number_bits: int = 4,
                 answer_bits: int = 12, slots: int = 4, slot_bytes: int = 128, sequence_bits: int = 8,
                 serial: bool = False) -> None:
        self.rng, self.cycles, self.ready, self.rates = rng, cycles, ready, rates
        self.number_bits, self.answer_bits, self.sequence_bits = number_bits, answer_bits, sequence_bits
        self.modulus = 1 << (16 if sequence_bits == 8 else number_bits)         # of counts of answers
        self.window = (slots.bit_length() - 1) + 16 * (slot_bytes.bit_length() - 1)
        self.unit = FrameTransmitter(number_bits=number_bits, answer_bits=answer_bits, slots=slots,
                                     slot_bytes=slot_bytes, sequence_bits=sequence_bits, serial=serial)
        self.frames: list[Frame] = []
        self.words: list[int] = []          # bytes of words that wait
        self.wordless = False
        self.numbers: list[int] = []        # answers that wait
        self.first = self.session = 0
        self.pending: set[Kind] = set()
        run_testbenches(self.unit, self._bench)

    def _goes(self, name: str) -> bool:
        return self.rng.random() < self.rates.get(name, 0.0)

    async def _bench(self, ctx: SimulatorContext) -> None:
        unit, rng = self.unit, self.rng
        frame: Frame | None = None
        spoilt = ends_answer = words_stand = False
        for _ in range(self.cycles):
            opens = self._goes("opens")
            pulses = {kind for kind in (Kind.OPENED, Kind.CLOSED, Kind.STATUS) if self._goes(kind.name.lower())}
            if opens:
                pulses.discard(Kind.CLOSED)
            if not self.words and not self.wordless and self._goes("words"):
                self.words = [rng.randrange(256) for _ in range(4 * rng.randrange(5))]
                self.wordless = not self.words
            while self.number_bits and len(self.numbers) < 1 << self.number_bits - 1 and self._goes("answers"):
                self.numbers.append(rng.getrandbits(self.answer_bits))
            turn, held = rng.getrandbits(self.sequence_bits), rng.getrandbits(16)
            words_stand = words_stand or rng.random() < 0.7         # once offered, a byte stays
            ctx.set(unit.session, self.session)
            ctx.set(unit.turn, turn)
            ctx.set(unit.held, held)
            ctx.set(unit.opens, opens)
            ctx.set(unit.opened, Kind.OPENED in pulses)
            ctx.set(unit.closed, Kind.CLOSED in pulses)
            ctx.set(unit.status, Kind.STATUS in pulses)
            ctx.set(unit.wordless, self.wordless)
            offers_word, offers_answer = bool(self.words) and words_stand, bool(self.numbers) and rng.random() < 0.8
            ctx.set(unit.words.valid, offers_word)
            ctx.set(unit.words.p.byte, self.words[0] if offers_word else rng.randrange(256))
            ctx.set(unit.words.p.last, len(self.words) == 1)
            if self.number_bits:
                ctx.set(unit.answers.valid, offers_answer)
                ctx.set(unit.answers.payload, self.numbers[0] if offers_answer else rng.getrandbits(self.answer_bits))
                ctx.set(unit.more, bool(self.numbers))
                ctx.set(unit.first, self.first)
            ctx.set(unit.o.ready, rng.random() < self.ready)
            taken = unit.answers.ready if self.number_bits else unit.idle
            *_, idle, valid, goes, item, takes_word, takes_answer, sent = await ctx.tick().sample(
                unit.idle, unit.o.valid, unit.o.ready, unit.o.payload, unit.words.ready, taken, unit.sent)

            assert idle == (frame is None)
            assert sent == bool(frame and frame.kind is Kind.WORDS and valid and goes and item.last)
            if frame is None:
                assert not valid
                spoilt = ends_answer = False
                frame = self._begun(offers_word, offers_answer)
                if frame:
                    self.pending -= {frame.kind} - {Kind.STATUS}
            else:
                forgets = spoilt and frame.kind is Kind.ANSWERS and len(frame.sent) >= HEAD
                if ends_answer:             # of the numbers that wait now, the frame takes those of its block
                    frame.whole = spoilt or not self.numbers or self.first % BLOCK == 0
                    ends_answer = False
                    assert not valid
                elif valid and goes:
                    self._sent(frame, item, offers_word and bool(takes_word), offers_answer, turn, held)
                    in_body = len(frame.sent) > HEAD and not frame.whole
                    if frame.kind is Kind.WORDS and in_body:
                        words_stand = False
                        frame.whole = not self.words
                    ends_answer = frame.kind is Kind.ANSWERS and in_body and bool(takes_answer)
                    if len(frame.sent) == 5:            # the frame tells of all that has come until here
                        self.pending.discard(Kind.STATUS)
                if forgets:                 # what the session before has left
                    frame.whole, ends_answer = True, False
                if valid and goes and item.last:
                    self._left(frame, spoilt)
                    self.wordless &= frame.kind is not Kind.WORDS
                    frame = None
                spoilt |= opens
            if opens:
                self.session, self.numbers, self.first = rng.randrange(256), [], 0
                self.pending.discard(Kind.CLOSED)
            self.pending |= pulses

    def _begun(self, offers_word: bool, offers_answer: bool) -> Frame | None:
        """The first of the requests in their order."""
        wanted = {Kind.OPENED: Kind.OPENED in self.pending, Kind.CLOSED: Kind.CLOSED in self.pending,
                  Kind.WORDS: offers_word or self.wordless, Kind.ANSWERS: offers_answer,
                  Kind.STATUS: Kind.STATUS in self.pending}
        kind = next((kind for kind, asked in wanted.items() if asked), None)
        if kind is None:
            return None
        empty = kind not in (Kind.WORDS, Kind.ANSWERS) or (kind is Kind.WORDS and self.wordless)
        return Frame(kind, whole=empty)

    def _sent(self, frame: Frame, item: Any, word: bool, answer: bool, turn: int, held: int) -> None:
        """A byte has left: keep the fields of the head as they are now, or what was taken for the body."""
        at = len(frame.sent)
        frame.sent.append(item.byte)
        if at == 0:
            frame.fields["session"] = self.session
        elif at == 4:
            frame.fields |= {"turn": turn, "held": held}
        elif at in (7, 8):
            frame.fields[f"first {at}"] = self.first >> 8 * (at - 7) & 0xFF if self.number_bits else 0
        if at < HEAD or frame.whole:
            return
        if frame.kind is Kind.WORDS:
            assert word
            frame.body += bytes([self.words.pop(0)])
            return
        assert answer
        size = -(-self.answer_bits // 8)
        number = self.numbers[0].to_bytes(size, "little")
        frame.body += number[len(frame.body) % size:][:1]
        if len(frame.body) % size == 0:
            del self.numbers[0]
            self.first = (self.first + 1) % self.modulus

    def _left(self, frame: Frame, spoilt: bool) -> None:
        """Compare a frame that has left."""
        self.frames.append(frame)
        fields, data = frame.fields, bytes(frame.sent)
        counts = self.number_bits + 32 * (self.sequence_bits - 1)
        head = bytes([fields["session"], frame.kind, self.window, counts, fields["turn"],
                      fields["held"] & 0xFF, fields["held"] >> 8, fields["first 7"], fields["first 8"]])
        whole = head + frame.body
        whole += zlib.crc32(whole).to_bytes(CRC, "little")
        if spoilt:          # a session has begun: it must not pass for a whole frame
            assert data == whole[:len(data)]
            assert len(head + frame.body) < len(data) <= len(whole)
        else:
            assert data == whole


RATES = {"opened": 0.004, "closed": 0.004, "status": 0.01, "words": 0.01, "answers": 0.02, "opens": 0.004}


@pytest.mark.parametrize("ready", [1.0, 0.4])
@pytest.mark.parametrize("parameters", [
    {}, {"number_bits": 0}, {"answer_bits": 1, "slots": 1, "slot_bytes": 64}, {"answer_bits": 32, "slots": 16},
    {"sequence_bits": 3, "answer_bits": 8}], ids=str)
def test_requests_at_random(parameters: dict[str, Any], ready: float, seed: int) -> None:
    host = Host(random.Random(f"{seed} {ready} {parameters}"), 5000, ready=ready, rates=RATES, **parameters)
    kinds = {kind: sum(frame.kind is kind for frame in host.frames) for kind in Kind}
    assert all(count > 3 for kind, count in kinds.items() if kind is not Kind.ANSWERS or host.number_bits)


def test_a_bit_of_the_crc_a_cycle(seed: int) -> None:
    host = Host(random.Random(seed), 10_000, ready=0.8, rates=RATES, serial=True)
    assert len(host.frames) > 30


def test_a_frame_has_the_answers_of_a_block_at_most(seed: int) -> None:
    host = Host(random.Random(seed), 3000, ready=1.0, rates={"answers": 0.9}, number_bits=8)
    assert {frame.kind for frame in host.frames} == {Kind.ANSWERS}
    assert [len(frame.body) // 2 for frame in host.frames[3:]] == [BLOCK] * len(host.frames[3:])
    assert len(host.frames) > 10


@pytest.mark.parametrize(("serial", "step"), [(False, 1), (True, 9)])
def test_a_byte_a_cycle(serial: bool, step: int) -> None:
    unit, cycles = FrameTransmitter(number_bits=0, answer_bits=8, slots=1, slot_bytes=64, serial=serial), []

    async def bench(ctx: SimulatorContext) -> None:
        ctx.set(unit.status, 1)
        ctx.set(unit.o.ready, 1)
        await ctx.tick()
        ctx.set(unit.status, 0)
        for cycle in range(step * (HEAD + CRC) + 9):
            *_, valid = await ctx.tick().sample(unit.o.valid)
            if valid:
                cycles.append(cycle)

    run_testbenches(unit, bench)
    assert len(cycles) == HEAD + CRC
    assert [after - before for before, after in pairwise(cycles)] == [step] * (HEAD + CRC - 1)
