"""A serial port of the operating system as a transport."""

import contextlib

import serial

from .link import LinkError

__all__ = ["SerialTransport"]

WRITE_TIMEOUT = 10.0    # seconds for a frame, which takes one at 9600 bits a second


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
        # FTDI chips gather bytes for 16 ms otherwise; other ports and systems have no such mode
        with contextlib.suppress(AttributeError, NotImplementedError, OSError, ValueError):
            self.serial.set_low_latency_mode(True)

    def write(self, data: bytes) -> None:
        """Send all bytes; LinkError if the port is lost, or accepts no byte for a time."""
        try:
            self.serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise LinkError(f"serial port {self.port} was lost: {error}") from None

    def read(self, timeout: float) -> bytes:
        """The bytes that are there, or the first ones that come within ``timeout`` seconds; LinkError if it is lost."""
        try:
            self.serial.timeout = timeout
            return self.serial.read(max(1, self.serial.in_waiting))
        except (serial.SerialException, OSError) as error:
            raise LinkError(f"serial port {self.port} was lost: {error}") from None

    def close(self) -> None:
        """Close the port."""
        self.serial.close()
