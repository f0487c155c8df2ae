"""A virtual board in a thread of its own, for programs that know only the ports of the operating system."""

import threading
from abc import ABC, abstractmethod
from typing import Self

from .virtual_board import VirtualBoard

__all__ = ["WAIT", "BoardServer"]

STEP = 512              # cycles between two polls of the port
REST = 10_000           # cycles after which the board's response is complete
WAIT = 0.2              # seconds between polls of the stop flag


class BoardServer(ABC):
    """Serves a board at a port until it is closed.

    The board's time stands still while the board is idle: no program runs, and the line has been quiet for a time.

    Parameters
    ----------
    board : VirtualBoard
        Exclusively used by the thread.

    Members
    -------
    port : str
        Name of the port, as `fpga.host.ports.open_port` takes it.
    """

    port: str

    def __init__(self, board: VirtualBoard) -> None:
        self.board = board
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @abstractmethod
    def receive(self, timeout: float) -> bytes:
        """Bytes or a datagram of the host, the first within ``timeout`` seconds; nothing after that."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Bytes or a datagram to the host; lost where nobody takes them."""

    @abstractmethod
    def close_port(self) -> None:
        """Remove the port."""

    def _serve(self) -> None:
        board = self.board
        end = board.cycles
        while not self._stopped.is_set():
            working = board.busy or board.cycles < end
            if data := self.receive(0 if working else WAIT):
                board.send(data)
                end = board.cycles + REST
            elif not working:
                continue
            for packet in board.run_packets(STEP):
                end = board.cycles + REST
                self.send(packet)

    def close(self) -> None:
        """Stop serving and remove the port."""
        self._stopped.set()
        self._thread.join()
        self.close_port()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
