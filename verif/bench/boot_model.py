"""What the boot loader does with the contents of a flash: its two passes, word by word; the RTL is compared with it."""

import struct

from signum.fpga.flow.boot_image import checksum
from signum.hdl.boot.boot_loader import LENGTH_BITS, BootStatus, fingerprint
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap

__all__ = ["EndlessError", "booted"]

ERASED = 0xFFFF_FFFF


class EndlessError(RuntimeError):
    """A second pass that leaves the image: one with the right CRC and wrong runs, which no builder makes."""


def booted(content: bytes, config: ArrayConfig) -> tuple[BootStatus, list[tuple[int, int]]]:
    """The status in the end, and the writes, of contents from the address of the image on; erased flash follows."""
    content += b"\xFF" * (-len(content) % 4)
    words = struct.unpack(f">{len(content) // 4}I", content)
    layout, mask = AddressMap(config), (1 << LENGTH_BITS) - 1

    def word(at: int) -> int:
        return words[at] if at < len(words) else ERASED

    if word(0) != fingerprint(config):
        return BootStatus.FOREIGN, []
    count = (word(1) & mask) + 3
    if count > len(words) or checksum(content[:4 * count]):
        # erased words behind the content have the right CRC once in 2**32 times
        return BootStatus.DAMAGED, []
    writes, at = [], 2
    while runs := word(at) & mask:
        address = word(at + 1) & (1 << layout.address_bits) - 1
        if at + 2 + runs > len(words):
            raise EndlessError
        for place in range(at + 2, at + 2 + runs):
            writes.append((address, word(place)))
            address = layout.following(address) & (1 << layout.address_bits) - 1
        at += 2 + runs
    good = at + 2 <= len(words) and not checksum(content[:4 * at + 8])
    return BootStatus.RUNNING if good else BootStatus.DAMAGED, writes
