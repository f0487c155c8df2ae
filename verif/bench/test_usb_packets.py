"""Packets of the USB host against those that any bus analyser shows."""

import pytest

from signum.verif.bench.usb_packets import Pid, data_packet, packets_of, payload_of, token

GET_DESCRIPTOR = bytes.fromhex("8006000100004000")      # of the device, at most 64 bytes


@pytest.mark.parametrize(("pid", "address", "endpoint", "packet"), [
    (Pid.SETUP, 0, 0, "2d 00 10"), (Pid.IN, 0, 0, "69 00 10"), (Pid.OUT, 0, 0, "e1 00 10"), (Pid.SOF, 1, 0, "a5 01 e8"),
])
def test_tokens(pid: Pid, address: int, endpoint: int, packet: str) -> None:
    assert token(pid, address, endpoint) == bytes.fromhex(packet)


@pytest.mark.parametrize(("pid", "payload", "packet"), [
    (Pid.DATA0, GET_DESCRIPTOR, "c3 80 06 00 01 00 00 40 00 dd 94"), (Pid.DATA1, b"", "4b 00 00"),
])
def test_data(pid: Pid, payload: bytes, packet: str) -> None:
    assert data_packet(pid, payload) == bytes.fromhex(packet)
    assert payload_of(bytes.fromhex(packet)) == payload


@pytest.mark.parametrize(("pid", "octet"), [(Pid.ACK, 0xD2), (Pid.NAK, 0x5A), (Pid.STALL, 0x1E)])
def test_handshakes(pid: Pid, octet: int) -> None:
    assert pid.octet == octet


def test_every_wrong_bit_of_data_is_found() -> None:
    packet = data_packet(Pid.DATA0, GET_DESCRIPTOR)
    for place in range(8, 8 * len(packet)):
        spoiled = bytearray(packet)
        spoiled[place // 8] ^= 1 << place % 8
        with pytest.raises(AssertionError, match=f"^the CRC of {spoiled.hex()} must be right"):
            payload_of(bytes(spoiled))


@pytest.mark.parametrize(("sizes", "packets"), [([3], [3]), ([4], [4, 0]), ([9, 0], [4, 4, 1, 0])])
def test_the_last_packet_of_a_frame_is_short(sizes: list[int], packets: list[int]) -> None:
    assert [len(packet) for packet in packets_of([bytes(size) for size in sizes], 4)] == packets
