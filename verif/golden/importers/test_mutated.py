"""Damaged files: a network or one line, never another error, and no hang."""

import time
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from signum.golden.importers.qonnx import load_qonnx, read_model
from signum.golden.importers.refusal import NetworkError

from .networks import STYLES

LONGEST = 20
"""Seconds of one file; those of whole networks take less than one."""


def mutated_bytes(rng: np.random.Generator, whole: bytes) -> bytes:
    """Some bytes changed, cut out or doubled."""
    found = bytearray(whole)
    for _ in range(int(rng.integers(1, 4))):
        if not found:
            break
        at = int(rng.integers(len(found)))
        match int(rng.integers(4)):
            case 0:
                found[at] = int(rng.integers(256))
            case 1:
                del found[at:at + int(rng.integers(1, 30))]
            case 2:
                found[at:at] = found[at:at + int(rng.integers(1, 30))]
            case _:
                found = found[:at + 1]
    return bytes(found)


def mutated_model(rng: np.random.Generator, model: ModelProto) -> ModelProto:
    """A whole file with one part of its meaning changed."""
    changed = ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    node = graph.node[int(rng.integers(len(graph.node)))]
    names = [name for other in graph.node for name in (*other.input, *other.output)]
    match int(rng.integers(8)):
        case 0:
            node.op_type = str(rng.choice([other.op_type for other in graph.node]))
        case 1 if node.input:
            node.input[int(rng.integers(len(node.input)))] = str(rng.choice(names))
        case 2:
            graph.node.remove(node)
        case 3 if node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            attribute.i = int(rng.integers(-3, 1 << 20))
            del attribute.ints[:]
            attribute.ints.extend(rng.integers(-2, 9, int(rng.integers(5))).tolist())
        case 4:
            constant = graph.initializer[int(rng.integers(len(graph.initializer)))]
            values = np.frombuffer(constant.raw_data, np.float32).copy()
            if len(values):
                values[int(rng.integers(len(values)))] = rng.choice([0, -1, np.nan, np.inf, 1e30, 1e-30, 3])
                constant.raw_data = values.tobytes()
        case 5:
            constant = graph.initializer[int(rng.integers(len(graph.initializer)))]
            del constant.dims[:]
            constant.dims.extend(rng.integers(0, 70, int(rng.integers(5))).tolist())
        case 6 if node.input:
            del node.input[-1]
        case _:
            node.domain = str(rng.choice(["", "x", "qonnx.custom_op.general"]))
    return changed


def outcome(source: bytes | ModelProto, path: Path) -> str:
    """"network" or "refused"; other errors are raised."""
    began = time.monotonic()
    try:
        if isinstance(source, bytes):
            path.write_bytes(source)
            load_qonnx(read_model(path))
        else:
            load_qonnx(source)
    except NetworkError as error:
        return "more than a line" if "\n" in str(error) else "refused"
    finally:
        assert time.monotonic() - began < LONGEST
    return "network"


@pytest.mark.parametrize(("seed", "count"), [(0, 150), pytest.param(1, 2500, marks=pytest.mark.long)])
def test_mutated_files(seed: int, count: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    models = [STYLES[name]() for name in ("residual of sums", "FINN", "signs", "ties")]
    found = []
    for number in range(count):
        model = models[number % len(models)]
        source = mutated_model(rng, model) if number % 2 else mutated_bytes(rng, model.SerializeToString())
        found.append(outcome(source, tmp_path / "network.onnx"))
    assert set(found) == {"network", "refused"}
    assert found.count("network") > count / 50
    assert found.count("refused") > count / 10
