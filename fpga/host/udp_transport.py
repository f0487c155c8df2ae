"""A board in the network as a transport."""

import contextlib
import select
import socket

from signum.hdl.host.udp_line import MOST_BYTES

from .link import LinkError

__all__ = ["UDP_PREFIX", "UDPTransport"]

UDP_PREFIX = "udp:"
BUFFER_BYTES = 1 << 20


class UDPTransport:
    """A UDP port of a board. Datagrams may be lost, doubled, or overtake each other.

    Parameters
    ----------
    address : str
        Its IPv4 address or name.
    port : int
        Its UDP port.

    Raises
    ------
    LinkError
        If there is no such address, or the network is lost.
    """

    def __init__(self, address: str, port: int) -> None:
        self.name = f"{address}:{port}"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self._socket.connect((address, port))
            self._socket.setblocking(False)
        except (OSError, OverflowError) as error:
            self._socket.close()
            raise LinkError(f"UDP port {self.name} cannot be reached: {error}") from None

    def write(self, data: bytes) -> None:
        """Send all bytes, in as few datagrams as can be; LinkError if the network is lost."""
        for start in range(0, len(data), MOST_BYTES):
            try:
                select.select([], [self._socket], [])
                self._socket.send(data[start:start + MOST_BYTES])
            except (BlockingIOError, ConnectionRefusedError):       # a datagram may be lost
                continue
            except OSError as error:
                raise LinkError(f"the network to {self.name} was lost: {error}") from None

    def read(self, timeout: float) -> bytes:
        """The datagrams that are there, or the first one that comes within ``timeout`` seconds; LinkError if the
        network is lost."""
        found = b""
        try:
            if not select.select([self._socket], [], [], timeout)[0]:
                return b""
            with contextlib.suppress(BlockingIOError):
                while True:
                    found += self._socket.recv(2 * MOST_BYTES)
        except ConnectionRefusedError as error:
            raise LinkError(f"no board is at {self.name}: {error}") from None
        except OSError as error:
            raise LinkError(f"the network to {self.name} was lost: {error}") from None
        return found

    def close(self) -> None:
        """Close the port."""
        self._socket.close()
