"""FINN's trained networks: every sum equals a plain model of its own, and the pictures have their right classes.

The networks are those of BNN-PYNQ, which are not part of this repository; without them most tests are skipped.
"""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import layer_cycles
from signum.golden.compiler.stream_cycles import interval_cycles
from signum.golden.importers.finn import load_finn
from signum.golden.importers.imported import Imported
from signum.golden.importers.refusal import NetworkError
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.bench.stream_runs import StreamCase, check_streams

PLACE = REPOSITORY.parent / "shared" / "pretrained" / "bnn-pynq"
there = pytest.mark.skipif(not PLACE.is_dir(), reason=f"the networks of BNN-PYNQ are not in {PLACE}")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PICTURES = {"airplane.jpg": "airplane", "bird.jpg": "bird", "car.png": "automobile", "deer.jpg": "deer",
            "dog.jpg": "dog", "deer.bin": "deer"}


def picture(name: str) -> np.ndarray:
    """A picture of 32x32 pixels, uint8 (3, 32, 32)."""
    path = PLACE / "images" / name
    if path.suffix == ".bin":
        return np.frombuffer(path.read_bytes()[1:3073], np.uint8).reshape(3, 32, 32)
    small = Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)
    return np.asarray(small).transpose(2, 0, 1)


def defined(name: str) -> list[dict[str, int]]:
    """The numbers of each layer in a header."""
    text = (PLACE / f"{name}-config.h").read_text()
    found: list[dict[str, int]] = []
    for number, key, value in re.findall(r"#define L(\d+)_(\w+) (\d+)", text):
        if int(number) == len(found):
            found.append({})
        found[int(number)][key] = int(value)
    return found


def words_of(path: Path) -> list[int]:
    whole = path.read_bytes()
    return [int.from_bytes(whole[at:at + 8], "little", signed=True) for at in range(0, len(whole), 8)]


def matrix(folder: Path, layer: int, sizes: dict[str, int]) -> np.ndarray:
    """Weights of 1 and -1, (rows, columns)."""
    rows = sizes.get("OFM_CH", sizes.get("MH", 0))
    columns = sizes["K"] ** 2 * sizes["IFM_CH"] if "K" in sizes else sizes["MW"]
    weights = np.zeros((rows, columns), dtype=np.int64)
    for pe in range(sizes["PE"]):
        words = words_of(folder / f"{layer}-{pe}-weights.bin")
        for at, word in enumerate(words):
            row, fold = divmod(at, columns // sizes["SIMD"])
            for bit in range(sizes["SIMD"]):
                weights[row * sizes["PE"] + pe, fold * sizes["SIMD"] + bit] = 1 if word >> bit & 1 else -1
    return weights


def limits(folder: Path, layer: int, sizes: dict[str, int], count: int) -> np.ndarray:
    rows = sizes.get("OFM_CH", sizes.get("MH", 0))
    found = np.zeros((rows, count), dtype=np.int64)
    for pe in range(sizes["PE"]):
        found[pe::sizes["PE"]] = np.array(words_of(folder / f"{layer}-{pe}-thres.bin")).reshape(-1, count)
    return found


def plain_model(folder: Path, image: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The activations of all layers and the last sums, by definition, of an image uint8 (C, H, W)."""
    layers = defined(folder.name)
    ternary = layers[0]["API"] == 2
    if len(image) == 3:
        real = 2 * image.astype(np.float64) / 255 - 1
        values = np.clip(np.floor(real * 128 + 0.5), -128, 127).astype(np.int64).transpose(1, 2, 0)
    else:
        values = np.where(image.reshape(-1) > 127, 1, -1)
        values = np.concatenate([values, np.full(layers[0]["MW"] - len(values), -1)])
    activations: list[np.ndarray] = []
    for number, (sizes, following) in enumerate(pairwise([*layers, {}])):
        weights = matrix(folder, number, sizes)
        if "K" in sizes:
            side = len(values) - sizes["K"] + 1
            windows = np.array([[values[y:y + sizes["K"], x:x + sizes["K"]].reshape(-1) for x in range(side)]
                                for y in range(side)])
        else:
            windows = values.reshape(-1)
        sums = windows @ weights.T
        popcounts = sums if ternary or (number == 0 and "K" in sizes) else (sums + weights.shape[1]) // 2
        if not following:
            return activations, popcounts.reshape(-1)[:10]
        count = 2 if ternary else 1
        steps = limits(folder, number, sizes, count)
        scaled = 2 * popcounts if number == 0 and "K" in sizes else popcounts       # 256ths
        values = (scaled[..., None] > steps).sum(axis=-1) * (1 if ternary else 2) - 1
        if following.get("IFM_DIM", 0) * 2 == sizes.get("OFM_DIM"):
            half = following["IFM_DIM"]
            values = values.reshape(half, 2, half, 2, -1).max(axis=(1, 3))
        activations.append(values)
    raise AssertionError


def digit() -> np.ndarray:
    """A handwritten 3."""
    return np.frombuffer((PLACE / "images" / "3.image-idx3-ubyte").read_bytes()[-784:], np.uint8).reshape(1, 28, 28)


def network(name: str) -> Imported:
    return load_finn(PLACE / ("mnist" if name.startswith("lfc") else "cifar10") / name)


@there
@pytest.mark.parametrize("name", ["cnvW1A1", "cnvW1A2", "lfcW1A1"])
def test_every_sum_equals_a_plain_model(name: str) -> None:
    found = network(name)
    folder = PLACE / ("mnist" if name.startswith("lfc") else "cifar10") / name
    rng = np.random.default_rng(0)
    images = [digit()] if name.startswith("lfc") else [picture("deer.bin"), picture("car.png")]
    images.append(rng.integers(0, 256, images[0].shape).astype(np.uint8))
    for image in images:
        activations, sums = plain_model(folder, image)
        maps = found.graph.run(found.encoder.bits(image[None].astype(np.int64)))
        for layer, wanted in zip(found.graph.layers, activations, strict=False):
            bits = maps[layer.name] if layer.inverted is None else maps[layer.name] ^ layer.inverted
            count = layer.channels // wanted.shape[-1]
            values = bits.reshape(*bits.shape[:-1], -1, count).sum(axis=-1) * (2 if count == 1 else 1) - 1
            assert np.array_equal(values.reshape(wanted.shape), wanted), layer.name
        assert np.array_equal(found.run(image[None].astype(np.int64)).reshape(-1), sums)


@there
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_have_their_class(name: str) -> None:
    for finn in ("cnvW1A1", "cnvW1A2"):
        scores = network(finn).run(picture(name)[None].astype(np.int64)).reshape(-1)
        assert CIFAR10[scores.argmax()] == PICTURES[name]


@there
def test_a_digit_has_its_class() -> None:
    assert network("lfcW1A1").run(digit()[None].astype(np.int64)).argmax() == 3


@there
@pytest.mark.slow
@pytest.mark.parametrize(("name", "changes", "cycles"), [
    ("cnvW1A1", {}, 35717),
    ("cnvW1A2", {"threshold_levels": 2, "activation_depth": 16384, "weight_depth": 2048}, 86245),
    ("lfcW1A1", {"input_planes": 1, "input_levels": 1, "input_maximum": 1, "weight_depth": 2048}, 1601)])
def test_in_rtl_from_pixels_to_classes(name: str, changes: dict[str, int], cycles: int) -> None:
    found = network(name)
    config = ArrayConfig.preset("ecp5_cnv_planes").replace(**changes)
    program = compile_graph(found.graph, config, answers=Answers())
    assert interval_cycles(program) == cycles
    if name == "cnvW1A1":       # a cycle for each bit plane of each of 30x30 pixels
        first, *others = layer_cycles(config, program.records)
        assert 8 * 900 <= first < 8 * 900 + 20
        assert 28400 < sum(others) < 28600
    images = [digit(), digit()] if name.startswith("lfc") else [picture(name) for name in PICTURES]
    check_streams([StreamCase(program=program, graph=found.graph, encoder=found.encoder, answers=Answers(),
                              images=np.stack(images).astype(np.int64))])


def folder_with(tmp_path: Path, header: str) -> Path:
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "config.h").write_text(header)
    return folder


LAYER = "#define L{0}_MW 64\n#define L{0}_MH 64\n#define L{0}_PE 1\n#define L{0}_SIMD {1}\n"


@pytest.mark.parametrize(("header", "message"), [
    ("", r"\S+config.h must define the sizes of layers L0, L1, ..., as L0_PE"),
    (LAYER.format(0, 64) + "#define L1_MW 4\n", r"\S+config.h must define L1_MH"),
    (LAYER.format(0, 48) + LAYER.format(1, 64), r"L0 of \S+ must have rows of a multiple of PE, and columns of a "
                                                r"multiple of SIMD"),
    (LAYER.format(0, 64) + LAYER.format(1, 64), r"\S+0-0-weights.bin must be a readable file: No such file or "
                                                r"directory"),
])
def test_refusals(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(NetworkError) as error:
        load_finn(folder_with(tmp_path, header))
    assert re.fullmatch(message, str(error.value)), error.value


def test_files_of_another_size(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, LAYER.format(0, 64) + LAYER.format(1, 64))
    (folder / "0-0-weights.bin").write_bytes(b"short")
    with pytest.raises(NetworkError, match=r"0-0-weights.bin must have 512 bytes, not 5$"):
        load_finn(folder)
    with pytest.raises(NetworkError, match=r"must have its config.h beside it"):
        load_finn(tmp_path)
