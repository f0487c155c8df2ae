"""A virtual board behind a pseudo-terminal: programs that talk to a serial port talk to it."""

import os
import select
import threading
import tty

from .virtual_board import VirtualBoard

__all__ = ["PseudoTerminal"]

STEP = 512              # cycles from one look at the line to the next
REST = 0.1              # seconds of the board after which its answer is complete
WAIT = 0.2              # seconds between looks at whether it is to stop


class PseudoTerminal:
    """Serves a board in a thread of its own until it is closed.

    The board's time stands still while nothing happens: there is no program to run, nothing on the line, and the last
    byte is long ago.

    Parameters
    ----------
    board : VirtualBoard
        Nobody else may use it meanwhile.

    Members
    -------
    port : str
        Name of the serial port, such as ``/dev/pts/3``.
    """

    def __init__(self, board: VirtualBoard) -> None:
        self.board = board
        self._master, self._slave = os.openpty()        # an open slave, so that hosts may come and go
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        board = self.board
        rest = round(REST * board.clock)
        end = board.cycles
        while not self._stopped.is_set():
            working = board.busy or board.cycles < end
            if select.select([self._master], [], [], 0 if working else WAIT)[0]:
                board.send(os.read(self._master, 4096))
                end = board.cycles + rest
            elif not working:
                continue
            if came := board.run(STEP):
                end = board.cycles + rest
                try:
                    os.write(self._master, came)
                except BlockingIOError:         # nobody reads: bytes are lost, as on a wire
                    continue

    def close(self) -> None:
        """Stop serving and remove the port."""
        self._stopped.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def __enter__(self) -> "PseudoTerminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
