"""Arrays of images and labels in files of numpy, and their results."""

import io
import os
from pathlib import Path

import numpy as np

from signum.fpga.flow.program_check import INVALID_ARRAY, read_array
from signum.hdl.lib.emit import write_whole
from signum.hdl.told import line_of

__all__ = ["ImagesError", "read_images", "save_results"]

LARGEST_FILE = 1 << 32          # bytes


class ImagesError(ValueError):
    """A file without an array of numbers; in one line."""


def read_images(path: Path) -> np.ndarray:
    """The array of numbers of a file of ``numpy.save``.

    Raises
    ------
    ImagesError
        If the file cannot be read, is of another kind, or is not as large as its head tells.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise ImagesError(f"{path} must have at most {LARGEST_FILE} bytes, not {size}")
            return read_array(file, size, "it")
    except ImagesError:
        raise
    except OSError as error:
        raise ImagesError(f"{path} must be a readable file: {error.strerror or error}") from error
    except INVALID_ARRAY as error:
        raise ImagesError(f"{path} must be an array that numpy.save wrote: {line_of(error)}") from None


def save_results(path: Path, results: np.ndarray) -> None:
    """Write an array, the whole of it or nothing; its folder is created."""
    file = io.BytesIO()
    np.save(file, results, allow_pickle=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, file.getvalue())
