"""Images for `hdl.boot.boot_loader.BootLoader`: programs or write lists, as words in the flash of a board, and back."""

import struct
import zlib
from collections.abc import Sequence

from signum.golden.compiler.program import Program
from signum.hdl.boot.boot_loader import LENGTH_BITS, fingerprint
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Control, Region, Register

__all__ = ["BLOCK_BYTES", "HEAD_BYTES", "BootImageError", "boot_image", "boot_writes", "checksum", "flash_address",
           "joined", "list_depth", "list_image"]

BLOCK_BYTES = 1 << 16
"""Bytes that a flash erases at once."""

HEAD_BYTES = 8
"""Of an image: its fingerprint and its length."""

REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class BootImageError(ValueError):
    """A program that needs a host, or a file that is no image of an array; in one line."""


def pack(words: Sequence[int]) -> bytes:
    return struct.pack(f">{len(words)}I", *words)


def checksum(image: bytes) -> int:
    """`CRC` of the words of an image, by zlib's CRC, which takes the bits of each byte in the other order."""
    return int(f"{zlib.crc32(image.translate(REVERSED)) ^ 0xFFFF_FFFF:032b}"[::-1], 2)


def boot_image(program: Program) -> bytes:
    """The image of a program that takes pixels: its writes, and the write that starts the streams.

    Raises
    ------
    BootImageError
        If the program takes maps from a host, or is larger than an image can be.
    """
    if not program.streams:
        raise BootImageError("a program must take pixels to run without a host, not maps: compile it with answers")
    layout = program.address_map
    control = layout.address(Region.REGISTERS, word=Register.CONTROL)
    writes = [*program.load_writes(), (control, int(Control.STREAM))]
    values = iter(value for _, value in writes)
    body: list[int] = []
    for address, count in layout.runs(address for address, _ in writes):
        body += [count, address, *(next(values) for _ in range(count))]
    body.append(0)
    if len(body) >= 1 << LENGTH_BITS:
        raise BootImageError(f"an image must have fewer than {1 << LENGTH_BITS} words, not {len(body)}")
    image = pack([fingerprint(program.config), len(body), *body])
    return image + pack([checksum(image)])


def list_depth(words: Sequence[int]) -> int:
    """Words of a flash that hold write lists and the CRC behind them: a power of two, of at least 2."""
    return 1 << max(1, len(words).bit_length())


def list_image(words: Sequence[int], config: ArrayConfig) -> bytes:
    """The image of write lists for an array; `hdl.boot.flash_write_list` reads what is behind its head.

    Raises
    ------
    BootImageError
        If the lists are longer than an image can be.
    """
    if len(words) >= 1 << LENGTH_BITS:
        raise BootImageError(f"an image must have fewer than {1 << LENGTH_BITS} words, not {len(words)}")
    image = pack([fingerprint(config, list_depth(words)), len(words), *words])
    return image + pack([checksum(image)])


def boot_writes(image: bytes, config: ArrayConfig) -> list[tuple[int, int]]:
    """The writes of an image for an array, as the boot loader makes them.

    Raises
    ------
    BootImageError
        If the image is of another array, cut, damaged, or made of other runs than `boot_image` makes.
    """
    words = list(struct.unpack(f">{len(image) // 4}I", image[:len(image) // 4 * 4]))
    if not words or words[0] != fingerprint(config):
        raise BootImageError("an image must begin with the fingerprint of the array's configuration")
    if len(words) < 3 or words[1] >= 1 << LENGTH_BITS or len(words) < words[1] + 3:
        raise BootImageError(f"an image must have {words[1] + 3 if len(words) > 1 else 'at least 3'} words, "
                             f"not {len(words)}")
    words = words[:words[1] + 3]
    if checksum(image[:4 * len(words)]):
        raise BootImageError("an image must have the CRC of its words")
    layout = AddressMap(config)
    writes, at, end = [], 2, len(words) - 2
    while at < end and (count := words[at]):
        address = words[at + 1]
        if at + 2 + count > end:
            raise BootImageError(f"a run of an image must end with it, {end - at - 2} words from here, not {count}")
        for value in words[at + 2:at + 2 + count]:
            if address >> layout.address_bits:
                raise BootImageError(f"an address of an image must have {layout.address_bits} bits, not {address:#x}")
            writes.append((address, value))
            address = layout.following(address)
        at += 2 + count
    if at != end or words[at]:
        raise BootImageError("an image must have a 0 behind its last run, and nothing before its CRC")
    return writes


def flash_address(bitstream_bytes: int) -> int:
    """The first block of the flash behind a bitstream."""
    return -(-bitstream_bytes // BLOCK_BYTES) * BLOCK_BYTES


def joined(bitstream: bytes, image: bytes, address: int) -> bytes:
    """The contents of a flash: the bitstream, and the image at an address behind it.

    Raises
    ------
    BootImageError
        If the bitstream reaches beyond the address.
    """
    if len(bitstream) > address:
        raise BootImageError(f"the bitstream must have at most {address} bytes in front of the image, "
                             f"not {len(bitstream)}")
    return bitstream + bytes([0xFF]) * (address - len(bitstream)) + image
