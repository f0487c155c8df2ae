"""Boot images: a program to words and back, refusals, and the file of a flash."""

import pytest

from signum.fpga.flow.boot_image import BootImageError, boot_image, boot_writes, flash_address, joined
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.networks.digits import digits_graph_untrained
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


def test_the_contents_of_a_flash():
    assert flash_address(1) == flash_address(65536) == 65536
    assert joined(b"ab", b"cd", 4) == b"ab\xff\xffcd"
    with pytest.raises(BootImageError, match=r"^the bitstream must have at most 1 bytes in front of the image, not 2$"):
        joined(b"ab", b"cd", 1)
