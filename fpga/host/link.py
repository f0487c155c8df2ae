"""The host's side of `hdl.host.bridge`: a window of frames, each executed once, over a line that damages bytes.

The link is a generator of steps (send bytes; receive what comes within a time), independent of their execution: `Link`
executes them on a `Transport`, a simulation executes the same steps in simulated time.
"""

import secrets
import struct
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from signum.hdl.host.bus import AddressMap
from signum.hdl.host.frames import MOST_COUNT, MOST_SLOTS, WORD_BYTES, Command, Kind, most_values, most_words

from .framing import Response, ResponseParser, encode, encode_open

__all__ = ["BoardResetError", "Host", "Link", "LinkError", "Receive", "Send", "Steps", "Transport", "bursts"]

PATIENCE = 50               # polls without progress, after which the board hangs
NOISE = 1 << 16             # bytes without progress, after which they are no better than none

T = TypeVar("T")
Write = tuple[int, list[int]]


class LinkError(RuntimeError):
    """No response, or a missing port; in one line."""


class BoardResetError(LinkError):
    """The board ended the session: it was reset, or another host has it."""


class Send(NamedTuple):
    """A step: send bytes."""

    data: bytes


class Receive(NamedTuple):
    """A step: receive the bytes that are there, or the first ones that come within ``timeout`` seconds."""

    timeout: float


Steps = Generator[Send | Receive, bytes, T]


def next_address(address: int) -> int:
    """The address at +1."""
    return address + 1


def bursts(items: Iterable[tuple[int, T]], following: Callable[[int], int] = next_address,
           most: int = MOST_COUNT) -> Iterator[tuple[int, list[T]]]:
    """Group pairs (address, item) into frames, in their order: an address, and the items from this address on.

    A frame has 1 to ``most`` items, each at the address ``following`` that of the item before.
    """
    start, expected, found = 0, 0, list[T]()
    for address, item in items:
        if found and (address != expected or len(found) == most):
            yield start, found
            found = []
        if not found:
            start = address
        found.append(item)
        expected = following(address)
    if found:
        yield start, found


@dataclass
class Frame:
    """A frame that the board has not executed yet.

    Members
    -------
    stamp : int
        Count of transmissions until its last one.
    held : bool
        The board has it.
    """

    command: Command
    body: bytes
    stamp: int = 0
    held: bool = False


class Host:
    """Steps that write, read, and stream images through a bridge.

    Up to ``slots`` frames of the board are on their way at once. A frame is sent again, alone, once a later
    transmission has arrived without it, or where nothing comes for ``timeout``; the board executes it once.

    Parameters
    ----------
    timeout : float
        Seconds without a byte after which frames or their responses are lost: longer than the line's delay.
    attempts : int
        Timeouts in a row after which the board is silent.

    Members
    -------
    retries : int
        Frames sent again so far.
    taken : int
        Answers of this session so far.
    """

    def __init__(self, *, timeout: float = 0.2, attempts: int = 25) -> None:
        self.timeout = timeout
        self.attempts = attempts
        self.retries = 0
        self.following: Callable[[int], int] = next_address
        self.session = secrets.randbelow(256)
        self._begin()

    def _begin(self) -> None:
        self._parser = ResponseParser()
        self._next = self._executed = 0             # the frame to be made; the oldest one without a confirmation
        self._frames: dict[int, Frame] = {}
        self._words: dict[int, bytes | None] = {}   # by the frame of the read
        self._stamp = 0
        self._arrived = -1                          # the latest transmission that arrived
        self._window: Response | None = None
        self._answers = bytearray()
        self._silent = self._idle = self._noise = 0
        self._gap = False                           # answers are missing
        self._answer_bytes = 1
        self.taken = self._told = 0

    def follow(self, layout: AddressMap) -> None:
        """Write and read in the order of addresses of an array."""
        self.following = lambda address: layout.following(address) if address >> 31 == 0 else address + 1

    def open_steps(self) -> Steps[None]:
        """Begin a session; LinkError if no board responds.

        A board takes the opening of its own session for a repetition. Where the last host drew the same number, the
        board tells the frames and answers of that host, and the session gets another number.
        """
        self._begin()
        self.session = (self.session + 1 + secrets.randbelow(255)) & 0xFF
        for _ in range(self.attempts):
            yield Send(encode_open(self.session))
            noise = 0
            while noise < NOISE and (data := (yield Receive(self.timeout))):
                noise += len(data)
                for response in self._parser.feed(data):
                    if response.session != self.session or response.kind == Kind.CLOSED:
                        continue
                    if response.sequence == response.held == response.first == 0:
                        self._window = _checked(response)
                        return
                    self.session = (self.session + 1) & 0xFF
                    yield Send(encode_open(self.session))
            self.retries += 1
        raise LinkError(f"no board responded in {self.attempts} attempts of {self.timeout} s")

    def write_steps(self, writes: Iterable[tuple[int, int]]) -> Steps[None]:
        """Write words at addresses, in order. The last ones may still be on their way; later reads come after them."""
        yield from self._post_writes(writes)

    def read_steps(self, addresses: Sequence[int]) -> Steps[list[int]]:
        """The words at addresses."""
        most = most_words(self._geometry.slot_bytes)
        reads = [(start, len(found)) for start, found in
                 bursts(((address, None) for address in addresses), self.following, most)]
        words: dict[int, list[int]] = {}
        tries = 0
        while missing := [read for read in reads if read[0] not in words]:
            if tries == self.attempts:
                raise LinkError(f"the board must give the words of a read, not execute it {tries} times without them")
            tries += 1
            posted = []
            for start, count in missing:
                sequence = yield from self._post(Command.READ, struct.pack("<BI", count, start))
                self._words[sequence] = None
                posted.append((sequence, start, count))
            yield from self._settled()
            for sequence, start, count in posted:
                if (data := self._words.pop(sequence)) is not None:
                    if len(data) != WORD_BYTES * count:
                        raise LinkError(f"the board must give {WORD_BYTES * count} bytes for a read of {count} words, "
                                        f"not {len(data)}")
                    words[start] = list(struct.unpack(f"<{count}I", data))
                else:                               # executed, and its response lost
                    self.retries += 1
        return [word for start, _ in reads for word in words[start]]

    def stream_steps(self, values: bytes, answers: int, answer_bytes: int, tail: Iterable[tuple[int, int]],
                     take: Callable[[bytes], None]) -> Steps[None]:
        """Send the values of images, then make the writes of ``tail``, until so many numbers of answers have come.

        ``take`` is called with the bytes of numbers, ``answer_bytes`` each, in the order of the images.
        """
        self._answer_bytes = answer_bytes
        self._answers.clear()
        wanted = self.taken + answers
        most = most_values(self._geometry.slot_bytes)
        for start in range(0, len(values), most):
            part = values[start:start + most]
            yield from self._post(Command.PIXELS, struct.pack("<H", len(part)) + part)
            self._hand_over(take)
        yield from self._post_writes(tail)
        while self.taken < wanted:
            yield from self._pump()
            self._hand_over(take)
        self._hand_over(take)
        yield from self._settled()

    def _hand_over(self, take: Callable[[bytes], None]) -> None:
        if self._answers:
            take(bytes(self._answers))
            self._answers.clear()

    @property
    def _geometry(self) -> Response:
        if self._window is None:
            raise LinkError("a session must be open before frames are sent")
        return self._window

    def _post_writes(self, writes: Iterable[tuple[int, int]]) -> Steps[None]:
        most = most_words(self._geometry.slot_bytes)
        for address, words in bursts(writes, self.following, most):
            yield from self._post(Command.WRITE, struct.pack(f"<BI{len(words)}I", len(words), address, *words))

    def _post(self, command: Command, body: bytes) -> Steps[int]:
        """Send a frame once the window has a place for it; returns its number."""
        while self._next - self._executed >= self._geometry.slots:
            yield from self._pump()
        number = self._next
        self._next += 1
        self._frames[number] = Frame(command, body)
        yield from self._transmit(number)
        return number

    def _settled(self) -> Steps[None]:
        """Wait until all frames are executed."""
        while self._executed < self._next:
            yield from self._pump()

    def _transmit(self, number: int) -> Steps[None]:
        frame = self._frames[number]
        self._stamp += 1
        frame.stamp = self._stamp
        self._told = self.taken
        yield Send(encode(self.session, number, self.taken, frame.command, frame.body))

    def _pump(self) -> Steps[None]:
        """Take what came; where nothing comes, ask, and send again what the board lacks."""
        data = yield Receive(self.timeout)
        before = self._executed, self.taken
        responses = self._parser.feed(data)
        for response in responses:
            self._accept(response)
        if responses:
            self._silent = 0
        self._noise += len(data)
        if (self._executed, self.taken) != before:
            self._idle = self._noise = 0
        noisy = self._noise >= NOISE            # a line that is never quiet
        if not data or self._gap or noisy:
            if noisy:
                self._noise = 0
            yield from self._poll()
        elif self.taken - self._told > 1 << max(0, self._geometry.number_bits - 3):
            self._told = self.taken
            yield Send(encode(self.session, 0, self.taken, Command.TAKEN))
        lost = [number for number, frame in self._frames.items()
                if not frame.held and (not data or frame.stamp < self._arrived)]
        for number in lost:
            self.retries += 1
            yield from self._transmit(number)

    def _poll(self) -> Steps[None]:
        self._gap = False
        self._silent += 1
        self._idle += 1
        if self._silent > self.attempts:
            raise LinkError(f"the board did not respond in {self.attempts} attempts of {self.timeout} s")
        if self._idle > PATIENCE:
            raise LinkError(f"the board did not go on for {PATIENCE * self.timeout:g} s: reset it")
        yield Send(encode(self.session, 0, self.taken, Command.POLL))

    def _accept(self, response: Response) -> None:
        if response.kind == Kind.CLOSED:
            raise BoardResetError("the board ended the session: it was reset, or another host has it")
        if response.session != self.session or not _alike(response, self._geometry):
            return
        numbers = 1 << response.sequence_bits
        ahead = (response.sequence - self._executed) % numbers
        if response.kind == Kind.WORDS:
            number = self._executed + (ahead if ahead <= response.slots else ahead - numbers)
            if number in self._words:
                self._words[number] = response.payload
        if response.kind == Kind.ANSWERS:
            self._take(response)
        if ahead > self._next - self._executed:         # an old response that was late
            return
        for number in range(self._executed, self._executed + ahead):
            self._arrived = max(self._arrived, self._frames.pop(number).stamp)
        self._executed += ahead
        for number, frame in self._frames.items():
            frame.held = bool(response.held >> number % response.slots & 1)
            if frame.held:
                self._arrived = max(self._arrived, frame.stamp)

    def _take(self, response: Response) -> None:
        """Take the answers of a frame that are new and follow those before."""
        numbers = response.counts
        known = (self.taken - response.first) % numbers
        if known > numbers // 2:
            self._gap = True
            return
        size = self._answer_bytes
        fresh = response.payload[known * size:]
        self._answers += fresh
        self.taken += len(fresh) // size


def _checked(response: Response) -> Response:
    """The response that begins a session; LinkError where no frame fits into its window."""
    if most_words(response.slot_bytes) < 1 or most_values(response.slot_bytes) < 1 or response.slots > MOST_SLOTS or (
            response.slots >= 1 << response.sequence_bits):
        raise LinkError(f"the board must tell a window of 1 to {MOST_SLOTS} slots that hold a frame, "
                        f"not {response.slots} of {response.slot_bytes} bytes with numbers of "
                        f"{response.sequence_bits} bits")
    return response


def _alike(one: Response, other: Response) -> bool:
    """Whether the windows of two responses are the same."""
    return (one.slots, one.slot_bytes, one.number_bits, one.sequence_bits) == (
        other.slots, other.slot_bytes, other.number_bits, other.sequence_bits)


class Transport(Protocol):
    """A line of bytes in both directions."""

    def write(self, data: bytes) -> None:
        """Send all bytes."""

    def read(self, timeout: float) -> bytes:
        """The bytes that are there, or the first ones that come within ``timeout`` seconds; none after that."""

    def close(self) -> None:
        """Close the line."""


class Link(Host):
    """Words at addresses behind a bridge, and images and answers, over a transport.

    Parameters
    ----------
    transport : Transport
        The line.
    timeout, attempts
        See `Host`.
    """

    def __init__(self, transport: Transport, *, timeout: float = 0.2, attempts: int = 25) -> None:
        super().__init__(timeout=timeout, attempts=attempts)
        self.transport = transport

    def open(self) -> None:
        """Begin a session; see `Host.open_steps`."""
        self.run(self.open_steps())

    def write(self, writes: Iterable[tuple[int, int]]) -> None:
        """Write pairs of address and word; see `Host.write_steps`."""
        self.run(self.write_steps(writes))

    def read(self, addresses: Sequence[int]) -> list[int]:
        """The words at addresses; LinkError if that fails."""
        return self.run(self.read_steps(addresses))

    def stream(self, values: bytes, answers: int, answer_bytes: int, tail: Iterable[tuple[int, int]],
               take: Callable[[bytes], None]) -> None:
        """Send images and take answers; see `Host.stream_steps`."""
        self.run(self.stream_steps(values, answers, answer_bytes, tail, take))

    def close(self) -> None:
        """Close the transport."""
        self.transport.close()

    def run(self, steps: Steps[T]) -> T:
        """Execute steps, and return their result."""
        try:
            step = next(steps)
            while True:
                if isinstance(step, Send):
                    self.transport.write(step.data)
                    step = next(steps)
                else:
                    step = steps.send(self.transport.read(step.timeout))
        except StopIteration as end:
            return end.value
