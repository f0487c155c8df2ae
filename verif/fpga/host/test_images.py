"""Files of images: an array of numbers as large as its head tells, or one line; results are written whole."""

from pathlib import Path

import numpy as np
import pytest

from signum.fpga.host.images import ImagesError, read_images, save_results


@pytest.mark.parametrize("array", [np.zeros((2, 3), np.uint8), np.ones((), bool), np.zeros((0, 2)),
                                   np.asfortranarray(np.arange(6).reshape(2, 3))])
def test_an_array_comes_back(array: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.npy"
    save_results(path, array)
    found = read_images(path)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    assert [other.name for other in path.parent.iterdir()] == ["x.npy"]


def head(shape: str, dtype: str = "|u1") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(("data", "message"), [
    (b"", "EOF"), (b"PK\x03\x04" + bytes(40), "magic string"), (head("(1 << 40,)"), "malformed node"),
    (head(f"({1 << 40},)") + b"1234", r"it must have the 4 bytes that follow its head, not"),
    (head("(2,)", "|O") + b"12", "it must have numbers, not dtype"),
    (head("(2,)", "<U1") + b"12345678", "it must have numbers, not dtype"),
    (head("(((((2,)"), "it must have a head that numpy wrote: "),
])
def test_other_files(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    with pytest.raises(ImagesError, match=rf"x\.npy must be an array that numpy\.save wrote: .*({message})"):
        read_images(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match=r"must be a readable file: No such file or directory$"):
        read_images(tmp_path / "x.npy")
    with pytest.raises(ImagesError, match=r"must be a readable file: Is a directory$"):
        read_images(tmp_path)
