"""A serial port at a pseudo-terminal, whose other end the test holds: bytes, waits, and ports that go away."""

import contextlib
import os
import pty
import random
import threading
import time
from collections.abc import Iterator

import pytest
import serial

from signum.fpga.host import serial_transport
from signum.fpga.host.link import LinkError
from signum.fpga.host.serial_transport import SerialTransport


class Board:
    """The board's end of a terminal."""

    def __init__(self) -> None:
        self.end, terminal = pty.openpty()
        self.port = os.ttyname(terminal)
        self.transport = SerialTransport(self.port, 115_200)    # which makes the terminal pass all bytes as they are
        os.close(terminal)

    def send(self, data: bytes) -> None:
        """Send bytes to the host."""
        while data:
            data = data[os.write(self.end, data[:256]):]

    def receive(self, count: int) -> bytes:
        """So many bytes of the host."""
        data = b""
        while len(data) < count:
            data += os.read(self.end, count - len(data))
        return data

    def close(self) -> None:
        """The terminal goes away, if it has not yet."""
        with contextlib.suppress(OSError):
            os.close(self.end)


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()
    yield made
    made.transport.close()
    made.close()


def test_every_byte_in_both_directions(board: Board, seed: int) -> None:
    """No byte is taken for a control character; many wait for a slow reader."""
    rng = random.Random(seed)
    sent, answered = (bytes(rng.sample(range(256), 256)) + rng.randbytes(20_000) for _ in range(2))
    sender = threading.Thread(target=board.transport.write, args=(sent,))
    sender.start()
    assert board.receive(len(sent)) == sent
    sender.join()
    sender = threading.Thread(target=board.send, args=(answered,))
    sender.start()
    found = b""
    while len(found) < len(answered):
        part = board.transport.read(10.0)
        assert part
        found += part
    sender.join()
    assert found == answered


def test_a_read_ends_with_the_first_bytes_or_the_time(board: Board) -> None:
    began = time.monotonic()
    assert board.transport.read(0.05) == b""
    assert time.monotonic() - began >= 0.05
    later = threading.Timer(0.05, board.send, (b"late",))
    later.start()
    began = time.monotonic()
    assert board.transport.read(60.0)[:1] == b"l"
    assert time.monotonic() - began < 30
    later.join()
    board.send(b"there")
    while board.transport.serial.in_waiting < 5:
        time.sleep(0.001)
    assert board.transport.read(0.0)[-5:] == b"there"


def test_a_port_that_goes_away(board: Board) -> None:
    board.close()
    for use in (lambda: board.transport.read(0.1), lambda: board.transport.write(b"x")):
        with pytest.raises(LinkError, match=f"^serial port {board.port} was lost: "):
            use()


def test_a_board_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_transport, "WRITE_TIMEOUT", 0.1)
    board = Board()
    with (contextlib.closing(board), contextlib.closing(board.transport),
          pytest.raises(LinkError, match=f"^serial port {board.port} was lost: Write timeout")):
        board.transport.write(bytes(1 << 20))


@pytest.mark.parametrize("port", ["/dev/none", "", "\0"])
def test_a_port_that_there_is_not(port: str) -> None:
    with pytest.raises(LinkError, match=f"^serial port {port} cannot be opened: "):
        SerialTransport(port, 1_000_000)


@pytest.mark.parametrize("error", [AttributeError, NotImplementedError, OSError, ValueError])
def test_systems_without_low_latency(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """The mode is asked for, and not needed."""
    asked = []

    def refuse(port: serial.Serial, on: bool) -> None:
        asked.append(on)
        raise error

    monkeypatch.setattr(serial.Serial, "set_low_latency_mode", refuse)
    board = Board()
    with contextlib.closing(board), contextlib.closing(board.transport):
        board.transport.write(b"x")
        assert board.receive(1) == b"x"
    assert asked == [True]
