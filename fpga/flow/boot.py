"""Where a board boots from: the addresses of a program, or of write lists, in its flash, and how they are read."""

from dataclasses import dataclass
from math import ceil

from signum.hdl.boot.flash_reader import ADDRESS_BITS

from .boot_image import HEAD_BYTES
from .lines.board_line import BoardError

__all__ = ["Boot"]

FLASH_BYTES = 1 << ADDRESS_BITS
WORD_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Boot:
    """A program in the flash of a board, which `hdl.boot.boot_loader.BootLoader` loads at power-up; or write lists.

    Parameters
    ----------
    address : int
        Of the first byte behind the bitstream.
    wake : float
        Seconds that the flash takes to wake up.
    divisor, lines : int
        See `hdl.boot.flash_reader.FlashReader`.
    depth : int
        Words of write lists in the flash, a power of two (`fpga.flow.boot_image.list_depth`); 0 for a program.

    Raises
    ------
    BoardError
        If the write lists do not fit into the addresses of a flash.
    """

    address: int
    wake: float = 30e-6
    divisor: int = 1
    lines: int = 1
    depth: int = 0

    def __post_init__(self) -> None:
        if self.depth and self.list_address + WORD_BYTES * self.depth > FLASH_BYTES:
            raise BoardError(f"write lists must end below {FLASH_BYTES} bytes of the flash, "
                             f"not at {self.list_address + WORD_BYTES * self.depth}")

    @property
    def list_address(self) -> int:
        """Of the first word of write lists, a multiple of the bytes of them all."""
        size = WORD_BYTES * self.depth
        return -(-(self.address + HEAD_BYTES) // size) * size

    @property
    def image_address(self) -> int:
        """Of the image, the words of which follow its head."""
        return self.list_address - HEAD_BYTES if self.depth else self.address

    def wake_cycles(self, clock: float) -> int:
        """Cycles of a clock in Hz that the flash takes to wake up."""
        return ceil(self.wake * clock)
