"""A virtual board at a pseudo-terminal, for programs that use a serial port."""

import os
import select
import threading
import tty

from .virtual_board import VirtualBoard

__all__ = ["PseudoTerminal"]

STEP = 512              # cycles between two polls of the line
REST = 0.1              # seconds of the board after which its response is complete
WAIT = 0.2              # seconds between polls of the stop flag


class PseudoTerminal:
    """Serves a board in its own thread until it is closed.

    The board's time stands still while the board is idle: no program runs, and the line has been quiet for a time.

    Parameters
    ----------
    board : VirtualBoard
        Exclusively used by the thread.

    Members
    -------
    port : str
        Name of the serial port, for example ``/dev/pts/3``.
    """

    def __init__(self, board: VirtualBoard) -> None:
        self.board = board
        self._master, self._slave = os.openpty()        # the slave stays open while hosts connect and disconnect
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
                except BlockingIOError:         # without a reader bytes are lost, as on a wire
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
