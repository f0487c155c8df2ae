"""The host's side of `hdl.host.bridge`: frames, and a link that repeats requests until a response passes its checks.

The link is a generator of steps (send bytes; receive a number of bytes within a time), independent of their execution:
`Link` executes them on a `Transport`, a simulation executes the same steps in simulated time.
"""

import struct
import zlib
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import serial

from signum.hdl.host.bridge import (
    CRC_BYTES,
    REQUEST_SYNC,
    RESPONSE_SYNC,
    WORD_BYTES,
    Answer,
    Command,
    pixel_address,
)

__all__ = ["MAX_WORDS", "Host", "Link", "LinkError", "Receive", "Response", "Send", "SerialTransport",
           "Steps", "Transport", "bursts", "decode_response", "encode_read", "encode_write"]

MAX_WORDS = 255
HEAD_BYTES = 4
WRITE_TIMEOUT = 10.0    # seconds for a frame, which takes one at 9600 bits a second
GOOD = 0xFFFF_FFFF      # the usual CRC-32 of data and their `hdl.host.bridge.CRC`

T = TypeVar("T")


class LinkError(RuntimeError):
    """No valid response in the allowed attempts, or a missing port; in one line."""


class Send(NamedTuple):
    """A step: send bytes."""

    data: bytes


class Receive(NamedTuple):
    """A step: receive ``size`` bytes, or fewer once ``timeout`` seconds have passed."""

    size: int
    timeout: float


Steps = Generator[Send | Receive, bytes, T]


class Response(NamedTuple):
    """A complete response with a good CRC."""

    sequence: int
    answer: int
    words: list[int]


def checked(data: bytes) -> bytes:
    """Bytes followed by their CRC."""
    return data + struct.pack("<I", zlib.crc32(data) ^ GOOD)


def encode_header(command: Command, sequence: int, address: int, count: int) -> bytes:
    if not 0 <= count <= MAX_WORDS:
        raise ValueError(f"a frame must have 0 to {MAX_WORDS} words, not {count}")
    if not 0 <= address < 1 << 32:
        raise ValueError(f"an address must be 0 to 2**32 - 1, not {address}")
    return bytes([REQUEST_SYNC]) + checked(struct.pack("<BBBI", sequence & 0xFF, command, count, address))


def encode_read(sequence: int, address: int, count: int) -> bytes:
    """Frame that reads ``count`` words (0..255) from ``address`` on; ValueError out of range."""
    return encode_header(Command.READ, sequence, address, count)


def encode_write(sequence: int, address: int, values: Iterable[int], command: Command = Command.WRITE) -> bytes:
    """Frame that writes 0..255 words of 32 bits from ``address`` on, or values of an image; ValueError out of range."""
    words = list(values)
    header = encode_header(command, sequence, address, len(words))
    try:
        return header + checked(struct.pack(f"<{len(words)}I", *words))
    except struct.error:
        raise ValueError("a word must be an integer of 0 to 2**32 - 1") from None


def decode_response(data: bytes) -> Response | None:
    """The response in these bytes, or None where they are not exactly one valid response."""
    if len(data) < HEAD_BYTES + CRC_BYTES or data[0] != RESPONSE_SYNC or zlib.crc32(data[1:]) != GOOD:
        return None
    _, sequence, answer, count = data[:HEAD_BYTES]
    body = data[HEAD_BYTES:-CRC_BYTES]
    if len(body) != WORD_BYTES * count:
        return None
    return Response(sequence, answer, list(struct.unpack(f"<{count}I", body)))


def bursts(items: Iterable[tuple[int, T]]) -> Iterator[tuple[int, list[T]]]:
    """Group pairs (address, item) into frames, in their order: an address, and the items from this address on.

    A frame has 1 to 255 items at successive addresses.
    """
    start, found = 0, list[T]()
    for address, item in items:
        if found and (address != start + len(found) or len(found) == MAX_WORDS):
            yield start, found
            found = []
        if not found:
            start = address
        found.append(item)
    if found:
        yield start, found


class Host:
    """Steps that read and write through a bridge, over a line that loses or damages bytes.

    Every attempt has its own sequence number, so a late response is not taken for the awaited one. A write without a
    response is sent again, and may then have been executed twice.

    Parameters
    ----------
    timeout : float
        Seconds to wait for a response; longer than the bus may hold a request, and than a frame takes.
    quiet : float
        Seconds of silence before a new attempt; longer than the bridge's quiet time, and than any delay in between.
    attempts : int
        Attempts for each frame.

    Members
    -------
    retries : int
        Failed attempts so far.
    """

    STALE = 8           # responses to earlier attempts that an attempt skips
    NOISE = 64          # reads after which a line that is never quiet is used anyway

    def __init__(self, *, timeout: float = 1.0, quiet: float = 0.05, attempts: int = 8) -> None:
        self.timeout = timeout
        self.quiet = quiet
        self.attempts = attempts
        self.sequence = 0
        self.retries = 0

    def read_steps(self, address: int, count: int) -> Steps[list[int]]:
        """Read ``count`` words from ``address`` on, in frames of up to 255; LinkError if that fails."""
        words: list[int] = []
        while len(words) < count:
            burst = min(count - len(words), MAX_WORDS)
            words += yield from self._exchange(Command.READ, address + len(words), burst, [], self.attempts)
        return words

    def write_steps(self, address: int, values: Iterable[int], attempts: int | None = None) -> Steps[None]:
        """Write words from ``address`` on, in frames of up to 255; LinkError if that fails.

        With ``attempts=1``, for requests that must not be repeated, an error does not tell whether they took effect.
        """
        words = list(values)
        for start in range(0, len(words), MAX_WORDS):
            burst = words[start:start + MAX_WORDS]
            yield from self._exchange(Command.WRITE, address + start, 0, burst, attempts or self.attempts)

    def pixels_steps(self, values: bytes) -> Steps[None]:
        """Send the values of an image, once; LinkError if that fails, and the image may yet be complete on the board.

        After an error the image must be sent from its first value on, unless the board's count of images tells that it
        is complete.
        """
        size = MAX_WORDS * WORD_BYTES
        for start in range(0, len(values), size):
            part = values[start:start + size]
            address = pixel_address(len(part), begins=start == 0, ends=start + size >= len(values))
            words = list(struct.unpack(f"<{-(-len(part) // WORD_BYTES)}I", part + bytes(-len(part) % WORD_BYTES)))
            yield from self._exchange(Command.PIXELS, address, 0, words, 1)

    def settle_steps(self) -> Steps[None]:
        """Discard bytes, responses to an earlier host, until the line has been quiet."""
        yield from self._silence()

    def ping_steps(self) -> Steps[None]:
        """Request an empty response; LinkError if none comes."""
        yield from self._exchange(Command.READ, 0, 0, [], self.attempts)

    def _exchange(self, command: Command, address: int, count: int, values: list[int],
                  attempts: int) -> Steps[list[int]]:
        why = ""
        for attempt in range(attempts):
            if attempt:
                yield from self._silence()
            self.sequence = (self.sequence + 1) & 0xFF
            frame = (encode_read(self.sequence, address, count) if command == Command.READ
                     else encode_write(self.sequence, address, values, command))
            yield Send(frame)
            words, why = yield from self._await(count)
            if not why:
                return words
            self.retries += 1
        yield from self._silence()
        raise LinkError(f"no good answer to a {command.name.lower()} of {count or len(values)} words at "
                        f"address {address:#x} in {attempts} attempts; the last one: {why}")

    def _await(self, count: int) -> Steps[tuple[list[int], str]]:
        """The words of the response to the current sequence number, or the reason why none came."""
        for _ in range(self.STALE):
            head = yield Receive(HEAD_BYTES, self.timeout)
            if len(head) < HEAD_BYTES:
                return [], f"{len(head)} bytes, then none for {self.timeout} s"
            if head[0] != RESPONSE_SYNC:
                return [], "bytes that are no answer"
            if head[1] == self.sequence and head[2] == Answer.OK and head[3] != count:
                return [], f"{head[3]} words instead of {count}"
            body = yield Receive(WORD_BYTES * head[3] + CRC_BYTES, self.timeout)
            response = decode_response(head + body)
            if response is None:
                return [], "an answer that came damaged"
            if response.answer != Answer.OK:
                name = Answer(response.answer).name if response.answer in list(Answer) else response.answer
                return [], f"error {name} from the bridge"
            if response.sequence == self.sequence:
                return response.words, ""
        return [], "answers to earlier frames only"

    def _silence(self) -> Steps[None]:
        """Discard bytes until the line has been quiet."""
        for _ in range(self.NOISE):
            data = yield Receive(4096, self.quiet)
            if not data:
                return


class Transport(Protocol):
    """A line of bytes in both directions."""

    def write(self, data: bytes) -> None:
        """Send all bytes."""

    def read(self, count: int, timeout: float) -> bytes:
        """Receive ``count`` bytes, or fewer once ``timeout`` seconds have passed."""

    def close(self) -> None:
        """Close the line."""


class Link(Host):
    """Words at addresses behind a bridge, over a transport.

    Parameters
    ----------
    transport : Transport
        The line.
    timeout, quiet, attempts
        See `Host`.
    """

    def __init__(self, transport: Transport, *, timeout: float = 1.0, quiet: float = 0.05,
                 attempts: int = 8) -> None:
        super().__init__(timeout=timeout, quiet=quiet, attempts=attempts)
        self.transport = transport

    def read(self, address: int, count: int) -> list[int]:
        """The ``count`` words from ``address`` on; LinkError if that fails."""
        return self._take(self.read_steps(address, count))

    def write(self, address: int, values: Iterable[int], attempts: int | None = None) -> None:
        """Write words from ``address`` on; see `Host.write_steps`."""
        self._take(self.write_steps(address, values, attempts))

    def send_pixels(self, values: bytes) -> None:
        """Send the values of an image; see `Host.pixels_steps`."""
        self._take(self.pixels_steps(values))

    def settle(self) -> None:
        """Discard bytes until the line has been quiet."""
        self._take(self.settle_steps())

    def close(self) -> None:
        """Close the transport."""
        self.transport.close()

    def ping(self) -> None:
        """Return if the bridge responds; LinkError otherwise."""
        self._take(self.ping_steps())

    def _take(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Send):
                    self.transport.write(step.data)
                    step = next(steps)
                else:
                    step = steps.send(self.transport.read(step.size, step.timeout))
        except StopIteration as end:
            return end.value


class SerialTransport:
    """A serial port.

    Parameters
    ----------
    port : str
        Name of the port, for example ``/dev/ttyUSB1``.
    baud : int
        Bits a second.

    Raises
    ------
    LinkError
        If the port cannot be opened, or is lost.
    """

    def __init__(self, port: str, baud: int) -> None:
        self.port = port
        try:
            self.serial = serial.Serial(port, baud, write_timeout=WRITE_TIMEOUT)
        except (serial.SerialException, OSError, ValueError) as error:
            raise LinkError(f"serial port {port} cannot be opened: {error}") from None

    def write(self, data: bytes) -> None:
        """Send all bytes; LinkError if the port is lost, or accepts no byte for a time."""
        try:
            self.serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise LinkError(f"serial port {self.port} was lost: {error}") from None

    def read(self, count: int, timeout: float) -> bytes:
        """Receive ``count`` bytes, or fewer once ``timeout`` seconds have passed."""
        try:
            self.serial.timeout = timeout
            return self.serial.read(count)
        except (serial.SerialException, OSError) as error:
            raise LinkError(f"serial port {self.port} was lost: {error}") from None

    def close(self) -> None:
        """Close the port."""
        self.serial.close()
