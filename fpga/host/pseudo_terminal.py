"""A virtual board at a pseudo-terminal, for programs that use a serial port."""

import contextlib
import os
import select
import tty

from .board_server import BoardServer
from .virtual_board import VirtualBoard

__all__ = ["PseudoTerminal"]

MOST_BYTES = 4096


class PseudoTerminal(BoardServer):
    """A `BoardServer` whose port is a serial one, for example ``/dev/pts/3``.

    Parameters
    ----------
    board : VirtualBoard
        With a serial line.
    """

    def __init__(self, board: VirtualBoard) -> None:
        self._master, self._slave = os.openpty()        # the slave stays open while hosts connect and disconnect
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        super().__init__(board)

    def receive(self, timeout: float) -> bytes:
        """Bytes of the host."""
        return os.read(self._master, MOST_BYTES) if select.select([self._master], [], [], timeout)[0] else b""

    def send(self, data: bytes) -> None:
        """Bytes to the host; without a reader they are lost, as on a wire."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)

    def close_port(self) -> None:
        """Remove the port."""
        os.close(self._master)
        os.close(self._slave)
