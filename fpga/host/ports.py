"""The ports at which boards are, by their names."""

from signum.fpga.flow.lines.ethernet_line import PORT

from .link import LinkError, Transport
from .serial_transport import SerialTransport
from .udp_transport import UDP_PREFIX, UDPTransport
from .usb_transport import USBTransport

__all__ = ["USB", "open_port"]

USB = "usb"


def open_port(name: str, baud: int) -> Transport:
    """The transport of a port.

    Parameters
    ----------
    name : str
        ``udp:ADDRESS`` or ``udp:ADDRESS:PORT``; ``usb``; otherwise a serial port, such as ``/dev/ttyUSB1``.
    baud : int
        Bits a second of a serial port.

    Raises
    ------
    LinkError
        If it cannot be opened.
    """
    if name == USB:
        return USBTransport()
    if not name.startswith(UDP_PREFIX):
        return SerialTransport(name, baud)
    address, colon, port = name.removeprefix(UDP_PREFIX).partition(":")
    if not address or (colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16)):
        raise LinkError(f"port must be {UDP_PREFIX}ADDRESS or {UDP_PREFIX}ADDRESS:PORT, not {name}")
    return UDPTransport(address, int(port) if colon else PORT)
