"""The line: byte streams between a host and the bridge, over a serial port, USB or a network."""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["line_signature", "sent_layout"]

sent_layout = data.StructLayout({"byte": 8, "last": 1})
"""A byte to the host. The last byte of a frame is marked: a packet ends there, and waits for no further frame."""

line_signature = wiring.Signature({
    "received": Out(stream.Signature(8)),
    "sent": In(stream.Signature(sent_layout)),
})
"""The line as its port has it: ``received`` are bytes of the host in order, ``sent`` bytes to it.

Bytes may be lost, damaged, invented or doubled, and packets may arrive in another order: the frames of
`hdl.host.frames` detect it. A frame never spans two packets of a line that has packets.
"""
