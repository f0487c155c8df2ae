"""Fuzzing of boot images: the host's reader, beside the model of the boot loader that its RTL is compared with."""

import random
import struct
from pathlib import Path

import numpy as np

from signum.fpga.flow.boot_image import BootImageError, boot_image, boot_writes, checksum, flash_address, joined
from signum.hdl.boot.boot_loader import LENGTH_BITS, BootStatus, fingerprint
from signum.hdl.config import ArrayConfig
from signum.verif.bench.boot_model import EndlessError, booted
from signum.verif.bench.cases import draw_config
from signum.verif.bench.stream_cases import draw_stream, with_streams

from .mutate import mutate_bytes
from .target import ACCEPTED, BrokenError, Feed, Target, refused_by

__all__ = ["FLASH"]

LARGEST = 12_000        # bytes of a valid image


def prepare(folder: Path) -> Feed:
    """Images of programs that take pixels, and small ones of one run."""
    rng = np.random.default_rng(1)
    valid: list[tuple[ArrayConfig, bytes]] = []
    while len(valid) < 10:
        case = draw_stream(rng, with_streams(draw_config(rng, element_bits=1)), batches=1)
        if len(image := boot_image(case.program)) < LARGEST:
            valid.append((case.program.config, image))
    for config, _ in valid[:5]:
        small = struct.pack(">6I", fingerprint(config), 4, 1, 0, 7, 0)
        valid.append((config, small + struct.pack(">I", checksum(small))))

    def made(rng: random.Random, image: bytes) -> tuple[bytes, bool]:
        """Contents of a flash, and whether their CRC may be right."""
        kind = rng.random()
        if kind < 0.5:
            found = mutate_bytes(rng, image)
            return found, found[:len(image)] == image
        if kind < 0.95:
            words = list(struct.unpack(f">{len(image) // 4}I", image))[:-1]
            for _ in range(rng.randint(1, 3)):
                at = rng.choice([0, 1, 2, 3, len(words) - 1, rng.randrange(len(words))])
                if at >= len(words):
                    continue
                what = rng.randrange(5)
                if what == 0:
                    words[at] = rng.choice([0, 1, 2, len(words), 1 << LENGTH_BITS, (1 << LENGTH_BITS) - 1, 0xFFFFFFFF])
                elif what == 1:
                    words[at] = words[at] + rng.choice([-1, 1]) & 0xFFFFFFFF
                elif what == 2:
                    del words[at]
                elif what == 3:
                    words.insert(at, words[at])
                else:
                    words[1:2] = [len(words) - 2]
            if rng.random() < 0.7 and len(words) > 1:
                words[1] = len(words) - 2
            found = struct.pack(f">{len(words)}I", *words)
            return found + struct.pack(">I", checksum(found)), True
        return joined(rng.randbytes(rng.randrange(40)), image, 64)[64:] + rng.randbytes(rng.randrange(9)), True

    def feed(rng: random.Random) -> str:
        config, image = rng.choice(valid)
        content, right = made(rng, image)
        try:
            writes = boot_writes(content, config)
        except BootImageError as error:
            try:
                status, _ = booted(content, config)
            except EndlessError:
                status = BootStatus.RUNNING
            if status == BootStatus.RUNNING and not right:
                raise BrokenError(f"a damaged image must not run: {error}") from None
            return refused_by(error)
        if (BootStatus.RUNNING, writes) != booted(content, config):
            raise BrokenError("an image must make the writes of the boot loader")
        if flash_address(len(content)) < len(content):
            raise BrokenError("an image must lie behind its bitstream")
        return ACCEPTED

    return feed


FLASH = Target("flash", prepare)
