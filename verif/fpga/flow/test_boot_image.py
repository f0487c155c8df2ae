"""Boot images: a program to words and back, refusals, the file of a flash, and a board that boots from it."""

import contextlib
import struct

import numpy as np
import pytest

from signum.fpga.flow.boot import Boot
from signum.fpga.flow.boot_image import (
    BootImageError,
    boot_image,
    boot_writes,
    checksum,
    flash_address,
    joined,
    list_depth,
    list_image,
)
from signum.fpga.flow.lines.serial_line import SerialPort
from signum.fpga.host.device import Device, DeviceError
from signum.fpga.host.link import Link
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.answers import Answers, ranked
from signum.golden.compiler.compile import compile_graph
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.boot.boot_loader import CRC, fingerprint
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import Control, Region, Register

CONFIG = ArrayConfig.preset("icebreaker_camera")


def test_the_writes_of_a_program_and_the_start():
    program = compile_graph(digits_graph_untrained(0), CONFIG, split=True, answers=Answers())
    image = boot_image(program)
    control = program.address_map.address(Region.REGISTERS, word=Register.CONTROL)
    assert boot_writes(image, CONFIG) == [*program.load_writes(), (control, Control.STREAM)]
    assert boot_writes(image + b"\xFF" * 9, CONFIG) == boot_writes(image, CONFIG)
    for broken, message in (
            (image[:-4], r"^an image must have \d+ words, not \d+$"),
            (image[:-1] + bytes([image[-1] ^ 1]), "^an image must have the CRC of its words$"),
            (b"\xFF" * 100, "^an image must begin with the fingerprint of the array's configuration$")):
        with pytest.raises(BootImageError, match=message):
            boot_writes(broken, CONFIG)
    with pytest.raises(BootImageError, match="fingerprint"):
        boot_writes(image, CONFIG.replace(cols=5, tile=5))


def test_a_program_that_needs_a_host():
    program = compile_graph(digits_graph_untrained(0), ArrayConfig.preset("icebreaker"))
    with pytest.raises(BootImageError, match=r"^a program must take pixels to run without a host, not maps: "):
        boot_image(program)


def test_the_checksum_is_that_of_the_loader():
    for image in (b"", bytes(4), bytes(range(64)), b"\xFF" * 12):
        words = struct.unpack(f">{len(image) // 4}I", image)
        assert checksum(image) == CRC.compute(words)
        assert checksum(image + checksum(image).to_bytes(4, "big")) == 0


@pytest.mark.parametrize(("body", "message"), [
    ((2, 0, 7, 0), "^a run of an image must end with it, 1 words from here, not 2$"),
    ((1, 1 << 31, 7, 0), r"^an address of an image must have \d+ bits, not 0x80000000$"),
    ((1, 0, 7, 1), "^an image must have a 0 behind its last run, and nothing before its CRC$"),
    ((0, 0, 7, 0), "^an image must have a 0 behind its last run, and nothing before its CRC$"),
    ((1, 0, 7), "^a run of an image must end with it, 0 words from here, not 1$"),
])
def test_wrong_runs_with_the_right_crc(body, message):
    image = struct.pack(f">{2 + len(body)}I", fingerprint(CONFIG), len(body), *body)
    with pytest.raises(BootImageError, match=message):
        boot_writes(image + checksum(image).to_bytes(4, "big"), CONFIG)


def test_write_lists():
    for count, depth in ((1, 2), (3, 4), (4, 8), (1000, 1024), (1024, 2048)):
        words = list(range(count))
        image = list_image(words, CONFIG)
        assert list_depth(words) == depth
        assert struct.unpack(f">{count + 2}I", image[:-4]) == (fingerprint(CONFIG, depth), count, *words)
        assert checksum(image) == 0
    with pytest.raises(BootImageError, match=r"^an image must have fewer than 1048576 words, not 1048576$"):
        list_image([0] * (1 << 20), CONFIG)


def test_the_contents_of_a_flash():
    assert flash_address(1) == flash_address(65536) == 65536
    assert joined(b"ab", b"cd", 4) == b"ab\xff\xffcd"
    with pytest.raises(BootImageError, match=r"^the bitstream must have at most 1 bytes in front of the image, not 2$"):
        joined(b"ab", b"cd", 1)


@pytest.mark.parametrize(("wrong", "loader"), [(None, 0), (1234, 0), (None, 16)])
def test_a_board_answers_from_power_up_on(wrong, loader):
    """Its host sends pixels alone; with a wrong bit in the image there is nothing to answer them. A loader in its
    single-port RAMs lets all pass."""
    config, boot, clock = ArrayConfig.preset("icebreaker_pixels"), Boot(address=1 << 17), 30e6
    graph = digits_graph_untrained(0)
    program = compile_graph(graph, config, split=True, answers=Answers())
    image = bytearray(boot_image(program))
    if wrong is not None:
        image[wrong] ^= 1
    board = VirtualBoard(config, clock=clock, line=SerialPort(6_000_000), boot=boot, loader=loader,
                         flash=joined(b"", bytes(image), boot.address))
    images = digits().test.images[:5]
    values = digits_encoder().values(images).astype(np.uint8)
    with contextlib.closing(board):
        device = Device(Link(board))
        if wrong is not None:
            with pytest.raises(DeviceError, match=r"^the board must have a program from its flash: "):
                device.attach(program)
            return
        device.attach(program)
        one = device.answer(values[:1])
        assert board.cycles < 0.1 * clock
        found = np.concatenate([one, device.answer(values[1:])])
    expected = ranked(graph.layers[-1].values(graph.run(digits_encoder().bits(images))[graph.layers[-1].name]), 1)
    assert np.array_equal(found.reshape(expected.shape), expected)
