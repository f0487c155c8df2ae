"""A line to a virtual board whose host sees every byte late, as behind the drivers of a USB serial port."""

from collections import deque

from signum.fpga.host.virtual_board import VirtualBoard

__all__ = ["DelayedLine"]

STEP = 256


class DelayedLine:
    """A `fpga.host.link.Transport` to a board. Bytes to it leave at once and wait in the port; bytes from it are seen
    ``delay`` seconds of the board after they came.

    Parameters
    ----------
    board : VirtualBoard
    delay : float
        In seconds.
    """

    def __init__(self, board: VirtualBoard, delay: float) -> None:
        self.board = board
        self.delay = round(delay * board.clock)
        self._coming: deque[tuple[int, bytes]] = deque()

    def write(self, data: bytes) -> None:
        """Queue all bytes."""
        self.board.send(data)

    def read(self, timeout: float) -> bytes:
        """The bytes that are there, or the first ones that come within ``timeout`` seconds of the board."""
        end = self.board.cycles + round(timeout * self.board.clock)
        found = self._due()
        while not found and self.board.cycles < end:
            if data := self.board.run(min(STEP, end - self.board.cycles)):
                self._coming.append((self.board.cycles + self.delay, data))
            found = self._due()
        return found

    def _due(self) -> bytes:
        found = b""
        while self._coming and self._coming[0][0] <= self.board.cycles:
            found += self._coming.popleft()[1]
        return found

    def close(self) -> None:
        """Close the board."""
        self.board.close()
