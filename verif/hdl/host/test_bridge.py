"""The bridge against a host, an accelerator that stalls, and lines with every kind of fault."""

import random
import struct
import zlib
from itertools import chain

import pytest

from signum.fpga.host.framing import ResponseParser, encode, encode_open
from signum.fpga.host.link import BoardResetError, Link
from signum.hdl.host.bridge import Bridge
from signum.hdl.host.bus import AddressMap, Region
from signum.hdl.host.frames import Command, Kind, most_values, most_words
from signum.hdl.host.hdlc import FLAG
from signum.verif.bench.bridge_line import ANSWER_BITS, CONFIG, NUMBER_BITS, BridgeLine

LAYOUT = AddressMap(CONFIG)
START = LAYOUT.address(Region.ACTIVATIONS)
SESSION = 7


def opened(line: BridgeLine, timeout: float = 400.0, attempts: int = 25) -> Link:
    link = Link(line, timeout=timeout, attempts=attempts)
    link.open()
    return link


def responses(line: BridgeLine, cycles: int = 400) -> list:
    """What the bridge sent within some cycles."""
    line.advance(2 * cycles)
    data = bytes(line.sent)
    line.sent.clear()
    return ResponseParser().feed(data)


def write_frame(sequence: int, address: int, words: list[int], session: int = SESSION) -> bytes:
    return encode(session, sequence, 0, Command.WRITE, struct.pack(f"<BI{len(words)}I", len(words), address, *words))


def run_of(count: int, rng: random.Random) -> list[tuple[int, int]]:
    """Writes at addresses that follow each other."""
    address, found = START, []
    for _ in range(count):
        found.append((address, rng.getrandbits(32)))
        address = LAYOUT.following(address)
    return found


def test_bytes_by_hand():
    """From the tables of `hdl.host.frames`, without the code of the host."""
    line = BridgeLine(random.Random(1))

    def frame(*parts: bytes) -> bytes:
        body = b"".join(parts)
        body += zlib.crc32(body).to_bytes(4, "little")
        return body.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e") + b"\x7e"

    line.inbox += frame(bytes([0, 0, 9, 0, 1]))
    line.advance(400)
    window = (4).bit_length() - 1 | ((128).bit_length() - 1) << 4
    assert bytes(line.sent) == frame(bytes([9, 1, window, NUMBER_BITS | 7 << 5, 0, 0, 0, 0, 0]))
    line.sent.clear()
    line.inbox += frame(bytes([9, 0, 0, 0, 8, 1]), START.to_bytes(4, "little"), bytes.fromhex("7e7d0012"))
    line.advance(400)
    assert line.writes == [(START, 0x12007D7E)]
    line.sent.clear()
    line.inbox += frame(bytes([9, 1, 0, 0, 9, 1]), START.to_bytes(4, "little"))
    line.advance(400)
    words = frame(bytes([9, 3, window, NUMBER_BITS | 7 << 5, 1, 2, 0, 0, 0]), bytes.fromhex("7e7d0012"))
    assert words in bytes(line.sent)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("slots", "ordered", "serial"), [(1, True, True), (2, False, False), (4, True, False),
                                                          (16, False, True)])
def test_writes_and_reads(slots, ordered, serial, stall, seed):
    rng = random.Random(f"{seed} {slots} {stall}")
    line = BridgeLine(rng, slots=slots, ordered=ordered, serial=serial, stall=stall)
    link = opened(line, timeout=3000.0)
    link.follow(LAYOUT)
    for count in (1, 3, 0, 25):
        writes = run_of(count, rng)
        rng.shuffle(writes)
        line.writes.clear()
        link.write(writes)
        assert link.read([address for address, _ in writes]) == [value for _, value in writes]
        assert line.writes == writes
    assert link.read([5]) == [15]
    assert link.retries == 0


@pytest.mark.parametrize("kind", ["packets", "bytes"])
def test_lines_with_faults(kind, seed):
    """Packets that are lost, doubled and overtake; bytes that are lost, doubled and flipped: each write once."""
    rng = random.Random(f"{seed} {kind}")
    faulty = False
    late: list[bytes] = []

    def packets(frames: list[bytes]) -> list[bytes]:
        if not faulty:
            return frames
        found = []
        for frame in frames:
            fate = rng.random()
            if fate < 0.1:
                continue
            if fate < 0.2:
                late.append(frame)              # arrives behind a later one
                continue
            found += [frame] * (2 if fate < 0.3 else 1)
            if late and rng.random() < 0.5:
                found.append(late.pop(rng.randrange(len(late))))
        return found

    def noise(data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            fate = rng.random() if faulty else 1.0
            if fate > 0.006:
                out.append(byte)
            elif fate > 0.004:
                out += bytes([byte, byte])
            elif fate > 0.002:
                out.append(byte ^ 1 << rng.randrange(8))
        return bytes(out)

    line = BridgeLine(rng, faults=packets if kind == "packets" else lambda frames: [noise(b"".join(frames))],
                      ordered=kind == "bytes", slots=8 if kind == "packets" else 4)
    link = opened(line, timeout=300.0, attempts=60)
    line.back = noise
    faulty = True
    expected: list[tuple[int, int]] = []
    for _ in range(6):
        writes = [(START + rng.randrange(50), rng.getrandbits(32)) for _ in range(rng.randrange(60))]
        link.write(writes)
        expected += writes
        known = dict(expected)
        places = rng.sample(sorted(known), min(len(known), 20))
        assert link.read(places) == [known[place] for place in places]
        assert line.writes == expected
    assert link.retries > 10


def test_zeros_behind_a_frame(seed):
    """The register would stay 0 over them, if the CRC were not complemented; and over the zeros that end a CRC."""
    rng = random.Random(seed)
    line = BridgeLine(rng)
    line.write(encode_open(SESSION))
    line.advance(200)
    frames = (write_frame(0, START, [word]) for word in range(1 << 16))
    frame = next(frame for frame in frames if frame[-2] == 0)
    for broken in (frame[:-1] + b"\0" + frame[-1:], frame[:-2] + frame[-1:]):
        line.inbox += broken
        line.advance(400)
        assert line.writes == []
    line.inbox += frame
    line.advance(400)
    assert len(line.writes) == 1


def test_damaged_frames_do_nothing(seed):
    """Every single bit of a frame flipped, cuts, and frames glued together by a lost flag."""
    rng = random.Random(seed)
    line = BridgeLine(rng)
    line.write(encode_open(SESSION))
    frame = write_frame(0, START, [rng.getrandbits(32)])
    for bit in range(8, 8 * (len(frame) - 1)):
        broken = bytearray(frame)
        broken[bit // 8] ^= 1 << bit % 8
        line.inbox += broken
        line.advance(2 * len(frame) + 8)
    for length in range(1, len(frame) - 1):
        line.inbox += frame[:length] + bytes([FLAG])
        line.advance(2 * len(frame) + 8)
    line.inbox += frame[:-1] + frame[1:]
    line.advance(400)
    assert line.writes == []
    line.inbox += frame
    line.advance(400)
    assert len(line.writes) == 1


def test_frames_outside_of_the_window_and_repetitions(seed):
    rng = random.Random(seed)
    line = BridgeLine(rng, slots=4)
    line.write(encode_open(SESSION))
    frames = [write_frame(k, START + k, [k]) for k in range(12)]
    for k in (4, 5, 11, 3, 2, 2, 1, 255, 200):
        line.inbox += frames[k] if k < 12 else write_frame(k, START, [0])
    line.advance(1500)
    assert line.writes == []
    line.inbox += frames[0]
    line.advance(600)
    assert line.writes == [(START + k, k) for k in range(4)]
    for k in (0, 1, 2, 3, 4, 0):
        line.inbox += frames[k]
    line.advance(1500)
    assert line.writes == [(START + k, k) for k in range(5)]
    last = responses(line)[-1]
    assert (last.kind, last.sequence, last.held) == (Kind.STATUS, 5, 0)


def test_unknown_commands_and_empty_frames_are_passed_over(seed):
    rng = random.Random(seed)
    line = BridgeLine(rng)
    line.write(encode_open(SESSION))
    bodies = [(15, b"\x01" * 9), (Command.WRITE, bytes(5)), (Command.READ, bytes(5)), (Command.PIXELS, bytes(2)),
              (12, b"")]
    for number, (command, body) in enumerate(bodies):
        line.inbox += encode(SESSION, number, 0, command, body)      # type: ignore[arg-type]
        line.advance(300)
    line.inbox += write_frame(len(bodies), START, [5])
    found = responses(line)
    assert line.writes == [(START, 5)]
    assert line.reads == 0
    assert line.values == []
    assert [len(response.payload) for response in found if response.kind == Kind.WORDS] == [0]


def test_frames_as_long_as_a_slot_and_longer(seed):
    rng = random.Random(seed)
    line = BridgeLine(rng, slot_bytes=128)
    line.write(encode_open(SESSION))
    most = most_words(128)
    line.inbox += write_frame(0, START, list(range(most)))
    line.advance(2000)
    assert [value for _, value in line.writes] == list(range(most))
    values = rng.randbytes(most_values(128))
    line.inbox += encode(SESSION, 1, 0, Command.PIXELS, struct.pack("<H", len(values)) + values)
    line.advance(2000)
    assert bytes(line.values) == values
    line.inbox += encode(SESSION, 2, 0, Command.PIXELS, struct.pack("<H", len(values) + 1) + values + b"x")
    line.inbox += write_frame(2, START, list(range(most + 1)))
    line.inbox += write_frame(2, START, list(range(200)))
    line.advance(6000)
    assert len(line.writes) == most
    assert len(line.values) == len(values)
    line.inbox += write_frame(2, START, [1])
    line.advance(400)
    assert len(line.writes) == most + 1


@pytest.mark.parametrize("busy", ["write", "read", "values", "answers", "idle"])
@pytest.mark.parametrize("delay", [0, 3, 17, 40])
def test_a_session_that_begins_in_the_middle_of_another(busy, delay, seed):
    """Nothing of the old session is done behind the first frame of the new one, and no frame of the new session has
    anything of the old."""
    rng = random.Random(f"{seed} {busy} {delay}")
    line = BridgeLine(rng, stall=0.2)
    line.write(encode_open(SESSION))
    line.advance(300)
    old = [0xDEAD0000 + k for k in range(20)]
    if busy == "write":
        line.inbox += write_frame(0, START, old) + write_frame(1, START, old)
    elif busy == "read":
        line.memory = {START + k: value for k, value in enumerate(old)}
        line.inbox += encode(SESSION, 0, 0, Command.READ, struct.pack("<BI", 20, START))
    elif busy == "values":
        line.values_stand = True
        line.inbox += encode(SESSION, 0, 0, Command.PIXELS, struct.pack("<H", 50) + bytes([99]) * 50)
    elif busy == "answers":
        line.answers += [0xABC] * 14
    line.advance(2 * delay + 120)
    line.bus_stands = busy == "write"
    line.sent.clear()
    line.answers.clear()
    line.inbox += encode_open(SESSION + 1)
    line.advance(200)
    line.bus_stands = False
    line.advance(900)
    found = ResponseParser().feed(bytes(line.sent))
    fresh = [response for response in found if response.session == SESSION + 1]
    assert [response.kind for response in fresh][:1] == [Kind.OPENED]
    assert all(response.payload == b"" for response in fresh)
    assert all((response.sequence, response.first) == (0, 0) for response in fresh)
    line.values_stand = False
    line.advance(300)
    before, taken = len(line.writes), len(line.values)
    line.inbox += write_frame(0, START, [1, 2], SESSION + 1)
    line.inbox += encode(SESSION + 1, 1, 0, Command.PIXELS, struct.pack("<H", 3) + b"abc")
    line.answers += [0x123]
    line.advance(1500)
    assert line.writes[before:] == [(START, 1), (LAYOUT.following(START), 2)]
    assert bytes(line.values[taken:]) == b"abc"
    answers = [response.payload for response in responses(line) if response.kind == Kind.ANSWERS]
    assert set(answers) <= {(0x123).to_bytes(2, "little")}


def test_a_board_that_was_reset_ends_the_session(seed):
    rng = random.Random(seed)
    link = opened(BridgeLine(rng))
    link.transport = BridgeLine(rng)            # the same board, as after its reset
    with pytest.raises(BoardResetError, match=r"^the board ended the session: it was reset, or another host has it$"):
        link.read([START])
    assert link.transport.reads == 0
    link.open()
    assert link.read([START]) == [START * 3]


def test_values_leave_a_byte_a_cycle(seed):
    rng = random.Random(seed)
    line = BridgeLine(rng, slots=8, slot_bytes=1024)
    line.write(encode_open(SESSION))
    line.advance(300)
    size = 1000
    frames = [rng.choices(range(0x60), k=size) for _ in range(4)]
    for k, values in enumerate(frames):
        line.inbox += encode(SESSION, k, 0, Command.PIXELS, struct.pack("<H", size) + bytes(values))
    line.advance(2 * 8000)
    assert line.values == list(chain.from_iterable(frames))
    for k in range(len(frames)):
        cycles = line.value_cycles[k * size:(k + 1) * size]
        assert cycles[-1] - cycles[0] == size - 1
    # the line binds: a frame has some bytes more than its values, and a cycle passes behind each
    assert line.value_cycles[-1] - line.value_cycles[0] <= 3 * (size + 20) + size


@pytest.mark.sweep(2)
@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("faulty", [False, True])
def test_images_and_answers(stall, faulty, seed):
    """Streams longer than all buffers; an answer for each value, lost frames in both directions."""
    rng = random.Random(f"{seed} {stall} {faulty}")
    lossy = False
    line = BridgeLine(rng, stall=stall, faults=lambda frames: [frame for frame in frames
                                                               if not lossy or rng.random() > 0.15])
    link = opened(line, timeout=500.0, attempts=80)
    parser = ResponseParser()

    def back(data: bytes) -> bytes:
        return bytes(byte for byte in data if not lossy or rng.random() > 0.002)

    line.back = back
    lossy = faulty
    values = rng.randbytes(700)
    read = line.read

    done = 0

    def answer_and_read(timeout: float) -> bytes:
        nonlocal done
        line.answers.extend(3 * value for value in line.values[done:])
        done = len(line.values)
        return read(timeout)

    line.read = answer_and_read                                 # type: ignore[method-assign]
    found = bytearray()
    link.stream(values, len(values), 2, [(START, 77)], found.extend)
    assert bytes(line.values) == values
    assert struct.unpack(f"<{len(values)}H", bytes(found)) == tuple(3 * value for value in values)
    assert link.read([START]) == [77]
    assert line.writes == [(START, 77)]
    assert link.taken == len(values)
    assert parser.damaged == 0


def test_a_full_buffer_of_answers_waits_for_the_host(seed):
    rng = random.Random(seed)
    line = BridgeLine(rng)
    line.write(encode_open(SESSION))
    line.advance(300)
    held = 1 << NUMBER_BITS - 1
    line.answers += list(range(held + 5))
    found = responses(line, 1000)
    assert len(line.answers) == 5
    numbers = b"".join(response.payload for response in found if response.kind == Kind.ANSWERS)
    assert len(numbers) == held * -(-ANSWER_BITS // 8)
    line.inbox += encode(SESSION, 0, 3, Command.TAKEN)
    line.advance(500)
    assert len(line.answers) == 2
    line.sent.clear()
    line.inbox += encode(SESSION, 0, 1, Command.TAKEN)          # a stale number changes nothing
    line.inbox += encode(SESSION, 0, 3, Command.POLL)
    again = [response for response in responses(line, 1000) if response.kind == Kind.ANSWERS]
    assert again[0].first == 3
    payload = b"".join(response.payload for response in again)
    assert struct.unpack(f"<{len(payload) // 2}H", payload) == tuple(range(3, held + 3))


def test_a_number_of_answers_that_is_late_by_a_whole_buffer(seed):
    """The network held the frame back; its number is the present one modulo twice the buffer, and 3 more."""
    line = BridgeLine(random.Random(seed))
    line.write(encode_open(SESSION))
    line.advance(300)
    held = 1 << NUMBER_BITS - 1
    for number in range(3):
        line.inbox += encode(SESSION, 0, number * held, Command.TAKEN)
        line.answers += range(number * held, (number + 1) * held)
        responses(line, 1000)
    line.inbox += encode(SESSION, 0, 3, Command.TAKEN) + encode(SESSION, 0, 2 * held, Command.POLL)
    again = [response for response in responses(line, 1000) if response.kind == Kind.ANSWERS]
    payload = b"".join(response.payload for response in again)
    assert again[0].first == 2 * held
    assert struct.unpack(f"<{len(payload) // 2}H", payload) == tuple(range(2 * held, 3 * held))


def test_answers_that_are_late_by_a_whole_buffer(seed):
    """The host has twice as many more when they come."""
    line = BridgeLine(random.Random(seed))
    link = opened(line)
    late, found = bytearray(), bytearray()

    def back(data: bytes) -> bytes:
        late.extend(data)
        return data

    line.back = back
    count = 1 << NUMBER_BITS
    line.answers += range(count)
    link.stream(bytes(count), count, 2, [], found.extend)
    late_once = iter([bytes(late)])
    line.back = lambda data: next(late_once, b"") + data
    line.answers += range(count, count + 5)
    link.stream(bytes(5), 5, 2, [], found.extend)
    assert struct.unpack(f"<{count + 5}H", bytes(found)) == tuple(range(count + 5))


@pytest.mark.parametrize(("values", "message"), [
    ({"address_bits": 33}, rf"address_bits must be {LAYOUT.address_bits} to 32, not 33"),
    ({"address_bits": 3}, rf"address_bits must be {LAYOUT.address_bits} to 32, not 3"),
    ({"slots": 3}, "slots must be 1, 2, 4, 8 or 16, not 3"),
    ({"slot_bytes": 100}, "slot_bytes must be a power of two of at least 64, not 100"),
    ({"number_bits": 17}, "number_bits must be 2 to 16, not 17"),
])
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Bridge(**({"config": CONFIG, "slots": 4, "slot_bytes": 128} | values))
