"""The addresses of a program, and of write lists, in a flash."""

import pytest

from signum.fpga.flow.boot import Boot
from signum.fpga.flow.boot_image import HEAD_BYTES
from signum.fpga.flow.lines.board_line import BoardError


def test_a_program_follows_the_bitstream() -> None:
    assert Boot(address=1 << 17).image_address == 1 << 17


@pytest.mark.parametrize("address", [0, 1, 0x1234, 1 << 17, (1 << 17) + 1])
@pytest.mark.parametrize("depth", [1, 2, 64, 1 << 14])
def test_write_lists_lie_at_a_multiple_of_their_bytes(address: int, depth: int) -> None:
    """At the first one that leaves room for the head of the image between bitstream and words."""
    place = Boot(address=address, depth=depth)
    assert place.list_address % (4 * depth) == 0
    assert 0 <= place.image_address - address < 4 * depth
    assert place.list_address - place.image_address == HEAD_BYTES


def test_write_lists_end_with_the_flash() -> None:
    assert Boot(address=1 << 20, depth=1 << 21).list_address == 1 << 23
    with pytest.raises(BoardError, match=r"^write lists must end below 16777216 bytes of the flash, not at 33554432$"):
        Boot(address=1 << 20, depth=1 << 22)


@pytest.mark.parametrize(("wake", "clock", "cycles"), [(30e-6, 24e6, 720), (30e-6, 1e3, 1), (0.0, 24e6, 0)])
def test_a_flash_wakes_up_in_whole_cycles(wake: float, clock: float, cycles: int) -> None:
    assert Boot(address=0, wake=wake).wake_cycles(clock) == cycles
