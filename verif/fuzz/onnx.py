"""Fuzzing of networks of others: QONNX files, and the header and parameters of FINN's."""

import random
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import EncodeError
from onnx import ModelProto, TensorProto, helper

from signum.golden.importers.finn import load_finn
from signum.golden.importers.qonnx import load_qonnx
from signum.golden.importers.refusal import NetworkError
from signum.golden.importers.report import layer_reports, program_for
from signum.hdl.config import ArrayConfig
from signum.verif.golden.importers.networks import STYLES

from .mutate import mutate_bytes, mutate_text, odd_value
from .target import ACCEPTED, Feed, Target, refused_by

__all__ = ["FINN", "QONNX"]

ARRAY = ArrayConfig.preset("ecp5_2k")
OPERATORS = ("Conv", "Gemm", "MatMul", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "Flatten",
             "Reshape", "Transpose", "Squeeze", "Pad", "TopK", "ArgMax", "Mul", "Add", "Sub", "Div", "Relu", "Clip",
             "Quant", "BipolarQuant", "MultiThreshold", "Sign", "Constant", "Shape", "Gather", "Concat",
             "Pow", "Unknown")
ATTRIBUTES = ("kernel_shape", "strides", "pads", "dilations", "group", "axis", "axes", "perm", "transB", "alpha",
              "signed", "narrow", "rounding_mode", "out_scale", "out_bias", "ceil_mode", "auto_pad", "keepdims", "k")
SIZES = (0, 1, -1, 2, 3, 5, 64, 1 << 16, 1 << 31, -(1 << 31), (1 << 63) - 1)


def mutate_node(rng: random.Random, model: ModelProto) -> None:
    graph = model.graph
    node = rng.choice(graph.node)
    names = [name for other in graph.node for name in (*other.input, *other.output)]
    kind = rng.randrange(12)
    if kind == 0:
        node.op_type = rng.choice(OPERATORS)
    elif kind == 1 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice([*names, "", "x"])
    elif kind == 2:
        graph.node.remove(node)
    elif kind == 3:
        graph.node.add().CopyFrom(node)
    elif kind == 4 and node.attribute:
        attribute = rng.choice(node.attribute)
        attribute.i = rng.choice(SIZES)
        attribute.f = rng.choice([0.0, -1.0, float("nan"), float("inf"), 1e38])
        if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(SIZES)
        if rng.random() < 0.3:
            del attribute.ints[:]
            attribute.ints.extend(rng.choice(SIZES) for _ in range(rng.randrange(6)))
    elif kind == 5:
        value: Any = rng.choice([rng.choice(SIZES), [rng.choice(SIZES) for _ in range(rng.randint(1, 4))], 0.5, "VALID",
                                 "ä"])
        node.attribute.append(helper.make_attribute(rng.choice(ATTRIBUTES), value))
    elif kind == 6 and node.attribute:
        del node.attribute[rng.randrange(len(node.attribute))]
    elif kind == 7:
        node.domain = rng.choice(["", "x", "qonnx.custom_op.general", "onnx.brevitas", "ai.onnx"])
    elif kind == 8 and node.input:
        del node.input[-1]
    elif kind == 9 and node.output:
        node.output[rng.randrange(len(node.output))] = rng.choice(names)
    elif kind == 10:
        node.input.append(rng.choice(names))
    else:
        node.op_type, node.domain = rng.choice([(other.op_type, other.domain) for other in graph.node])


def mutate_constant(rng: random.Random, model: ModelProto) -> None:
    graph = model.graph
    if not graph.initializer:
        return
    constant = rng.choice(graph.initializer)
    kind = rng.randrange(6)
    if kind < 2 and constant.raw_data and constant.data_type == TensorProto.FLOAT:
        values = np.frombuffer(constant.raw_data, np.float32).copy()
        if len(values):
            values[rng.randrange(len(values))] = rng.choice([0, -1, np.nan, np.inf, 1e38, 1e-45, 3, 0.3])
        constant.raw_data = values.tobytes()
    elif kind == 2:
        del constant.dims[:]
        constant.dims.extend(rng.choice([*SIZES, rng.randrange(70)]) for _ in range(rng.randrange(6)))
    elif kind == 3:
        constant.data_type = rng.randrange(25)
    elif kind == 4:
        constant.raw_data = mutate_bytes(rng, constant.raw_data)
    else:
        constant.name = rng.choice([other.name for other in graph.initializer])


def mutate_frame(rng: random.Random, model: ModelProto) -> None:
    """The inputs, outputs, and versions."""
    kind = rng.randrange(5)
    graph = model.graph
    if kind == 0:
        dims = graph.input[0].type.tensor_type.shape.dim if graph.input else []
        for dim in dims:
            if rng.random() < 0.5:
                dim.dim_value = rng.choice(SIZES)
    elif kind == 1 and model.opset_import:
        rng.choice(model.opset_import).version = rng.choice([*SIZES, 7, 13, 21])
    elif kind == 2 and graph.output:
        graph.output[0].name = rng.choice([name for node in graph.node for name in node.output] or ["x"])
    elif kind == 3:
        graph.input.add().CopyFrom(graph.input[0])
    elif graph.input:
        graph.input[0].name = rng.choice(["", "x", "t0"])


def prepare_qonnx(folder: Path) -> Feed:
    """Networks of each style of the importers' tests."""
    models = [make() for make in STYLES.values()]
    models = [model for model in models if model.ByteSize() < 100_000]
    path = folder / "network.onnx"

    def feed(rng: random.Random) -> str:
        model = ModelProto()
        model.CopyFrom(rng.choice(models))
        data = b""
        if rng.random() < 0.25:
            data = mutate_bytes(rng, model.SerializeToString())
        else:
            for _ in range(rng.randint(1, 3)):
                rng.choice([mutate_node, mutate_node, mutate_constant, mutate_frame])(rng, model)
                if not model.graph.node:
                    break
            try:
                data = model.SerializeToString()
            except (EncodeError, ValueError):       # text that is no Unicode
                return "refused"
        path.write_bytes(data)
        try:
            network = load_qonnx(path)
        except NetworkError as error:
            return refused_by(error)
        layer_reports(network, program_for(network, ARRAY))
        return ACCEPTED

    return feed


HEADER = """#define L0_K 3
#define L0_IFM_CH 3
#define L0_IFM_DIM 6
#define L0_OFM_CH 4
#define L0_OFM_DIM 4
#define L0_PE 2
#define L0_SIMD 3
#define L0_WPI 1
#define L0_API 1
#define L1_MH 8
#define L1_MW 64
#define L1_PE 2
#define L1_SIMD 16
#define L1_API 1
#define L2_MH 16
#define L2_MW 8
#define L2_PE 1
#define L2_SIMD 8
#define L2_API 16
"""
PARAMETERS = {"0-0-weights": 18, "0-1-weights": 18, "0-0-thres": 2, "0-1-thres": 2, "1-0-weights": 16,
              "1-1-weights": 16, "1-0-thres": 4, "1-1-thres": 4, "2-0-weights": 16}


def prepare_finn(folder: Path) -> Feed:
    """A convolution and two fully connected layers."""
    rng = np.random.default_rng(1)
    for name, words in PARAMETERS.items():
        (folder / f"{name}.bin").write_bytes(rng.integers(0, 1 << 16, words).astype("<i8").tobytes())
    (folder / "config.h").write_text(HEADER)
    load_finn(folder)

    def feed(rng: random.Random) -> str:
        name = rng.choice(list(PARAMETERS))
        path, kept = folder / f"{name}.bin", (folder / f"{name}.bin").read_bytes()
        text = HEADER if rng.random() < 0.2 else mutate_text(rng, HEADER)
        if rng.random() < 0.1:
            text = text.replace("3", str(odd_value(rng))[:100], 1)
        (folder / "config.h").write_bytes(text.encode(errors="surrogatepass"))
        if rng.random() < 0.4:
            path.write_bytes(mutate_bytes(rng, kept))
        try:
            network = load_finn(folder)
        except NetworkError as error:
            return refused_by(error)
        finally:
            path.write_bytes(kept)
        layer_reports(network, program_for(network, ARRAY))
        return ACCEPTED

    return feed


QONNX = Target("qonnx", prepare_qonnx, 2_000, "an import takes a tenth of a second: it makes sessions of onnxruntime")
FINN = Target("finn", prepare_finn, 5_000, "an import folds three layers, some milliseconds each")
