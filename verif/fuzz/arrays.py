"""Fuzzing of files of images, which `signum run` and `signum import` read."""

import io
import random
from pathlib import Path

import numpy as np

from signum.fpga.host.images import ImagesError, read_images

from .mutate import mutate_bytes
from .programs import odd_array, saved
from .target import ACCEPTED, Feed, Target, refused_by

__all__ = ["ARRAYS"]


def prepare(folder: Path) -> Feed:
    """Pixels, bits, labels, and containers of several arrays."""
    valid = [np.zeros((2, 1, 3, 3), np.uint8), np.ones((1, 4, 4, 2), bool), np.arange(5), np.zeros((0, 3)),
             np.zeros((3, 2, 2, 1), np.float32)]
    path = folder / "images.npy"

    def feed(rng: random.Random) -> str:
        array = rng.choice(valid)
        kind = rng.random()
        if kind < 0.5:
            data = mutate_bytes(rng, saved(array))
        elif kind < 0.9:
            data = odd_array(rng, array)
        else:
            file = io.BytesIO()
            np.savez(file, array)
            data = file.getvalue()
            data = mutate_bytes(rng, data) if rng.random() < 0.5 else data
        path.write_bytes(data)
        try:
            read_images(path)
        except ImagesError as error:
            return refused_by(error)
        return ACCEPTED

    return feed


ARRAYS = Target("arrays", prepare)
