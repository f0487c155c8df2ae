"""Program files that another program wrote, with the right checksum: wrong types, sizes and addresses are refused."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signum.fpga.flow.program_check import LARGEST_BYTES, check_types, read_arrays
from signum.fpga.flow.program_file import STRUCTURE, ProgramFile, ProgramFileError
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment
from signum.golden.compiler.program import Program
from signum.golden.layers.encoder import Thermometer
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import VERSION
from signum.verif.bench.stream_cases import with_streams
from signum.verif.fuzz.programs import container, saved, with_head

CONFIG = ArrayConfig(rows=2, cols=3, lanes=4)


def graph() -> Graph:
    layer = Layer(name="layer", segments=(Segment(source="input", weights=np.ones((3, 4, 2, 2), bool)),),
                  thresholds=np.full((1, 1, 3), 8))
    return Graph(inputs={"input": MapShape(3, 3, 4)}, layers=(layer,))


def program() -> Program:
    return compile_graph(graph(), CONFIG)


def refused(file: ProgramFile, path: Path) -> str:
    """The reason of a file's refusal."""
    file.save(path)
    with pytest.raises(ProgramFileError) as error:
        ProgramFile.load(path)
    head = f"{path} must hold a program of this version of Signum: "
    assert str(error.value).startswith(head)
    return str(error.value).removeprefix(head)


@pytest.mark.parametrize(("changed", "reason"), [
    (lambda p: replace(p, weights=p.weights[:2]), r"program.weights must be bool (3, words, 4), not "),
    (lambda p: replace(p, weight_start=1 << 20), "program.weights must end within 1024 words, not "),
    (lambda p: replace(p, thresholds=p.thresholds.astype(float)), "program.thresholds must be at most 256 rows of "),
    (lambda p: replace(p, constants={1 << 30: 0}), "program.constants must be words of 4 bits at 0..1023, not "),
    (lambda p: replace(p, split=None), "program.split must be bool, not None"),
    (lambda p: replace(p, names=()), "program.records must be one for each layer, not 1"),
    (lambda p: replace(p, inputs={}), "program.inputs must be at least one, not {}"),
    (lambda p: replace(p, maps={}), "program.maps must have 'layer', not []"),
    (lambda p: replace(p, answer_fields={"ranks": 1}, input_fields={"split": 1}),
     "program.input_fields must be none, not "),
])
def test_programs(changed: Callable[[Program], Program], reason: str, tmp_path: Path) -> None:
    assert refused(ProgramFile(changed(program())), tmp_path / "x.sgn").startswith(reason)


def test_rows_that_share_their_thresholds(tmp_path: Path) -> None:
    """Thresholds of all rows end in front of the entries that each row has for its raw results."""
    config = CONFIG.replace(zero_padding=0, threshold_depth=16, raw_depth=8)
    whole = compile_graph(graph(), config)
    ProgramFile(whole).save(tmp_path / "whole.sgn")
    loaded = ProgramFile.load(tmp_path / "whole.sgn").program
    assert isinstance(loaded, Program)
    assert loaded.thresholds.shape == (3, 1)
    larger = replace(whole, thresholds=np.resize(whole.thresholds, (9, 1)))
    assert refused(ProgramFile(larger), tmp_path / "x.sgn") == (
        "program.thresholds must have at most 8 entries of all rows, not 9")


def test_raw_results_and_their_offsets_within_the_entries_of_a_row(tmp_path: Path) -> None:
    config = with_streams(CONFIG.replace(zero_padding=0, threshold_depth=32, raw_depth=16, sum_bits=20), ranks=1)
    layer = Layer(name="layer", segments=graph().layers[0].segments, offset=np.zeros(3, np.int64))
    whole = compile_graph(Graph(inputs=graph().inputs, layers=(layer,)), config, answers=Answers())
    assert whole.result is not None
    assert whole.result_entries == 12 + 3
    larger = replace(whole, result=replace(whole.result, pixels=5))
    assert refused(ProgramFile(larger), tmp_path / "x.sgn") == "program.result must have at most 16 entries, not 18"


@pytest.mark.parametrize(("field", "value", "reason"), [
    ("padding", (1 << 40, 0, 0, 0), "layers[0].segments[0].padding must be 0 to 65536, not "),
    ("stride", (0, 1), "the strides on map input must be at least 1, not (0, 1)"),
    ("padding", (1, 1, 1, 1), "layers[0].segments[0].pad must be an element for each of 4 channels, not "),
    ("source", 3, "program.layers[0].segments[0].source must be str, not 3"),
])
def test_segments(field: str, value: Any, reason: str, tmp_path: Path) -> None:
    whole = graph()
    object.__setattr__(whole.layers[0].segments[0], field, value)       # past the checks of a graph
    if field == "source":
        with pytest.raises(ValueError, match="source must be str, not 3"):
            check_types(whole, Graph, "program")
        return
    assert refused(ProgramFile(whole), tmp_path / "x.sgn").startswith(reason)


def test_a_map_of_any_size(tmp_path: Path) -> None:
    layer = replace(graph().layers[0])
    large = Graph(inputs={"input": MapShape(1 << 30, 1 << 30, 4)}, layers=(layer,))
    reason = refused(ProgramFile(large), tmp_path / "x.sgn")
    assert reason.startswith("input 'input' must have at least one and at most ")


def test_an_encoder_of_other_maps(tmp_path: Path) -> None:
    assert refused(ProgramFile(graph(), Thermometer(3, 8)), tmp_path / "x.sgn").startswith(
        "input input must have channels of 3 bits, not 4")


@pytest.mark.parametrize("structure", [
    None, 3, [], "x", {"hardware": VERSION}, {"hardware": VERSION, "program": 5, "encoder": None, "name": ""},
    {"hardware": VERSION, "program": ["Graph"], "encoder": None, "name": ""},
    {"hardware": VERSION, "program": ["os"], "encoder": None, "name": ""},
    {"hardware": VERSION, "program": ["tuple", ["array", 7]], "encoder": {"encoder": "Thermometer"}, "name": 3}])
def test_structures(structure: Any, tmp_path: Path) -> None:
    text = np.frombuffer(json.dumps(structure).encode(), np.uint8)
    path = tmp_path / "x.sgn"
    path.write_bytes(with_head(container({f"{STRUCTURE}.npy": saved(text)})))
    with pytest.raises(ProgramFileError, match=r"x\.sgn must "):
        ProgramFile.load(path)


@pytest.mark.parametrize("head", [b"signum program \x00\r\n", b"signum program 2\n\r\xFF\x00 x\n",
                                  b"signum program 2\n" + b"9" * 9000 + b" x\n"])
def test_heads(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.sgn"
    path.write_bytes(head + b"body")
    with pytest.raises(ProgramFileError) as error:
        ProgramFile.load(path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


def test_an_encrypted_container(tmp_path: Path) -> None:
    body = bytearray(container({f"{STRUCTURE}.npy": saved(np.zeros(3, np.uint8))}))
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        body[body.find(mark) + at] |= 1
    path = tmp_path / "x.sgn"
    path.write_bytes(with_head(bytes(body)))
    with pytest.raises(ProgramFileError, match=r"is encrypted, password required"):
        ProgramFile.load(path)


def test_a_deep_structure(tmp_path: Path) -> None:
    for depth in (100, 100_000):
        text = b'{"hardware": %d, "encoder": null, "name": "", "program": ' % VERSION
        text += b'["tuple", ' * depth + b"0" + b"]" * depth
        path = tmp_path / "x.sgn"
        path.write_bytes(with_head(container({f"{STRUCTURE}.npy": saved(np.frombuffer(text + b"}", np.uint8))})))
        with pytest.raises(ProgramFileError, match=r"levels deep|recursion"):
            ProgramFile.load(path)


def test_arrays_that_are_not_there() -> None:
    """Neither a container of zeros nor a head that claims them takes their memory."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.npy", "w") as file:
        for _ in range(LARGEST_BYTES // (1 << 24) + 1):
            file.write(bytes(1 << 24))
    with pytest.raises(ValueError, match=f"^its arrays must have at most {LARGEST_BYTES} bytes, not "):
        read_arrays(body.getvalue())
    head = saved(np.zeros(1, np.uint8)).replace(b"(1,)", b"(9**9,)")
    with pytest.raises(ValueError, match=r"^malformed node"):
        read_arrays(container({"x.npy": head}))
